"""What a task's scores can tell: a blind model's chance and halves, permuted images, floors."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.model_selection import GroupKFold
from statsmodels.stats.multitest import multipletests

from cxrstudy.multimodal.items import Item


def only_training(items: Iterable[Item]) -> list[Item]:
    """List items to learn from, and refuse held-out ones."""
    items = list(items)
    for item in items:
        if item.split != "training":
            raise ValueError(f"{item.task}: a held-out item is not to be learned from")
    return items


def training_halves(items: Iterable[Item]) -> list[tuple[list[Item], list[Item]]]:
    """Divide training items by group into two halves; give each as (learned on, judged)."""
    known = only_training(items)
    groups = [item.group for item in known]
    return [
        ([known[row] for row in learned], [known[row] for row in judged])
        for learned, judged in GroupKFold(2).split(groups, groups=groups)
    ]


def blind_above_chance(
    answers: pd.DataFrame, level: float = 0.05, right: str = "right_likelihood"
) -> pd.DataFrame:
    """Find the tasks that a model without the image answers above chance.

    Chance is one over the number of options, averaged over items. Where a task has no more
    different answers than options, it is the share of the commonest answer: two images in three of
    one view are no artefact. Items of one patient count as independent, so that rather more tasks
    are dropped.

    Parameters
    ----------
    answers : DataFrame
        Of the training half, each row from a fit that did not see its group (`training_halves`).
        Columns task, answer, n_options and the one that says what is right, 1 or 0; open
        questions, without options, are left out.
    level : float
        Of Holm's procedure over the tasks, for one-sided binomial tests.
    right : str
        Name of the column.

    Returns
    -------
    DataFrame
        Columns task, n, right, chance, p, p_holm and dropped.

    Raises
    ------
    ValueError
        If no item has options, or the model did not answer all that have.
    """
    closed = answers[answers["n_options"] > 0]
    if closed.empty or closed[right].isna().any():
        raise ValueError("needs items with options, and a model that answered all of them")
    rows = []
    for task, own in closed.groupby("task", sort=False):
        chance = (1 / own["n_options"]).mean()
        shares = own["answer"].value_counts(normalize=True)
        if len(shares) <= own["n_options"].min():
            chance = shares.iloc[0]
        n_right = int(own[right].sum())
        p = binomtest(n_right, len(own), min(chance, 1.0), alternative="greater").pvalue
        rows.append((task, len(own), n_right, chance, p))
    table = pd.DataFrame(rows, columns=["task", "n", "right", "chance", "p"])
    dropped, adjusted, *_ = multipletests(table["p"], level, method="holm")
    return table.assign(p_holm=adjusted, dropped=dropped)


def permuted(items: Iterable[Item], rng: np.random.Generator) -> list[Item]:
    """Give each item the images of another patient's item, of the same task, split and number.

    Parameters
    ----------
    items : iterable of Item
        Those without images stay as they are.
    rng : numpy.random.Generator

    Returns
    -------
    list of Item
        In the order of the items; together they show the same images.

    Raises
    ------
    ValueError
        If more than half of the items that may be exchanged are one patient's.
    """
    items = list(items)
    parts = defaultdict(list)
    for row, item in enumerate(items):
        if item.images:
            parts[item.task, item.split, len(item.images)].append(row)
    changed = list(items)
    for (task, *_), rows in parts.items():
        places, names = pd.factorize(np.array([items[row].group for row in rows], dtype=object))
        largest = int(np.bincount(places).max())
        if 2 * largest > len(rows):
            raise ValueError(f"{task}: {largest} of {len(rows)} items are one patient's")
        # Patients follow each other as blocks, in random order. A turn by no less than the largest
        # block, either way round, takes every item out of its own.
        order = np.lexsort((rng.random(len(rows)), rng.permutation(len(names))[places]))
        turned = np.roll(order, rng.integers(largest, len(rows) - largest + 1))
        for place, source in zip(order, turned, strict=True):
            changed[rows[place]] = replace(items[rows[place]], images=items[rows[source]].images)
    return changed
