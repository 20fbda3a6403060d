"""What the benchmark's tasks give without a language model, or without the image.

Every control learns on training items and answers others as a model does: for each item an array of
log-likelihoods, one per option, or None for an item that it leaves out.

Metadata and probe are conditional logistic regressions (`choice_regression`). Labels are the
options themselves where all items of a task have the same ones, and otherwise the findings that an
option names. Each task has one regression, also where it asks for several findings, as "appear or
resolve" does: regressions of a hundred items each would tell less.
"""

import re
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cxrstudy.data.nih_experts import NIH_FINDINGS
from cxrstudy.multimodal.items import Item
from cxrstudy.studies.chexagent.checks import only_training
from cxrstudy.studies.chexagent.choice_regression import Heads, Names, Options, fit_heads

ASKED = {"view": "view", "sex": "sex", "age": "age"}
"""Task to the column of metadata that it asks for, and that is kept from its regression."""

GRID_TASKS = ("side", "quadrant")
"""Tasks that ask where something is; the probe sees the quadrants of their images."""

INVERSE_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)

_FINDINGS = {name.casefold().replace("_", " ") for name in (*NIH_FINDINGS, "No Finding")}

Answers = list[NDArray[np.float64] | None]


class _Question(NamedTuple):
    """What is the same in questions that one regression can answer."""

    about: str
    options: frozenset[str]
    n_images: int
    with_context: bool

    @classmethod
    def of(cls, item: Item) -> Self:
        return cls(item.about, frozenset(item.options), len(item.images), bool(item.context))


class _Control(ABC):
    """Remembers which questions it learned, and says the likeliest option in words."""

    name: str

    def __init__(self) -> None:
        self._asked: dict[str, set[_Question]] = {}

    @abstractmethod
    def likelihoods(self, items: Sequence[Item]) -> Answers:
        """Score each item's options; None where an item is left out."""

    def generate(self, items: Sequence[Item]) -> list[str]:
        """Say the likeliest option, and nothing where an item is left out."""
        answers = self.likelihoods(items)
        return [
            "" if scores is None else item.options[int(scores.argmax())]
            for item, scores in zip(items, answers, strict=True)
        ]

    def _remember(self, items: Iterable[Item]) -> None:
        self._asked = defaultdict(set)
        for item in items:
            self._asked[item.task].add(_Question.of(item))

    def _task(self, item: Item) -> str:
        """Find the task learned; of a task only held out, the one with the same question."""
        if item.task in self._asked:
            return item.task
        # "effusion_unmatched" is answered as "effusion_matched".
        question = _Question.of(item)
        same = [task for task, known in self._asked.items() if item.about and question in known]
        if len(same) != 1:
            raise ValueError(f"{item.task}: tasks learned that ask the same are {same}: need one")
        return same[0]


class Majority(_Control):
    """The commonest answer of each task, of equal ones the first.

    Where options differ from item to item, it is the option that was most often right: the log of
    its share among training answers, with one added to each count.
    """

    name = "majority"

    def fit(self, items: Iterable[Item]) -> Self:
        """Count the answers of training items."""
        known = [item for item in only_training(items) if item.options]
        self._remember(known)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        for item in known:
            # An option that is never right has a count as well.
            self._counts[item.task].update(dict.fromkeys(item.options, 0))
            self._counts[item.task][item.answer] += 1
        return self

    def likelihoods(self, items: Iterable[Item]) -> Answers:
        """Answer items; open questions are left out."""
        return [self._likelihoods(item) if item.options else None for item in items]

    def _likelihoods(self, item: Item) -> NDArray[np.float64]:
        counts = self._counts[self._task(item)]
        shares = np.array([1.0 + counts[option] for option in item.options])
        return _first_of_equals(np.log(shares / (counts.total() + len(counts))))


