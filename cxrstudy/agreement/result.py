"""Estimates that carry their own resamples, what is derived from them, and their table."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from .intervals import bca_interval, bootstrap_p_value, percentile_interval

MACRO_AVERAGE = "Average"
WEIGHTED_AVERAGE = "Weighted Average"

LIMITS = ("estimate", "low", "high")
"""Columns of a table that hold an estimate and its 95 % interval."""

Key = tuple[str, str, str]
"""Method, observation and metric."""


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """A statistic with its bootstrap and leave-one-out values.

    Subtracting two estimates made from the same resamples gives their paired difference. With
    leave-one-out values the interval is BCa; an estimate without them (refitted in every
    replicate, or averaged over resampled seeds) has a percentile interval and no other.
    """

    value: float
    replicates: np.ndarray  # float64, shape (n_replicates,); NaN where undefined
    n: int  # rows with truth and prediction; of a difference, the smaller side
    positives: int = 0
    jackknife: np.ndarray | None = None  # the value without each unit, shape (n_units,)
    undefined: int | None = None  # undefined replicates, of either side; counted unless given
    resample_key: Hashable = None  # equal for the same resamples of the same rows
    stratum_sizes: tuple[int, ...] | None = None  # units per stratum, in the jackknife's order
    undefined_as: float = float("nan")  # what an undefined value counts as; NaN leaves it out

    def __post_init__(self) -> None:
        """Count the undefined replicates."""
        if self.undefined is None:
            object.__setattr__(self, "undefined", int(np.isnan(self.replicates).sum()))

    @classmethod
    def like(
        cls, other: "Estimate", value, replicates: np.ndarray, jackknife=None, **changes
    ) -> "Estimate":
        """Make an estimate of another statistic from the rows and resamples of `other`."""
        values = {"value": float(value), "replicates": replicates, "jackknife": jackknife}
        return replace(other, **{**values, "undefined": None, **changes})

    @property
    def method(self) -> str:
        """Method of its interval, ``"bca"`` or ``"percentile"``."""
        return "percentile" if self.jackknife is None else "bca"

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Bootstrap interval; NaN if no replicate is defined or (BCa) all lie on one side."""
        replicates = self._resolved(self.replicates)
        if self.jackknife is None:
            low, high = percentile_interval(replicates, level)
        else:
            jackknife = self._resolved(self.jackknife)
            low, high = bca_interval(self.value, replicates, jackknife, level, self.stratum_sizes)
        return float(low), float(high)

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p-value of a true value of `null`, by inverting the interval."""
        replicates, jackknife = self._resolved(self.replicates), self._resolved(self.jackknife)
        return bootstrap_p_value(self.value, replicates, jackknife, null, self.stratum_sizes)

    def row(self, level: float = 0.95) -> dict[str, float]:
        """Lay the estimate out as the columns of every tidy table; `LIMITS` come first."""
        low, high = self.interval(level)
        sample = {"n": self.n, "positives": self.positives}
        return {"estimate": self.value, "low": low, "high": high, **sample}

    def in_words(self) -> str:
        """Write value and interval, such as ``+0.053 (95 % interval +0.043 to +0.063)``."""
        low, high = self.interval()
        return f"{self.value:+.3f} (95 % interval {low:+.3f} to {high:+.3f})"

    def __sub__(self, other: "Estimate") -> "Estimate":
        """Paired difference of two estimates made from the same resamples."""
        return derive(np.subtract, self, other) if isinstance(other, Estimate) else NotImplemented

    def __rsub__(self, constant: float) -> "Estimate":
        """Return a constant minus the estimate, such as the false-positive rate 1 - specificity."""
        return derive(lambda values: constant - values, self)

    def __repr__(self) -> str:
        """Show the value, its 95 % interval and the sample behind it."""
        low, high = self.interval()
        return (
            f"Estimate({self.value:.3f}, 95 % {low:.3f} to {high:.3f}, "
            f"n={self.n}, positives={self.positives})"
        )

    def _resolved(self, values: np.ndarray | None) -> np.ndarray | None:
        if values is None or np.isnan(self.undefined_as):
            return values
        return np.where(np.isnan(values), self.undefined_as, values)


def derive(function: Callable[..., np.ndarray], *estimates: Estimate) -> Estimate:
    """Apply a function of several arrays to estimates, replicate by replicate.

    Its sample is the smallest among the parts, and its interval a percentile one if any part's is.
    """
    keys = {estimate.resample_key for estimate in estimates}
    if len(estimates) > 1 and (None in keys or len(keys) > 1):
        raise ValueError(
            "a difference or mean needs estimates from the same resamples: the same rows, "
            "clusters, strata, replicates and seed"
        )
    replicates = function(*(e._resolved(e.replicates) for e in estimates))
    parts_undefined = np.any([np.isnan(e.replicates) for e in estimates], axis=0)
    jackknife = None
    if all(estimate.method == "bca" for estimate in estimates):
        jackknife = function(*(e._resolved(e.jackknife) for e in estimates))
    return Estimate.like(
        estimates[0],
        function(*(np.float64(estimate.value) for estimate in estimates)),
        replicates,
        jackknife,
        undefined=int((parts_undefined | np.isnan(replicates)).sum()),
        n=min(estimate.n for estimate in estimates),
        positives=min(estimate.positives for estimate in estimates),
    )


def mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    """Average estimates of the same resamples."""
    return derive(lambda *values: sum(values) / len(values), *estimates)


def average_over_seeds(estimates: Sequence[Estimate], seed: int = 0) -> Estimate:
    """Average trainings that differ only in their seed; seeds are resampled with the cases.

    The interval is a percentile one: leaving a case out says nothing of the seeds' spread.
    """
    replicates = np.stack([estimate.replicates for estimate in estimates])
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(estimates), size=replicates.shape)
    return Estimate.like(
        estimates[0],
        np.mean([estimate.value for estimate in estimates]),
        np.take_along_axis(replicates, drawn, axis=0).mean(axis=0),
        resample_key=None,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Agreement:
    """All estimates of one comparison, by method, observation and metric.

    The averages are observations named "Average" and "Weighted Average". A contrast, the paired
    difference of two methods, is method ``"a - b"``, computed when asked for.
    """

    estimates: dict[Key, Estimate]
    contrasts: tuple[tuple[str, str], ...] = ()
    # Method and observation with too few positives or negatives to be judged.
    too_few: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def estimate(self, method: str, observation: str, metric: str) -> Estimate:
        """Return one estimate, or the contrast that is written ``"a - b"``."""
        for first, second in self.contrasts:
            if method == _contrast_name(first, second):
                return self.estimate(first, observation, metric) - self.estimate(
                    second, observation, metric
                )
        if (method, observation, metric) not in self.estimates:
            known = [sorted(set(part)) for part in zip(*self.estimates, strict=True)]
            raise KeyError(f"no estimate {(method, observation, metric)}; known parts: {known}")
        return self.estimates[method, observation, metric]

    def __iter__(self) -> Iterator[Key]:
        """Iterate over the keys of all estimates, then of all contrasts."""
        yield from self.estimates
        for first, second in self.contrasts:
            for method, observation, metric in self.estimates:
                if method == first:
                    yield _contrast_name(first, second), observation, metric

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Tidy table of every estimate and contrast, with undefined replicates and too_few."""
        flagged = self._flagged()
        rows = []
        for method, observation, metric in self:
            estimate = self.estimate(method, observation, metric)
            rows.append(
                {"method": method, "observation": observation, "metric": metric}
                | estimate.row(level)
                | {"undefined": estimate.undefined, "too_few": (method, observation) in flagged}
            )
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        """Show the table."""
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, float_format="{:.3f}".format)

    def _flagged(self) -> set[tuple[str, str]]:
        flagged = set(self.too_few)
        for first, second in self.contrasts:
            flagged |= {
                (_contrast_name(first, second), observation)
                for method, observation in self.too_few
                if method in (first, second)
            }
        return flagged


def _contrast_name(first: str, second: str) -> str:
    return f"{first} - {second}"
