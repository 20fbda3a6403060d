"""Scores of the same methods against two sources of labels on the same cases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from cxrstudy.agreement import DEFAULT_RESAMPLING, MACRO_AVERAGE, Estimate, Resampling, agree
from cxrstudy.agreement.result import LIMITS, average_over_seeds, derive, mean_estimate

POOLED = "pooled"
"""Place that holds the cases of all places at once, where there is one."""

MEAN_OF_METHODS = "mean of methods"
"""Stands for a method: the mean score of all of them."""

QUANTITIES: Mapping[str, Mapping[str, float]] = {
    "expert": {"expert": 1},
    "report": {"report": 1},
    "gap": {"report": 1, "expert": -1},  # positive: methods look better against reports
    "predicted": {"predicted": 1},
    "gap_predicted": {"predicted": 1, "expert": -1},
    "excess": {"report": 1, "predicted": -1},
}
"""Rows of `LabelScores.table`, as a sum of scores against each source with these factors.

``predicted`` is the AUROC against reports had their errors nothing to do with the case.
"""

SUMMARY_MEASURES: Mapping[str, tuple[str, str]] = {
    "auroc_expert": ("expert", MACRO_AVERAGE),
    "auroc_report": ("report", MACRO_AVERAGE),
    "gap": ("gap", MACRO_AVERAGE),
    "auroc_expert_pooled": ("expert", POOLED),
}
"""Measures of `LabelScores.summary`: a quantity and its place."""

Term = tuple[float, str, str]
"""Factor, method, and source: ``"expert"``, ``"report"`` or ``"predicted"``."""


class LabelScores:
    """Scores of methods against experts and against reports, on shared resamples.

    Every quantity is recomputed within each resample, so that differences are paired by case and,
    where methods were trained several times, by seed. A place is a column of the tables, such as
    an observation or a view, or ``"Average"``, the mean over some of them.

    Parameters
    ----------
    expert, report : DataFrame, shape (n_cases, n_places)
        1, 0, or missing; a case that misses one source leaves the place for both.
    scores : mapping of str to DataFrame, or to a sequence of them
        Each method's scores, with the same index and columns. Several tables are trainings that
        differ in their seed; scores are averaged over them.
    metrics : sequence of str
        ``"auroc"`` or ``"average_precision"``; what is predicted of report labels needs the first.
    averages_over : sequence of str, optional
        Places that enter the average; those with enough events by default.
    min_events : int, default 10
        Positives and negatives that each source needs at a place of the average.
    resampling : Resampling
        Replicates and seed; clusters and weights of the cases.

    Attributes
    ----------
    expert, report : DataFrame
        Labels of the cases that both sources label.
    counts : DataFrame
        By place: cases, positives and negatives of either source, and whether these are too few.
    averages_over : list of str

    Raises
    ------
    ValueError
        If tables are misaligned or no place has enough events.
    """

    def __init__(
        self,
        expert: pd.DataFrame,
        report: pd.DataFrame,
        scores: Mapping[str, pd.DataFrame | Sequence[pd.DataFrame]],
        *,
        metrics: Sequence[str] = ("auroc",),
        averages_over: Sequence[str] | None = None,
        min_events: int = 10,
        resampling: Resampling = DEFAULT_RESAMPLING,
    ) -> None:
        both = expert.notna() & report.notna()
        self.expert, self.report = expert.where(both), report.where(both)
        self.counts = _event_counts(self.expert, self.report, min_events)
        enough = self.counts.index[~self.counts["too_few"]]
        self.averages_over = list(enough if averages_over is None else averages_over)
        if not self.averages_over:
            raise ValueError(
                f"nothing to average: {min_events} positives and negatives of both label sources "
                f"are needed somewhere in {list(expert)}"
            )
        self.metrics = tuple(metrics)
        self._seed = resampling.seed
        self._trainings = {
            method: [tables] if isinstance(tables, pd.DataFrame) else list(tables)
            for method, tables in scores.items()
        }
        by_training = {
            _training_name(method, number): table
            for method, tables in self._trainings.items()
            for number, table in enumerate(tables)
        }
        # A place with few events must not leave one source's average and stay in the other's:
        # `counts` judges both at once.
        settings = {
            "averages_over": self.averages_over, "min_events": 0, "resampling": resampling,
        }  # fmt: skip
        self._agreements = {
            source: agree(labels, by_training, metrics=self.metrics, **settings)
            for source, labels in (("expert", self.expert), ("report", self.report))
        }
        # Positive and negative predictive value of a report label.
        self._predictive_values = [
            agree(truth, {"report": labels}, metrics=("precision",), **settings)
            for truth, labels in (
                (self.expert, self.report),
                (1 - self.expert, 1 - self.report),
            )
        ]

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return list(self._trainings)

    def combine(self, *terms: Term, place: str = MACRO_AVERAGE, metric: str = "auroc") -> Estimate:
        """Add scores with signs: a score, a difference, or a difference of differences.

        A method that was trained once is compared with every seed of another.
        """

        def total(*values):
            return sum(factor * value for (factor, _, _), value in zip(terms, values, strict=True))

        return self._over_seeds(
            [method for _, method, _ in terms],
            lambda seed: derive(
                total,
                *(self._score(method, source, place, metric, seed) for _, method, source in terms),
            ),
        )

    def quantity(
        self, name: str, method: str, place: str = MACRO_AVERAGE, metric: str = "auroc"
    ) -> Estimate:
        """Estimate one of `QUANTITIES`."""
        terms = [(factor, method, source) for source, factor in QUANTITIES[name].items()]
        return self.combine(*terms, place=place, metric=metric)

    def score(
        self, method: str, source: str, place: str = MACRO_AVERAGE, metric: str = "auroc"
    ) -> Estimate:
        """Estimate a method's score against one source."""
        return self.combine((1, method, source), place=place, metric=metric)

    def gap(self, method: str, place: str = MACRO_AVERAGE, metric: str = "auroc") -> Estimate:
        """Estimate how much better a method looks against reports than against experts."""
        return self.quantity("gap", method, place, metric)

    def predicted_gap(self, method: str, place: str = MACRO_AVERAGE) -> Estimate:
        """Estimate the gap that report labels with errors unrelated to the case would show."""
        return self.quantity("gap_predicted", method, place)

    def excess(self, method: str, place: str = MACRO_AVERAGE) -> Estimate:
        """Estimate the gap beyond what non-differential errors predict."""
        return self.quantity("excess", method, place)

    def difference(
        self, first: str, second: str, source: str = "expert", place: str = MACRO_AVERAGE
    ) -> Estimate:
        """Estimate how much better one method is than another against one source."""
        return self.combine((1, first, source), (-1, second, source), place=place)

    def share_above_chance(
        self, first: str, second: str, source: str = "expert", place: str = MACRO_AVERAGE
    ) -> Estimate:
        """Estimate the first method's distance from an AUROC of one half, in the second's."""
        return self._over_seeds(
            [first, second],
            lambda seed: derive(
                lambda one, other: (one - 0.5) / (other - 0.5),
                *(self._score(method, source, place, "auroc", seed) for method in (first, second)),
            ),
        )

    def table(
        self,
        methods: Sequence[str] | None = None,
        places: Sequence[str] | None = None,
        quantities: Sequence[str] = ("expert", "report", "gap", "gap_predicted", "excess"),
    ) -> pd.DataFrame:
        """Tabulate quantities of some or all methods, by default at every place of its own.

        A place that is part of the average is left out unless it is named. Columns are method,
        seeds, place, metric, quantity, estimate, low, high, n, positives and too_few.
        """
        if places is None:
            apart = [place for place in self.expert if place not in self.averages_over]
            places = (MACRO_AVERAGE, *apart)
        rows = [
            {
                "method": method,
                "seeds": self._n_seeds([method]),
                "place": place,
                "metric": metric,
                "quantity": quantity,
            }
            | self.quantity(quantity, method, place, metric).row()
            | {"too_few": bool(self.counts["too_few"].get(place, False))}
            for method in methods or self.methods
            for place in places
            for metric in self.metrics
            for quantity in quantities
            if metric == "auroc" or "predicted" not in QUANTITIES[quantity]
        ]
        return pd.DataFrame(rows)

    def summary(self) -> pd.DataFrame:
        """Tabulate what is recorded of every method: `SUMMARY_MEASURES`."""
        rows = [
            {"method": method, "seeds": self._n_seeds([method]), "measure": measure}
            | self.quantity(quantity, method, place).row()
            for method in self.methods
            for measure, (quantity, place) in SUMMARY_MEASURES.items()
        ]
        return pd.DataFrame(rows, columns=["method", "seeds", "measure", *LIMITS, "n"])

    def _score(self, method: str, source: str, place: str, metric: str, seed: int) -> Estimate:
        """Estimate one training's score; of a method that was trained once, always that one's."""
        self._check_average(place)
        if source == "predicted":
            return self._predicted(method, place, seed)
        found = self._agreements[source]
        return mean_estimate(
            [
                found.estimate(_training_name(m, min(seed, self._n_seeds([m]) - 1)), place, metric)
                for m in self._members(method)
            ]
        )

    def _predicted(self, method: str, place: str, seed: int) -> Estimate:
        expert = self._score(method, "expert", place, "auroc", seed)
        if place == MACRO_AVERAGE:
            parts = [self._predicted(method, part, seed) for part in self.averages_over]
            return replace(mean_estimate(parts), n=expert.n, positives=expert.positives)
        values = (found.estimate("report", place, "precision") for found in self._predictive_values)
        return derive(auroc_under_nondifferential_error, expert, *values)

    def _over_seeds(self, methods: Sequence[str], of_seed: Callable[[int], Estimate]) -> Estimate:
        n_seeds = self._n_seeds(methods)
        # One interval method for all, also for a method that was trained once beside others.
        if all(len(tables) == 1 for tables in self._trainings.values()):
            return of_seed(0)
        estimates = [of_seed(seed) for seed in range(n_seeds)]
        average = average_over_seeds(estimates, self._seed)
        # Trainings may score different cases.
        return replace(average, n=round(sum(each.n for each in estimates) / len(estimates)))

    def _n_seeds(self, methods: Sequence[str]) -> int:
        members = [member for method in methods for member in self._members(method)]
        counts = {len(self._trainings[member]) for member in members}
        if len(counts - {1}) > 1:
            raise ValueError(f"methods with {sorted(counts)} trainings cannot be paired by seed")
        return max(counts)

    def _members(self, method: str) -> list[str]:
        return self.methods if method == MEAN_OF_METHODS else [method]

    def _check_average(self, place: str) -> None:
        few = self.counts.loc[self.averages_over, "too_few"]
        if place == MACRO_AVERAGE and few.any():
            first = few.idxmax()
            counted = self.counts.loc[first].drop("too_few").to_dict()
            raise ValueError(f"{first} has too few events to enter an average: {counted}")


