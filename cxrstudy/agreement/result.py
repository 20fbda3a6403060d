"""Estimates that carry their own resamples, and the table that holds them."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .intervals import bca_interval, bootstrap_p_value, percentile_interval

MACRO_AVERAGE = "Average"
WEIGHTED_AVERAGE = "Weighted Average"
_CHUNK_ENTRIES = 500_000

Key = tuple[str, str, str]
"""Method, observation and metric."""


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """A statistic with its bootstrap and leave-one-out values.

    Subtracting two estimates made from the same resamples gives their paired difference.

    Attributes
    ----------
    value : float
        Statistic on the original sample.
    replicates : numpy.ndarray of float64, shape (n_replicates,)
        Statistic on each resample; NaN where undefined.
    jackknife : numpy.ndarray of float64, shape (n_units,)
        Statistic without each resampling unit.
    undefined : int
        Replicates in which the statistic, or either side of a difference, is undefined.
    n : int
        Rows with truth and prediction; of a difference, the smaller side.
    positives : int
        Truth positives among them.
    resample_key : hashable, optional
        Equal for estimates made from the same resamples of the same rows.
    stratum_sizes : tuple of int, optional
        Units per stratum, in the order of ``jackknife``.
    undefined_as : float, default NaN
        Value that stands for an undefined replicate; NaN leaves such replicates out.
    """

    value: float
    replicates: np.ndarray
    jackknife: np.ndarray
    undefined: int
    n: int
    positives: int
    resample_key: Hashable = None
    stratum_sizes: tuple[int, ...] | None = None
    undefined_as: float = float("nan")

    def interval(self, level: float = 0.95, method: str = "bca") -> tuple[float, float]:
        """Bootstrap confidence interval.

        Parameters
        ----------
        level : float, default 0.95
        method : {"bca", "percentile"}

        Returns
        -------
        low, high : float
            NaN if no replicate is defined, or (BCa) the value lies outside all replicates.
        """
        low, high = _intervals([self], level, method)
        return float(low[0]), float(high[0])

    def p_value(self, null: float = 0.0, method: str = "bca") -> float:
        """Two-sided p-value by inverting the interval.

        Parameters
        ----------
        null : float, default 0
            Value tested.
        method : {"bca", "percentile"}

        Returns
        -------
        float
        """
        _check_method(method)
        return bootstrap_p_value(
            self.value,
            self._resolved(self.replicates),
            self._resolved(self.jackknife) if method == "bca" else None,
            null,
            self.stratum_sizes,
        )

    def __sub__(self, other: "Estimate") -> "Estimate":
        """Paired difference of two estimates made from the same resamples."""
        if not isinstance(other, Estimate):
            return NotImplemented
        if self.resample_key is None or self.resample_key != other.resample_key:
            raise ValueError(
                "a paired difference needs estimates from the same rows, clusters, strata, "
                "n_bootstrap and seed; compute both with one call or equal arguments"
            )
        return Estimate(
            value=self.value - other.value,
            replicates=self._resolved(self.replicates) - other._resolved(other.replicates),
            jackknife=self._resolved(self.jackknife) - other._resolved(other.jackknife),
            undefined=int((np.isnan(self.replicates) | np.isnan(other.replicates)).sum()),
            n=min(self.n, other.n),
            positives=min(self.positives, other.positives),
            resample_key=self.resample_key,
            stratum_sizes=self.stratum_sizes,
            undefined_as=self.undefined_as,
        )

    def __repr__(self) -> str:
        """Show the value, its 95 % interval and the sample behind it."""
        low, high = self.interval()
        return (
            f"Estimate({self.value:.3f}, 95 % {low:.3f} to {high:.3f}, "
            f"n={self.n}, positives={self.positives})"
        )

    def _resolved(self, values: np.ndarray) -> np.ndarray:
        if np.isnan(self.undefined_as):
            return values
        return np.where(np.isnan(values), self.undefined_as, values)


def _check_method(method: str) -> None:
    if method not in ("bca", "percentile"):
        raise ValueError(f"interval method must be 'bca' or 'percentile', got {method!r}")


def _intervals(
    estimates: Sequence[Estimate], level: float, method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of estimates that share their resamples, computed together."""
    _check_method(method)
    replicates = np.array([e._resolved(e.replicates) for e in estimates])
    if method == "percentile":
        return percentile_interval(replicates, level)
    return bca_interval(
        [e.value for e in estimates],
        replicates,
        np.array([e._resolved(e.jackknife) for e in estimates]),
        level,
        estimates[0].stratum_sizes,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Agreement:
    """All estimates of one comparison.

    Attributes
    ----------
    estimates : dict
        `Estimate` by (method, observation, metric).  The averages are observations named
        "Average" and "Weighted Average".
    contrasts : tuple of (str, str)
        Pairs of methods whose paired difference is reported as method ``"a - b"``; computed when
        asked for, so that they take no memory.
    too_few : frozenset of (str, str)
        Method and observation with too few positives or negatives to be judged.
    """

    estimates: dict[Key, Estimate]
    contrasts: tuple[tuple[str, str], ...] = ()
    too_few: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def estimate(self, method: str, observation: str, metric: str) -> Estimate:
        """Return one estimate or contrast.

        Parameters
        ----------
        method : str
            A method, or a contrast written ``"a - b"``.
        observation : str
            An observation, ``"Average"`` or ``"Weighted Average"``.
        metric : str

        Returns
        -------
        Estimate

        Raises
        ------
        KeyError
            If there is no such estimate.
        """
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

    def table(self, level: float = 0.95, method: str = "bca") -> pd.DataFrame:
        """Tidy table of every estimate and contrast.

        Parameters
        ----------
        level : float, default 0.95
        method : {"bca", "percentile"}

        Returns
        -------
        pandas.DataFrame
            Columns method, observation, metric, estimate, low, high, n, positives, undefined
            (replicates) and too_few.
        """
        keys = list(self)
        flagged = self._flagged()
        chunk = max(1, _CHUNK_ENTRIES // max(1, self._n_replicates()))
        rows = []
        for first in range(0, len(keys), chunk):
            part = keys[first : first + chunk]
            estimates = [self.estimate(*key) for key in part]
            bounds = zip(*_intervals(estimates, level, method), strict=True)
            rows += [
                (
                    *key,
                    e.value,
                    low,
                    high,
                    e.n,
                    e.positives,
                    e.undefined,
                    key[:2] in flagged,
                )
                for key, e, (low, high) in zip(part, estimates, bounds, strict=True)
            ]
        names = "method observation metric estimate low high n positives undefined too_few"
        return pd.DataFrame(rows, columns=names.split())

    def __repr__(self) -> str:
        """Show the table."""
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, float_format="{:.3f}".format)

    def _n_replicates(self) -> int:
        return next((e.replicates.size for e in self.estimates.values()), 0)

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