class _ConditionalRegression(_Control):
    """Regressions of the answer on an item's inputs, one for each task."""

    def __init__(self, inverse_penalties: Sequence[float]) -> None:
        super().__init__()
        self.inverse_penalties = tuple(sorted(inverse_penalties))

    def fit(self, items: Iterable[Item]) -> Self:
        """Learn on training items; of several penalties, folds of groups choose one."""
        known = [item for item in only_training(items) if _shows_only_images(item)]
        self._remember(known)
        parts = defaultdict(list)
        for item in known:
            parts[item.task].append(item)
        self.chosen: dict[str, float] = {}
        self._heads: dict[str, Heads] = {}
        for task, part in parts.items():
            names = self._names(task, part)
            # Options that are sentences name no labels.
            if all(labels for of_item in names for labels in of_item):
                answers = np.array([item.options.index(item.answer) for item in part])
                groups = [item.group for item in part]
                self.chosen[task], self._heads[task] = fit_heads(
                    self._inputs(part, task), names, answers, groups, self.inverse_penalties
                )
        return self

    def likelihoods(self, items: Iterable[Item]) -> Answers:
        """Answer items; left out are open questions, those about a text, and those without image.

        So are tasks whose options differ from item to item and name more than findings, such as
        sentences.
        """
        items = list(items)
        answers: Answers = [None] * len(items)
        parts = defaultdict(list)
        for row, item in enumerate(items):
            if _shows_only_images(item) and self._task(item) in self._heads:
                parts[self._task(item)].append(row)
        for task, rows in parts.items():
            part, heads = [items[row] for row in rows], self._heads[task]
            scores = heads.scores(self._inputs(part, task))
            found = Options.of(self._names(task, part), heads.labels).log_likelihoods(scores)
            for row, item, own in zip(rows, part, found, strict=True):
                answers[row] = _first_of_equals(own[: len(item.options)])
        return answers

    @abstractmethod
    def _inputs(self, items: Sequence[Item], task: str) -> NDArray[np.float64]:
        """Lay out what the regression of a task sees of each item."""

    def _names(self, task: str, items: Sequence[Item]) -> Names:
        """Name the labels of each item's options."""
        if len({question.options for question in self._asked[task]}) > 1:
            return [[findings_named(option) for option in item.options] for item in items]
        return [[(option,) for option in item.options] for item in items]


class Metadata(_ConditionalRegression):
    """View, sex and age alone, without what the task asks for.

    Parameters
    ----------
    images : DataFrame
        Columns view, sex and age, indexed by image id. What is missing is a category of its own;
        a missing age also counts as the mean.
    """

    name = "metadata"

    def __init__(self, images: pd.DataFrame) -> None:
        super().__init__((1.0,))
        self._columns = {
            column: pd.get_dummies(images[column].astype("string").fillna("missing"), dtype=float)
            for column in ("view", "sex")
        }
        age = images["age"].astype(float)
        self._columns["age"] = pd.DataFrame({"age": age.fillna(age.mean()), "unknown": age.isna()})

    def _inputs(self, items: Sequence[Item], task: str) -> NDArray[np.float64]:
        asked = ASKED.get(task)
        table = pd.concat([part for name, part in self._columns.items() if name != asked], axis=1)
        return _of_images(table.to_numpy(float), table.index, items).reshape(len(items), -1)


class Probe(_ConditionalRegression):
    """The frozen features that the model sees, averaged over the image.

    Of two images it takes both and their difference, of the tasks of `GRID_TASKS` the quadrants.

    Parameters
    ----------
    features : ndarray, shape (n_images, n_features)
    images : sequence of str
        Ids in the order of the features.
    grid : ndarray, shape (n_images, 5, n_features), optional
        The mean, and the quadrants.
    inverse_penalties : sequence of float
        Of several, cross-validation by group among the training items chooses, for each task.
    """

    name = "probe"

    def __init__(
        self,
        features: ArrayLike,
        images: Sequence[str],
        grid: ArrayLike | None = None,
        inverse_penalties: Sequence[float] = INVERSE_PENALTIES,
    ) -> None:
        super().__init__(inverse_penalties)
        self._features, self._images = np.asarray(features), pd.Index(images)
        self._grid = None if grid is None else np.asarray(grid).reshape(len(self._features), -1)
        if len(self._images) != len(self._features):
            raise ValueError(f"{len(self._features)} rows of {len(self._images)} images")

    def _inputs(self, items: Sequence[Item], task: str) -> NDArray[np.float64]:
        at_places = task in GRID_TASKS and self._grid is not None
        table = self._grid if at_places else self._features
        found = _of_images(table, self._images, items)
        if found.shape[1] == 2:
            found = np.concatenate([found, found[:, 1:] - found[:, :1]], axis=1)
        return found.reshape(len(items), -1)


def findings_named(option: str) -> tuple[str, ...]:
    """Return the findings of a list such as ``"Edema, Mass and Hernia"``; or none.

    >>> findings_named("Edema and pleural thickening"), findings_named("Clear lungs, no edema.")
    (('edema', 'pleural thickening'), ())
    """
    parts = re.split(r",\s*(?:and\s+)?|\s+and\s+", option.casefold().replace("_", " "))
    names = tuple(part.strip(" .") for part in parts)
    return names if set(names) <= _FINDINGS else ()


def _shows_only_images(item: Item) -> bool:
    return bool(item.images and item.options and not item.context)


def _first_of_equals(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores - 1e-9 * np.arange(len(scores))


def _of_images(table: NDArray, ids: pd.Index, items: Sequence[Item]) -> NDArray[np.float64]:
    """Look up the rows of each item's images, (n_items, n_images, n_columns)."""
    shown = [list(item.images) for item in items]
    if len({len(images) for images in shown}) > 1:
        raise ValueError(f"{items[0].task}: items show one image or two; a task needs one number")
    places = np.array([ids.get_indexer(images) for images in shown])
    if (places < 0).any():
        raise KeyError(f"{items[0].task}: no features of {shown[(places < 0).any(1).argmax()]}")
    return table[places].astype(np.float64)
