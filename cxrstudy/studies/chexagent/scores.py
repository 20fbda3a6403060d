"""Accuracies of models and controls on the same items, and the differences that decide claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from cxrstudy.agreement import MACRO_AVERAGE, Estimate, Resampling
from cxrstudy.agreement.result import average_over_seeds, mean_estimate
from cxrstudy.multimodal.benchmark import SCORINGS, accuracies, answers_table
from cxrstudy.multimodal.items import Item
from cxrstudy.multimodal.job import BEFORE, WITH_IMAGES, TuningJob
from cxrstudy.multimodal.language import as_texts
from cxrstudy.studies.chexagent.arms import BLIND, FULL, HELD_OUT, PERMUTED, VARIANTS
from cxrstudy.studies.chexagent.image_items import instructions
from cxrstudy.trainings.job import Kept

FORMAT = BLIND + WITH_IMAGES
"""A model that learned the same items without their images, and is then shown them."""

MODEL_STATES = (FULL, BLIND, FORMAT, BEFORE)
CONTROLS = ("probe", "metadata", "majority")

CLAIMS: Mapping[str, tuple[str, str]] = {
    "chexagent.instruction_tuning": (FULL, FORMAT),
    "chexagent.beats_probe": (FULL, "probe"),
    "chexagent.needs_image": (FULL, BLIND),
}
"""Claim to what is subtracted from what: mean accuracy over the tasks on images that count."""


@dataclass(frozen=True)
class Stored:
    """What a kept training answered, as a model that a benchmark can ask."""

    kept: Kept
    state: str
    asked: str = HELD_OUT
    name: str = "stored"

    def likelihoods(self, items: Sequence[Item]) -> list[np.ndarray | None]:
        """Return the kept likelihoods of each item's options."""
        scores = self.kept.arrays[f"likelihood.{self.state}.{self.asked}"]
        if len(scores) != len(items):
            raise ValueError(f"{len(scores)} answers were kept for {len(items)} items")
        return [
            row[: len(item.options)].astype(np.float64) if item.options else None
            for row, item in zip(scores, items, strict=True)
        ]

    def generate(self, items: Sequence[Item]) -> list[str]:
        """Return the kept texts; empty where the model was not let to write."""
        said = self.kept.arrays.get(f"said.{self.state}.{self.asked}")
        return [""] * len(items) if said is None else as_texts(said)


@dataclass(eq=False)
class Benchmark:
    """Answers of many methods to one list of items; a method has one table for each seed."""

    items: Sequence[Item]
    resampling: Resampling
    answers: dict[str, list[pd.DataFrame]] = field(default_factory=dict)

    def add(self, method: str, *answerers) -> None:
        """Ask a model, or the trainings of one model that differ in their seed."""
        self.answers[method] = [answers_table(self.items, one) for one in answerers]
        self.__dict__.pop("_estimates", None)

    def accuracy(self, method: str, tasks: str | Sequence[str]) -> Estimate:
        """Estimate a method's accuracy on a task, or its mean over tasks.

        Parameters
        ----------
        method : str
            Scored by the options' likelihood.
        tasks : str or sequence of str

        Returns
        -------
        Estimate
            Patients are resampled, and seeds where there are several.
        """
        by_seed = [self._of_seed(name, tasks) for name in self._names(method)]
        return over_seeds(by_seed, self.resampling.seed)

    def difference(self, first: str, second: str, tasks: Sequence[str]) -> Estimate:
        """Estimate a difference of mean accuracies, paired by item and by seed.

        Parameters
        ----------
        first, second : str
            Methods; one that was trained once is compared with every seed of the other.
        tasks : sequence of str

        Returns
        -------
        Estimate
        """
        names = [self._names(method) for method in (first, second)]
        n_seeds = max(map(len, names))
        if not {len(own) for own in names} <= {1, n_seeds}:
            raise ValueError(f"{first} and {second} were trained with different numbers of seeds")
        pairs = [[own[min(seed, len(own) - 1)] for own in names] for seed in range(n_seeds)]
        by_seed = [self._of_seed(a, tasks) - self._of_seed(b, tasks) for a, b in pairs]
        return over_seeds(by_seed, self.resampling.seed)

    def n_seeds(self, method: str) -> int:
        """Count the trainings of a method."""
        return len(self.answers[method])

    def _names(self, method: str) -> list[str]:
        return [f"{method}/{seed}" for seed in range(self.n_seeds(method))]

    def _of_seed(self, name: str, tasks: str | Sequence[str]) -> Estimate:
        tasks = [tasks] if isinstance(tasks, str) else tasks
        return mean_estimate([self._estimates[name, task, "accuracy"] for task in tasks])

    @cached_property
    def _estimates(self) -> Mapping[tuple[str, str, str], Estimate]:
        right = {
            f"{method}/{seed}": table["right_likelihood"]
            for method, tables in self.answers.items()
            for seed, table in enumerate(tables)
        }
        first = next(iter(self.answers.values()))[0]
        return accuracies(right, first, self.resampling).estimates

    def table(self, methods: Sequence[str], tasks: Sequence[str]) -> pd.DataFrame:
        """Tabulate accuracies by task, and their mean.

        Parameters
        ----------
        methods : sequence of str
            Those that do not answer a task have no row there.
        tasks : sequence of str

        Returns
        -------
        DataFrame
            Columns method, task and the estimate's.
        """
        rows = []
        for method in methods:
            answered = [task for task in tasks if self._answers(method, task)]
            for task in answered:
                rows.append({"method": method, "task": task} | self.accuracy(method, task).row())
            if answered == list(tasks):
                mean = self.accuracy(method, tasks).row()
                rows.append({"method": method, "task": MACRO_AVERAGE} | mean)
        return pd.DataFrame(rows)

    def _answers(self, method: str, task: str) -> bool:
        table = self.answers[method][0]
        return bool(table.loc[table["task"] == task, "right_likelihood"].notna().any())

    def scorings_table(self, method: str) -> pd.DataFrame:
        """Compare the ways of scoring one method: likelihood, generation, unparsable answers.

        Parameters
        ----------
        method : str

        Returns
        -------
        DataFrame
            Indexed by task: accuracy by likelihood, by generation and with a random option for an
            unparsable text, shares of unparsable texts, and of the parsable ones those whose option
            is also the likeliest; means over seeds.
        """
        tables = pd.concat(self.answers[method])
        closed = tables[tables["n_options"] > 0]
        by_task = closed.groupby("task", sort=False)
        names = {
            "likelihood": SCORINGS["likelihood"],
            "generation": SCORINGS["generation"],
            "random if unparsable": SCORINGS["generation, official"],
        }
        table = pd.DataFrame({name: by_task[column].mean() for name, column in names.items()})
        table["unparsable"] = by_task["parsed"].agg(lambda parsed: parsed.isna().mean())
        both = closed.dropna(subset=["parsed", "likeliest"])
        table["same answer"] = (both["parsed"] == both["likeliest"]).groupby(both["task"]).mean()
        return table


