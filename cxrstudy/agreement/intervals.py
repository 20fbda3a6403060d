"""Bootstrap intervals and p-values for one statistic or for many columns at once.

Undefined replicates are NaN here and are left out of every quantile.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from .order import count_below, order_statistics


def _rows(replicates) -> tuple[np.ndarray, tuple[int, ...]]:
    """Flatten leading axes; return the rows and the shape to restore."""
    values = np.asarray(replicates, np.float64)
    return np.ascontiguousarray(values.reshape(-1, values.shape[-1])), values.shape[:-1]


def _quantiles(rows: np.ndarray, defined: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Interpolate row by row exactly as ``numpy.quantile(..., method="linear")`` does.

    ``probabilities`` has one column per quantile; a row is NaN where nothing is defined or a
    probability is NaN.
    """
    usable = (defined > 0) & ~np.isnan(probabilities).any(axis=1)
    last = np.maximum(defined - 1, 0)[:, None]
    position = last * np.where(usable[:, None], probabilities, 0.0)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, last)
    found = order_statistics(rows, np.hstack([below, above]), usable)
    low, high = np.hsplit(found, 2)
    fraction, step = position - below, high - low
    return np.where(fraction < 0.5, low + step * fraction, high - step * (1 - fraction))


def _tails(level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    alpha = (1 - level) / 2
    return alpha, 1 - alpha


def percentile_interval(replicates, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of the bootstrap distribution.

    Parameters
    ----------
    replicates : array-like of shape (..., n_replicates)
    level : float, default 0.95

    Returns
    -------
    low, high : numpy.ndarray of shape (...)
        NaN where no replicate is defined.
    """
    rows, shape = _rows(replicates)
    defined = rows.shape[1] - np.isnan(rows).sum(axis=1)
    bounds = _quantiles(rows, defined, np.tile(_tails(level), (len(rows), 1)))
    return bounds[:, 0].reshape(shape), bounds[:, 1].reshape(shape)


def acceleration(jackknife, stratum_sizes: tuple[int, ...] | None = None) -> np.ndarray:
    """Skewness constant of BCa from leave-one-unit-out values.

    Parameters
    ----------
    jackknife : array-like of shape (..., n_units)
        Undefined values are left out.
    stratum_sizes : tuple of int, optional
        Units per stratum, in the order of the last axis; each stratum is then a sample of its
        own in Efron's multi-sample formula.

    Returns
    -------
    numpy.ndarray of shape (...)
        0 where the leave-one-out values do not vary: such a statistic has no skewness to correct.
    """
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
    """Bias-corrected and accelerated interval.

    Parameters
    ----------
    value : float or array-like of shape (...)
        Estimate on the original sample.
    replicates : array-like of shape (..., n_replicates)
    jackknife : array-like of shape (..., n_units)
        Leave-one-unit-out values.
    level : float, default 0.95
    stratum_sizes : tuple of int, optional
        See `acceleration`.

    Returns
    -------
    low, high : numpy.ndarray of shape (...)
        NaN where no replicate is defined, and where the estimate lies outside all of its
        replicates, so that no bias correction exists.

    References
    ----------
    Efron (1987). Better bootstrap confidence intervals. JASA 82, 171-185.
    """
    rows, shape = _rows(replicates)
    defined, below, at_or_below = count_below(rows, np.array(value, np.float64).reshape(-1))
    bias = ndtri((below + at_or_below) / np.maximum(2 * defined, 1))
    skewness = acceleration(jackknife, stratum_sizes).reshape(-1)
    with np.errstate(invalid="ignore"):
        scores = bias[:, None] + ndtri(_tails(level))
        probabilities = ndtr(bias[:, None] + scores / (1 - skewness[:, None] * scores))
    bounds = _quantiles(rows, defined, probabilities)
    return bounds[:, 0].reshape(shape), bounds[:, 1].reshape(shape)


def bootstrap_p_value(
    value: float,
    replicates,
    jackknife=None,
    null: float = 0.0,
    stratum_sizes: tuple[int, ...] | None = None,
) -> float:
    """Two-sided p-value: one minus the level at which the interval just reaches ``null``.

    Parameters
    ----------
    value : float
        Estimate on the original sample.
    replicates : array-like of shape (n_replicates,)
    jackknife : array-like of shape (n_units,), optional
        Leave-one-unit-out values: inverts the BCa interval.  Without them the percentile
        interval is inverted.
    null : float, default 0
    stratum_sizes : tuple of int, optional
        See `acceleration`.

    Returns
    -------
    float
        At least ``2 / (n_replicates + 1)`` before bias correction, since no finite number of
        replicates can show less.  NaN if no replicate is defined.
    """
    rows = np.tile(np.asarray(replicates, np.float64), (2, 1))
    (defined, _), below, at_or_below = count_below(rows, np.array([value, null], np.float64))
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
