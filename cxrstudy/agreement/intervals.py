"""Bootstrap intervals and p-values for one statistic or for many columns at once.

Undefined replicates are NaN here and are left out of every quantile.  Arrays of replicates have
shape (..., n_replicates), those of leave-one-unit-out values (..., n_units).
"""

import numpy as np
from scipy.special import ndtr, ndtri


def _rows(replicates) -> tuple[np.ndarray, tuple[int, ...]]:
    """Flatten leading axes; return the rows and the shape to restore."""
    values = np.asarray(replicates, np.float64)
    return values.reshape(-1, values.shape[-1]), values.shape[:-1]


def _quantiles(rows: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Quantiles of each row's defined entries at its own probabilities; NaN if there are none."""
    quantiles = np.full(probabilities.shape, np.nan)
    usable = ~np.isnan(rows).all(axis=1) & ~np.isnan(probabilities).any(axis=1)
    for row in np.flatnonzero(usable):
        quantiles[row] = np.nanquantile(rows[row], probabilities[row])
    return quantiles


def _counts(rows: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the defined entries of each row, those below its point and those at or below it."""
    points = points[:, None]
    return (~np.isnan(rows)).sum(axis=1), (rows < points).sum(axis=1), (rows <= points).sum(axis=1)


def _tails(level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    alpha = (1 - level) / 2
    return alpha, 1 - alpha


def percentile_interval(replicates, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of the bootstrap distribution; NaN where no replicate is defined.

    >>> low, high = percentile_interval(range(101), level=0.5)
    >>> float(low), float(high)
    (25.0, 75.0)
    """
    rows, shape = _rows(replicates)
    bounds = _quantiles(rows, np.tile(_tails(level), (len(rows), 1)))
    return bounds[:, 0].reshape(shape), bounds[:, 1].reshape(shape)


def acceleration(jackknife, stratum_sizes: tuple[int, ...] | None = None) -> np.ndarray:
    """Skewness constant of BCa, each stratum a sample of its own; 0 if the values do not vary."""
    values = np.asarray(jackknife, float)
    cuts = np.cumsum(stratum_sizes or (values.shape[-1],))[:-1]
    cubes = squares = 0.0
    for sample in np.split(values, cuts, axis=-1):
        known = ~np.isnan(sample)
        size = known.sum(axis=-1)
        mean = np.where(known, sample, 0.0).sum(axis=-1) / np.maximum(size, 1)
        influence = np.where(known, mean[..., None] - sample, 0.0)
        influence *= ((size - 1) / np.maximum(size, 1))[..., None]
        squared = influence * influence
        cubes = cubes + (squared * influence).sum(axis=-1)
        squares = squares + squared.sum(axis=-1)
    varies = squares > 0
    return np.where(varies, cubes / (6 * np.where(varies, squares, 1.0) ** 1.5), 0.0)


def bca_interval(
    value,
    replicates,
    jackknife,
    level: float = 0.95,
    stratum_sizes: tuple[int, ...] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """BCa interval (Efron 1987) around ``value``; NaN if replicates lie on one side."""
    rows, shape = _rows(replicates)
    defined, below, at_or_below = _counts(rows, np.asarray(value, np.float64).reshape(-1))
    bias = ndtri((below + at_or_below) / np.maximum(2 * defined, 1))
    skewness = acceleration(jackknife, stratum_sizes).reshape(-1)
    with np.errstate(invalid="ignore"):
        scores = bias[:, None] + ndtri(_tails(level))
        probabilities = ndtr(bias[:, None] + scores / (1 - skewness[:, None] * scores))
    bounds = _quantiles(rows, probabilities)
    return bounds[:, 0].reshape(shape), bounds[:, 1].reshape(shape)


def bootstrap_p_value(
    value: float,
    replicates,
    jackknife=None,
    null: float = 0.0,
    stratum_sizes: tuple[int, ...] | None = None,
) -> float:
    """Two-sided p-value: one minus the level at which the interval just reaches ``null``.

    With ``jackknife`` it inverts the BCa interval, without it the percentile interval. Before bias
    correction it is at least ``2 / (n_replicates + 1)``: fewer replicates can show no less.
    """
    rows = np.tile(np.asarray(replicates, np.float64), (2, 1))
    (defined, _), below, at_or_below = _counts(rows, np.array([value, null], np.float64))
    if not defined or np.isnan(value):
        return float("nan")
    share = np.clip(
        [below[1], at_or_below[1]] / defined, 1 / (defined + 1), defined / (defined + 1)
    )
    if jackknife is not None:
        bias = ndtri((below[0] + at_or_below[0]) / (2 * defined))
        score = ndtri(share) - bias
        share = ndtr(score / (1 + acceleration(jackknife, stratum_sizes) * score) - bias)
    if share[0] <= 0.5 <= share[1]:
        return 1.0
    return float(2 * np.minimum(share, 1 - share).max())
