"""Answers to items, scored as CheXbench does: by the options' likelihood and by generated text."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from cxrstudy.agreement import DEFAULT_RESAMPLING, Agreement, Resampling, agree
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.parsing import parse
from cxrstudy.whole_files import written_whole

SCORINGS = {
    "likelihood": "right_likelihood",
    "likelihood per token": "right_per_token",
    "generation": "right_generation",
    "generation, official": "right_official",
}
"""Names of the ways to score an answer, and the columns of `answers_table` that hold them."""


class BenchmarkError(ValueError):
    """A model, its answers or the choice of items cannot be used; the message says what to do."""


class Answerer(Protocol):
    """A model that a benchmark can ask.

    It may also have ``token_counts(items)``, the number of tokens of each option in the order of
    `likelihoods`, and ``lists_letters``, true if its prompts list the options as "A) ... B) ...".
    """

    name: str

    def likelihoods(self, items: Sequence[Item]) -> list[np.ndarray | None]:
        """Give the log-likelihood of each option; None if there are none, or it cannot tell."""

    def generate(self, items: Sequence[Item]) -> list[str]:
        """Answer each item in words."""


def answers_table(items: Sequence[Item], answerer: Answerer, seed: int = 0) -> pd.DataFrame:
    """Ask a model all items and say which answers are right.

    Parameters
    ----------
    items : sequence of Item
        Open questions, those without options, are answered and not scored.
    answerer : Answerer
        The model.
    seed : int, default 0
        Of the random options that stand for unparsable answers in ``right_official``.

    Returns
    -------
    pandas.DataFrame
        One row for each item, in their order, with the item's task, about, group, split and answer,
        ``n_options`` and ``chance`` (1 / n_options), and

        - ``right_likelihood`` : the answer alone has the highest log-likelihood;
        - ``right_per_token`` : the same after division by the options' numbers of tokens;
        - ``right_generation`` : the text names the answer and no other option (`parse`);
        - ``right_official`` : the same, a random option in place of an unparsable text;
        - ``likeliest``, ``parsed`` : the options so chosen; missing where there is no one option;
        - ``margin`` : log-odds of the first option against the rest;
        - ``said`` : the generated text.

        Columns ``right_*`` are float64: 1, 0, or NaN for what is not scored.

    Raises
    ------
    BenchmarkError
        If the model gives too few or too many answers, log-likelihoods or numbers of tokens, or
        such as are no numbers.
    """
    items = list(items)
    scores = _per_option(items, answerer.likelihoods(items), answerer.name, "log-likelihoods")
    said = list(answerer.generate(items))
    if len(said) != len(items) or not all(isinstance(text, str) for text in said):
        raise BenchmarkError(f"{answerer.name}: must say one text for each of {len(items)} items")
    count = getattr(answerer, "token_counts", None)
    counts = [None] * len(items)
    if count is not None:
        counts = _per_option(items, count(items), answerer.name, "numbers of tokens")
    letters = getattr(answerer, "lists_letters", False)
    # One draw for each item, whether or not it is needed: no answer moves another's draw.
    drawn = np.random.default_rng(seed).random(len(items))
    rows = [
        _of_item(item) | _by_likelihood(item, *given) | _by_text(item, text, letters, draw)
        for item, text, draw, *given in zip(items, said, drawn, scores, counts, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


_COLUMNS = {
    **dict.fromkeys(("task", "about", "group", "split"), "str"),
    "n_options": "int64",
    **dict.fromkeys(("chance", *SCORINGS.values()), "float64"),
    "likeliest": "str",
    "parsed": "str",
    "margin": "float64",
    "answer": "str",
    "said": "str",
}


def item_name(place: int, item: Item) -> str:
    """Name an item in an error, such as ``item 3 (view, 00000013_005.png)``."""
    return f"item {place} ({', '.join([item.task, *item.images])})"


def _per_option(items: list[Item], given, name: str, what: str) -> list[np.ndarray | None]:
    """Check that the numbers a model gives are one for each option."""
    given = list(given)
    if len(given) != len(items):
        raise BenchmarkError(f"{name}: gave {what} of {len(given)} items for {len(items)}")
    checked: list[np.ndarray | None] = []
    for place, (item, numbers) in enumerate(zip(items, given, strict=True)):
        if numbers is None or not item.options:
            checked.append(None)
            continue
        numbers = np.asarray(numbers, np.float64)
        # Minus infinity is the logarithm of 0.
        if numbers.shape != (len(item.options),) or not np.all(numbers < np.inf):
            raise BenchmarkError(
                f"{name}: {item_name(place, item)} has {len(item.options)} options, "
                f"and these {what}: {numbers.tolist()}"
            )
        checked.append(numbers)
    return checked


def _of_item(item: Item) -> dict[str, object]:
    n_options = len(item.options)
    of_item = {"n_options": n_options, "chance": 1 / n_options if n_options else np.nan}
    names = ("task", "about", "group", "split", "answer")
    return {name: getattr(item, name) for name in names} | of_item


def _by_likelihood(item: Item, scores, counts) -> dict[str, object]:
    if scores is None:
        return {}
    likeliest = _only_highest(item.options, scores)
    found = {"likeliest": likeliest, "right_likelihood": likeliest == item.answer}
    if counts is not None:
        found["right_per_token"] = _only_highest(item.options, scores / counts) == item.answer
    if len(scores) > 1:
        with np.errstate(invalid="ignore"):
            found["margin"] = scores[0] - logsumexp(scores[1:])
    return found


def _only_highest(options: Sequence[str], scores: np.ndarray) -> str | None:
    """Return the option of the highest score; None if two share it."""
    places = np.flatnonzero(scores == scores.max())
    return options[places[0]] if len(places) == 1 else None


def _by_text(item: Item, text: str, letters: bool, draw: float) -> dict[str, object]:
    if not item.options:
        return {"said": text}
    parsed = parse(text, item.options, letters)
    official = parsed or item.options[int(draw * len(item.options))]
    right = {"right_generation": parsed == item.answer, "right_official": official == item.answer}
    return {"said": text, "parsed": parsed, **right}


def accuracies(
    right: Mapping[str, pd.Series],
    answers: pd.DataFrame,
    resampling: Resampling = DEFAULT_RESAMPLING,
    contrasts: Sequence[tuple[str, str]] = (),
) -> Agreement:
    """Compare models, or ways of scoring one, task by task on the same resampled patients.

    Parameters
    ----------
    right : mapping of str to pandas.Series
        Per method 1, 0 or NaN for each row of ``answers``, such as its ``right_likelihood``.
    answers : pandas.DataFrame
        A table of `answers_table`; its rows of one group are drawn together.
    resampling : Resampling
        Replicates and seed; its clusters are replaced.
    contrasts : sequence of (str, str)
        Pairs of methods; ``("a", "b")`` adds their paired difference, method ``"a - b"``.

    Returns
    -------
    Agreement
        Its observations are the tasks, its metric is ``"accuracy"``; ``"Average"`` is the mean
        over tasks.

    Raises
    ------
    BenchmarkError
        If no item has options.
    """
    closed = answers[answers["n_options"] > 0]
    if closed.empty:
        raise BenchmarkError("no item has options, so there is no accuracy; choose other tasks")
    tasks = closed["task"].unique()
    truth = pd.DataFrame(1.0, closed.index, tasks)
    of_task = truth.eq(0)
    for task in tasks:
        of_task[task] = closed["task"] == task
    tables = {
        name: of_task.where(of_task).mul(values[closed.index], axis=0).astype("float64")
        for name, values in right.items()
    }
    # An item of no group is a group of its own.
    rows = closed.index.astype(str)
    groups = closed["group"].where(closed["group"] != "", "row " + pd.Series(rows, closed.index))
    return agree(
        truth,
        tables,
        metrics=["accuracy"],
        contrasts=contrasts,
        resampling=resampling.of(clusters=groups.to_numpy()),
        min_events=0,
    )


def accuracy_table(
    answers: pd.DataFrame, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Give the accuracy of each task by each way of scoring, with BCa intervals by group.

    Parameters
    ----------
    answers : pandas.DataFrame
        A table of `answers_table`.
    resampling : Resampling
        Replicates and seed.

    Returns
    -------
    pandas.DataFrame
        Columns task, scoring (of `SCORINGS`), estimate, low, high, n, n_groups, chance (the mean of
        1 / n_options), unparsable (the share of texts that name no one option) and same_answer (of
        the parsable ones, the share whose option is also the likeliest).

    Raises
    ------
    BenchmarkError
        If no item has options.
    """
    right = {name: answers[column] for name, column in SCORINGS.items()}
    scored = accuracies(right, answers, resampling).table()
    found = scored.rename(columns={"method": "scoring", "observation": "task"})
    closed = answers[answers["n_options"] > 0]
    by_task = closed.groupby("task", sort=False)
    both = closed.dropna(subset=["parsed", "likeliest"])
    same = (both["parsed"] == both["likeliest"]).groupby(both["task"]).mean()
    of_task = pd.DataFrame(
        {
            "n_groups": by_task["group"].nunique(),
            "chance": by_task["chance"].mean(),
            "unparsable": by_task["parsed"].agg(lambda parsed: parsed.isna().mean()),
            "same_answer": same,
        },
        index=closed["task"].unique(),
    )
    # No rows for averages, nor for what a model does not give, such as numbers of tokens.
    found = found[found["task"].isin(of_task.index) & (found["n"] > 0)]
    found = found.merge(of_task, left_on="task", right_index=True, how="left")
    order = {task: place for place, task in enumerate(of_task.index)}
    found = found.sort_values("task", key=lambda tasks: tasks.map(order), kind="stable")
    columns = ["task", "scoring", "estimate", "low", "high", "n", *of_task.columns]
    return found[columns].reset_index(drop=True)


