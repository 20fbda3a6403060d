"""Choose among the moments of many runs: by expert images, by report labels, by training loss."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.cross_fitting import N_HALVES, CrossFitted, logged_epochs
from cxrstudy.experiments.model_selection import choose_by_criteria, set_thresholds
from cxrstudy.experiments.opacity_labels import lung_opacity_labels
from cxrstudy.studies.regularization.metric_optimisation import column_aurocs

CHOOSERS: tuple[str, ...] = ("expert labels", "report labels", "training loss")
"""What a checkpoint can be chosen by."""


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """Models of one half of the patients, each at some moment of its training.

    Attributes
    ----------
    scores : dict of str to DataFrame of float, shape (n_patients, 1)
        Of one image for each patient of the other half that experts read.
    expert, report : DataFrame of float, shape (n_patients, 1)
    losses : Series of float
        Training loss of each checkpoint, on the other half of the patients. Flipped labels
        count as they were trained on.
    finished : list of str
        The checkpoints that are the end of a run on unchanged labels.
    """

    scores: dict[str, pd.DataFrame]
    expert: pd.DataFrame
    report: pd.DataFrame
    losses: pd.Series
    finished: list[str]


def gather_checkpoints(
    trained: Mapping[str, CrossFitted], image_set: ImageSet, half: int
) -> Checkpoints:
    """Collect logged moments of all runs that trained on the other half of the patients.

    One image of each patient stands for it, so that a patient is never on both sides of a split.

    Parameters
    ----------
    trained : mapping of str to CrossFitted
    image_set : ImageSet
    half : int
        Whose images are predicted.

    Returns
    -------
    Checkpoints
    """
    labels = lung_opacity_labels(image_set, "rsna")
    inside = pd.Series(image_set.folds(N_HALVES) == half, image_set.images.index)
    labels = labels[inside[labels.index]].groupby("patient").head(1)
    rows = image_set.images.index.get_indexer(labels.index)
    scores, losses, finished = {}, {}, []
    for name, fitted in trained.items():
        for number in range(fitted.arm.seeds):
            for epoch in logged_epochs(fitted.arm.config.epochs):
                key = f"{name}, seed {number}, after {epoch}"
                values = fitted.held_out[number, epoch - 1, rows].astype(float)
                scores[key] = pd.DataFrame({"opacity": values}, labels.index)
                losses[key] = float(fitted.losses[number, 1 - half, epoch - 1])
            if not fitted.arm.label_noise:
                finished.append(key)
    expert, report = (
        labels[[source]].set_axis(["opacity"], axis=1) for source in ("expert", "report")
    )
    return Checkpoints(scores, expert, report, pd.Series(losses), finished)


def choose_checkpoints(
    checkpoints: Checkpoints, size: int, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Say what choosing a checkpoint by each criterion is worth on other patients.

    Parameters
    ----------
    checkpoints : Checkpoints
    size : int
        Images in the validation part.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Tidy: columns chosen by, outcome, estimate, low, high, n; see
        `cxrstudy.experiments.model_selection.OUTCOMES`.
    """
    labels = (checkpoints.expert, checkpoints.report, -checkpoints.losses)
    chosen = choose_by_criteria(
        checkpoints.expert,
        checkpoints.scores,
        [size],
        dict(zip(CHOOSERS, labels, strict=True)),
        resampling=resampling,
    )
    tables = [
        found.table().drop(columns="size").assign(**{"chosen by": name})
        for name, found in chosen.items()
    ]
    return pd.concat(tables, ignore_index=True)


def spread_table(checkpoints: Checkpoints) -> pd.DataFrame:
    """Say how different the checkpoints are: a compass cannot point where all places are equal.

    Parameters
    ----------
    checkpoints : Checkpoints

    Returns
    -------
    DataFrame
        One row: checkpoints, images, worst, median and best AUROC against experts.
    """
    scores = np.column_stack([table["opacity"] for table in checkpoints.scores.values()])
    aurocs = column_aurocs(scores, checkpoints.expert["opacity"].to_numpy())
    return pd.DataFrame(
        {"checkpoints": [len(aurocs)], "images": [len(scores)], "worst": [aurocs.min()],
         "median": [np.median(aurocs)], "best": [aurocs.max()]}
    )  # fmt: skip


def tuned_thresholds(
    checkpoints: Checkpoints, size: int, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Say what tuning a threshold on part of the patients is worth on the others.

    Parameters
    ----------
    checkpoints : Checkpoints
        Its finished runs get thresholds; their scores are log odds.
    size : int
        Images in the validation part.
    resampling : Resampling

    Returns
    -------
    DataFrame
        Tidy: columns rule (see `set_thresholds`), metric (Youden index, F1), estimate
        (score minus that of the threshold at the prevalence), low, high, n.
    """
    probabilities = {name: expit(checkpoints.scores[name]) for name in checkpoints.finished}
    found = set_thresholds(checkpoints.expert, probabilities, [size], resampling=resampling)
    table = found.table()
    table = table[table["outcome"].str.contains(" - ")].drop(columns="size")
    parts = table["outcome"].str.extract(r"(?P<metric>\w+), (?P<rule>.+) - ")
    parts["metric"] = parts["metric"].replace({"youden": "Youden index", "f1": "F1"})
    return table.drop(columns="outcome").join(parts)
