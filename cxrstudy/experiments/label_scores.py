"""Scores of the same methods against two sources of labels on the same cases."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from cxrstudy.agreement import DEFAULT_RESAMPLING, MACRO_AVERAGE, Estimate, Resampling, agree
from cxrstudy.agreement.result import LIMITS, average_over_seeds, derive, mean_estimate

# Place that holds the cases of all other places at once, where there is one.
POOLED = "pooled"
# Stands for a method: the mean score of all of them.
MEAN_OF_METHODS = "mean of methods"

# Quantity to the scores that it adds and their factors; "predicted" is the AUROC against reports
# had their errors nothing to do with the case.
QUANTITIES: Mapping[str, Mapping[str, float]] = {
    "expert": {"expert": 1},
    "report": {"report": 1},
    "gap": {"report": 1, "expert": -1},  # positive: methods look better against reports
    "predicted": {"predicted": 1},
    "gap_predicted": {"predicted": 1, "expert": -1},
    "excess": {"report": 1, "predicted": -1},
}
# Measure of `LabelScores.summary` to quantity and place.
SUMMARY_MEASURES: Mapping[str, tuple[str, str]] = {
    "auroc_expert": ("expert", MACRO_AVERAGE),
    "auroc_report": ("report", MACRO_AVERAGE),
    "gap": ("gap", MACRO_AVERAGE),
    "auroc_expert_pooled": ("expert", POOLED),
}

Term = tuple[float, str, str]
"""Factor, method, and source: ``"expert"``, ``"report"`` or ``"predicted"``."""


class LabelScores:
    """Scores of methods against experts and against reports, on shared resamples.

    A place is a column of the tables, such as an observation or a view, or ``"Average"``, the mean
    over some of them. A case that misses one source leaves the place for both. Differences are
    paired by case and, where a method has several tables of scores, one for each seed, by seed; a
    method that was trained once is compared with every seed of another.
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
        # By place: cases, positives and negatives of either source, and whether they are too few.
        self.counts = _event_counts(self.expert, self.report, min_events)
        enough = self.counts.index[~self.counts["too_few"]]
        self.averages_over = list(enough if averages_over is None else averages_over)
        if not self.averages_over:
            raise ValueError(f"no place has {min_events} positives and negatives by both sources")
        self.methods, self.metrics = list(scores), tuple(metrics)
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
        # `counts` judges both at once, so that `agree` leaves nothing out.
        settings = {"averages_over": self.averages_over, "min_events": 0, "resampling": resampling}
        self._agreements = {
            source: agree(labels, by_training, metrics=self.metrics, **settings)
            for source, labels in (("expert", self.expert), ("report", self.report))
        }
        # Of a report label: positive and negative predictive value.
        self._predictive_values = [
            agree(truth, {"report": labels}, metrics=("precision",), **settings)
            for truth, labels in ((self.expert, self.report), (1 - self.expert, 1 - self.report))
        ]

    def combine(self, *terms: Term, place: str = MACRO_AVERAGE, metric: str = "auroc") -> Estimate:
        """Add scores with signs: a score, a difference, or a difference of differences."""
        factors = [factor for factor, _, _ in terms]
        return self._derive(
            lambda *values: sum(f * value for f, value in zip(factors, values, strict=True)),
            [(method, source) for _, method, source in terms],
            place,
            metric,
        )

    def quantity(
        self, name: str, method: str, place: str = MACRO_AVERAGE, metric: str = "auroc"
    ) -> Estimate:
        """Estimate one of `QUANTITIES`."""
        terms = [(factor, method, source) for source, factor in QUANTITIES[name].items()]
        return self.combine(*terms, place=place, metric=metric)

    def score(self, method: str, source: str, place: str = MACRO_AVERAGE) -> Estimate:
        """Estimate a method's AUROC against one source."""
        return self.combine((1, method, source), place=place)

    def gap(self, method: str, place: str = MACRO_AVERAGE) -> Estimate:
        """Estimate how much higher a method's AUROC is against reports than against experts."""
        return self.quantity("gap", method, place)

    def difference(
        self, first: str, second: str, source: str = "expert", place: str = MACRO_AVERAGE
    ) -> Estimate:
        """Estimate how much better one method is than another against one source."""
        return self.combine((1, first, source), (-1, second, source), place=place)

    def share_above_chance(
        self, first: str, second: str, source: str = "expert", place: str = MACRO_AVERAGE
    ) -> Estimate:
        """Estimate the first method's distance from an AUROC of one half, in the second's."""
        return self._derive(
            lambda one, other: (one - 0.5) / (other - 0.5),
            [(first, source), (second, source)],
            place,
        )

    def table(
        self,
        methods: Sequence[str] | None = None,
        places: Sequence[str] | None = None,
        quantities: Sequence[str] = ("expert", "report", "gap", "gap_predicted", "excess"),
    ) -> pd.DataFrame:
        """Tabulate quantities of some or all methods.

        Places are the average and those that are no part of it unless they are named. Columns
        are method, seeds, place, metric, quantity, estimate, low, high, n, positives, too_few.
        """
        if places is None:
            places = [MACRO_AVERAGE, *(p for p in self.expert if p not in self.averages_over)]
        rows = [
            {"method": method, "seeds": self._n_seeds(method), "place": place}
            | {"metric": metric, "quantity": quantity}
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
            {"method": method, "seeds": self._n_seeds(method), "measure": measure}
            | self.quantity(quantity, method, place).row()
            for method in self.methods
            for measure, (quantity, place) in SUMMARY_MEASURES.items()
        ]
        return pd.DataFrame(rows, columns=["method", "seeds", "measure", *LIMITS, "n"])

    def _derive(self, function, parts, place: str, metric: str = "auroc") -> Estimate:
        """Apply a function to scores of methods against sources within each resample and seed."""
        by_seed = [
            derive(function, *(self._score(*part, place, metric, seed) for part in parts))
            for seed in range(self._n_seeds(*(method for method, _ in parts)))
        ]
        # One interval method for all, also for a method that was trained once beside others.
        if all(len(tables) == 1 for tables in self._trainings.values()):
            return by_seed[0]
        average = average_over_seeds(by_seed, self._seed)
        # Trainings may score different cases.
        return replace(average, n=round(sum(estimate.n for estimate in by_seed) / len(by_seed)))

    def _score(self, method: str, source: str, place: str, metric: str, seed: int) -> Estimate:
        if place == MACRO_AVERAGE and self.counts.loc[self.averages_over, "too_few"].any():
            counts = self.counts.loc[self.averages_over].to_string()
            raise ValueError(f"a place has too few events to enter the average:\n{counts}")
        if source == "predicted":
            return self._predicted(method, place, seed)
        names = [
            _training_name(member, min(seed, self._n_seeds(member) - 1))
            for member in self._members(method)
        ]
        found = self._agreements[source]
        return mean_estimate([found.estimate(name, place, metric) for name in names])

    def _predicted(self, method: str, place: str, seed: int) -> Estimate:
        expert = self._score(method, "expert", place, "auroc", seed)
        if place == MACRO_AVERAGE:
            parts = [self._predicted(method, part, seed) for part in self.averages_over]
            return replace(mean_estimate(parts), n=expert.n, positives=expert.positives)
        values = (found.estimate("report", place, "precision") for found in self._predictive_values)
        return derive(auroc_under_nondifferential_error, expert, *values)

    def _n_seeds(self, *methods: str) -> int:
        members = [member for method in methods for member in self._members(method)]
        counts = {len(self._trainings[member]) for member in members}
        if len(counts - {1}) > 1:
            raise ValueError(f"methods with {sorted(counts)} trainings cannot be paired by seed")
        return max(counts)

    def _members(self, method: str) -> list[str]:
        return self.methods if method == MEAN_OF_METHODS else [method]


def auroc_under_nondifferential_error(auroc, positive_predictive_value, negative_predictive_value):
    """AUROC against noisy labels whose errors are unrelated to the score; numbers or arrays.

    Noisy positives are then a mixture of the true classes with weight PPV and noisy negatives
    with weight NPV, and the AUROC shrinks towards one half by PPV + NPV - 1 (Menon et al. 2015,
    Learning from corrupted binary labels via class-probability estimation, ICML, Corollary 3).

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