def chosen_items(
    items: Iterable[Item], tasks: Sequence[str] = (), limit: int | None = None, seed: int = 0
) -> list[Item]:
    """Keep the held-out items of some tasks, of each at most `limit` drawn at random."""
    held_out = [item for item in items if item.split == "held_out"]
    known = list(dict.fromkeys(item.task for item in held_out))
    if unknown := sorted(set(tasks) - set(known)):
        raise BenchmarkError(f"no task {', '.join(unknown)}; there are: {', '.join(known)}")
    kept = [item for item in held_out if not tasks or item.task in tasks]
    order = np.random.default_rng(seed).permutation(len(kept))
    taken: Counter[str] = Counter()
    places = []
    for place in order:
        task = kept[place].task
        if limit is None or taken[task] < limit:
            taken[task] += 1
            places.append(place)
    return [kept[place] for place in sorted(places)]


def check_folder(folder: Path) -> None:
    """Refuse a folder to which no tables can be written, before a model is asked."""
    at_hand = folder if folder.exists() else folder.absolute().parent
    if not at_hand.is_dir():
        raise BenchmarkError(f"{at_hand}: no such folder. Make it, or name another.")
    if not os.access(at_hand, os.W_OK):
        raise BenchmarkError(f"{at_hand}: not writable. Name another folder.")


def write_tables(folder: Path, answers: pd.DataFrame, accuracy: pd.DataFrame) -> None:
    """Write answers.csv and accuracy.csv, both or neither."""
    folder.mkdir(exist_ok=True)
    with (
        written_whole(folder / "accuracy.csv") as of_accuracy,
        written_whole(folder / "answers.csv") as of_answers,
    ):
        answers.to_csv(of_answers, index=False)
        accuracy.to_csv(of_accuracy, index=False)