def auroc_under_nondifferential_error(auroc, positive_predictive_value, negative_predictive_value):
    """AUROC against noisy labels whose errors are unrelated to the score; numbers or arrays.

    If, among true positives and among true negatives, the error of a label does not depend on
    the score, then noisy positives are a mixture of the true classes with weight PPV and noisy
    negatives with weight NPV, and the AUROC shrinks towards one half by PPV + NPV - 1 (Menon, van
    Rooyen, Ong and Williamson 2015, Learning from corrupted binary labels via class-probability
    estimation, ICML, Corollary 3).

    >>> round(auroc_under_nondifferential_error(0.9, 0.8, 0.9), 2)
    0.78
    """
    return 0.5 + (positive_predictive_value + negative_predictive_value - 1) * (auroc - 0.5)


def _event_counts(expert: pd.DataFrame, report: pd.DataFrame, min_events: int) -> pd.DataFrame:
    events = {
        f"{source}_{name}": (labels == value).sum()
        for source, labels in (("expert", expert), ("report", report))
        for name, value in (("positive", 1), ("negative", 0))
    }
    counts = pd.DataFrame({"cases": expert.notna().sum()} | events).rename_axis("place")
    return counts.assign(too_few=pd.DataFrame(events).min(axis=1) < min_events)


def _training_name(method: str, number: int) -> str:
    return f"{method}, seed {number}"