def over_seeds(by_seed: Sequence[Estimate], seed: int) -> Estimate:
    """Average trainings, seeds resampled; one training keeps its own interval."""
    return by_seed[0] if len(by_seed) == 1 else average_over_seeds(by_seed, seed)


def tasks_that_count(items: Sequence[Item], dropped: Sequence[str], fewest: int) -> list[str]:
    """List the tasks on images that decide claims.

    Parameters
    ----------
    items : sequence of Item
        Held out.
    dropped : sequence of str
        Tasks that a model answered without the image.
    fewest : int
        Held-out items that a task needs.

    Returns
    -------
    list of str
        Those of ``instructions.yaml`` that may carry a claim, and do not repeat another's question.

    Raises
    ------
    ValueError
        If none is left.
    """
    counts = pd.Series([item.task for item in items]).value_counts()
    tasks = [
        name
        for name, task in instructions()["tasks"].items()
        if task.get("claim", True)
        and name not in dropped
        and not name.endswith("_unmatched")
        and counts.get(name, 0) >= fewest
    ]
    if not tasks:
        raise ValueError(
            f"no task on images has {fewest} held-out items and needs its image: lower fewest_items"
        )
    return tasks


def blind_answers(judged: Sequence[Sequence[Item]], trainings: Sequence[Kept]) -> pd.DataFrame:
    """Tabulate what models without images answered, each to the half that it did not learn from.

    Parameters
    ----------
    judged : sequence of sequence of Item
    trainings : sequence of Kept
        One for each half.

    Returns
    -------
    DataFrame
        As `answers_table` lays it out.
    """
    halves = [
        answers_table(items, Stored(kept, BLIND))
        for items, kept in zip(judged, trainings, strict=True)
    ]
    return pd.concat(halves, ignore_index=True)


def dropped_tasks(rule: pd.DataFrame, items: Sequence[Item]) -> list[str]:
    """List the tasks on images that the rule drops; a task on texts alone needs no image.

    Parameters
    ----------
    rule : DataFrame
        Of `checks.blind_above_chance`.
    items : sequence of Item

    Returns
    -------
    list of str
    """
    with_images = {item.task for item in items if item.images}
    return [task for task in rule.loc[rule["dropped"], "task"] if task in with_images]


def variant_scores(
    jobs: Sequence[TuningJob], trainings: Sequence[Kept], resampling: Resampling
) -> Benchmark:
    """Score the arm with all stages and its variants, each with its seeds.

    Parameters
    ----------
    jobs : sequence of TuningJob
        Of `arms.variant_jobs`.
    trainings : sequence of Kept
    resampling : Resampling

    Returns
    -------
    Benchmark
        Methods ``"one_epoch"`` and those of `arms.VARIANTS`.
    """
    benchmark = Benchmark(jobs[0].questions[HELD_OUT], resampling)
    arms = ("one_epoch", *VARIANTS)
    if len(trainings) % len(arms):
        raise ValueError(f"{len(trainings)} trainings are not the same number for {arms}")
    for name, own in zip(arms, np.array_split(np.array(trainings, object), len(arms)), strict=True):
        benchmark.add(name, *(Stored(kept, FULL) for kept in own))
    return benchmark


def permuted_scores(
    jobs: Sequence[TuningJob], trainings: Sequence[Kept], resampling: Resampling
) -> Benchmark:
    """Score the full model on images that were exchanged between patients of a task.

    Parameters
    ----------
    jobs : sequence of TuningJob
        Each exchanged the images in its own way; the questions are the same.
    trainings : sequence of Kept
    resampling : Resampling

    Returns
    -------
    Benchmark
        Its one method is ``"permuted"``.
    """
    benchmark = Benchmark(jobs[0].more_questions[PERMUTED], resampling)
    benchmark.add(PERMUTED, *(Stored(kept, FULL, PERMUTED) for kept in trainings))
    return benchmark
