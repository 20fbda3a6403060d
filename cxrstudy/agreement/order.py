"""Ranks and order statistics of many rows without sorting them.

A bootstrap interval needs two quantiles of a row, so the row is binned once and only the bins
that hold the wanted ranks are sorted.
"""

import numpy as np

from cxrstudy.compiled import numba

_BINS = 2048


@numba.njit(cache=True, parallel=True, nogil=True)
def count_below(rows, points):
    """Count, per row, the defined entries, those below the point and those at or below it.

    Parameters
    ----------
    rows : numpy.ndarray of float64, shape (n_rows, n_entries)
        NaN entries are undefined.
    points : numpy.ndarray of float64, shape (n_rows,)

    Returns
    -------
    defined, below, at_or_below : numpy.ndarray of int64, shape (n_rows,)
    """
    counts = np.empty((3, rows.shape[0]), np.int64)
    for row in numba.prange(rows.shape[0]):
        defined = below = at_or_below = 0
        point = points[row]
        for entry in rows[row]:
            defined += not np.isnan(entry)
            below += entry < point
            at_or_below += entry <= point
        counts[0, row], counts[1, row], counts[2, row] = defined, below, at_or_below
    return counts[0], counts[1], counts[2]


@numba.njit(cache=True, error_model="numpy")
def _bin_scale(row):
    """Smallest entry and the factor that maps a distance from it to a bin."""
    low, high = np.inf, -np.inf
    for entry in row:
        low = min(entry, low) if not np.isnan(entry) else low
        high = max(entry, high) if not np.isnan(entry) else high
    scale = (_BINS - 1) / (high - low)
    return low, scale if np.isfinite(scale) else 0.0


@numba.njit(cache=True, error_model="numpy")
def _select(row, ranks, out):
    """Write the entries of the given ranks among the defined ones."""
    low, scale = _bin_scale(row)
    first_rank = np.zeros(_BINS + 1, np.int64)
    for entry in row:
        if not np.isnan(entry):
            first_rank[int((entry - low) * scale) + 1] += 1
    first_rank = np.cumsum(first_rank)
    wanted = np.zeros(_BINS, np.bool_)
    bins = np.searchsorted(first_rank, ranks, "right") - 1
    wanted[bins] = True
    skipped = np.cumsum(np.where(wanted, 0, first_rank[1:] - first_rank[:-1]))
    kept = np.empty(first_rank[-1] - skipped[-1])
    size = 0
    for entry in row:
        if not np.isnan(entry) and wanted[int((entry - low) * scale)]:
            kept[size] = entry
            size += 1
    kept.sort()
    for i in range(ranks.size):
        out[i] = kept[ranks[i] - skipped[bins[i]]]


@numba.njit(cache=True, parallel=True, nogil=True)
def order_statistics(rows, ranks, usable):
    """Return the entries of given ranks among the defined entries of each row.

    Parameters
    ----------
    rows : numpy.ndarray of float64, shape (n_rows, n_entries)
    ranks : numpy.ndarray of int64, shape (n_rows, n_ranks)
        From 0 to the number of defined entries minus 1.
    usable : numpy.ndarray of bool, shape (n_rows,)
        Rows to search; the others give NaN.

    Returns
    -------
    numpy.ndarray of float64, shape (n_rows, n_ranks)
    """
    out = np.full(ranks.shape, np.nan)
    for row in numba.prange(rows.shape[0]):
        if usable[row]:
            _select(rows[row], ranks[row], out[row])
    return out
