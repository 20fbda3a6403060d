"""Spearman's rank correlation of many short rows at once."""

import numpy as np

from cxrstudy.compiled import numba


@numba.njit(cache=True)
def _ranks(values, ranks):
    """Fill with ranks from 0, ties at their mean."""
    order = np.argsort(values)
    first = 0
    for i in range(order.size):
        if i + 1 == order.size or values[order[i + 1]] != values[order[i]]:
            for member in range(first, i + 1):
                ranks[order[member]] = 0.5 * (first + i)
            first = i + 1


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _correlate_rows(first, second, out):
    for row in numba.prange(first.shape[0]):
        n = first.shape[1]
        one, other = np.empty(n), np.empty(n)
        _ranks(first[row], one)
        _ranks(second[row], other)
        middle = 0.5 * (n - 1)
        product = square = other_square = 0.0
        for i in range(n):
            a, b = one[i] - middle, other[i] - middle
            product += a * b
            square += a * a
            other_square += b * b
        scale = np.sqrt(square * other_square)
        out[row] = product / scale if scale > 0 else np.nan


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Correlate the ranks along the last axis.

    Parameters
    ----------
    first, second : numpy.ndarray of float64, shape (..., n)
        Without missing values.

    Returns
    -------
    numpy.ndarray of float64, shape (...)
        NaN where one of the two does not vary.
    """
    shape, n = first.shape[:-1], first.shape[-1]
    out = np.empty(int(np.prod(shape)))
    rows = (np.ascontiguousarray(values, np.float64).reshape(-1, n) for values in (first, second))
    _correlate_rows(*rows, out)
    return out.reshape(shape)
