"""Runs of rows that stand out from the rest of a table."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

# Share of the marked rows' likelihood that a run must win over scattered marks (nats).
_DENSE = 12.0


def best_run(scores: NDArray[np.float64]) -> tuple[int, int, float]:
    """Return start, stop (half-open) and sum of the run of rows with the greatest sum."""
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    lowest = np.minimum.accumulate(sums)
    stop = int(np.argmax(sums - lowest))
    start = int(np.argmin(sums[: stop + 1]))
    return start, stop, float(sums[stop] - sums[start])


def dense_rows(marked: NDArray[np.bool_]) -> list[int]:
    """Return first and last row of the dense run of marked rows, or of all if none is dense.

    >>> dense_rows(np.array([1] + [0] * 50 + [1] * 20 + [0] * 50, bool))
    [51, 70]
    """
    places = np.flatnonzero(marked)
    if not places.size:
        return []
    scattered = [int(places[0]), int(places[-1])]
    outside, inside = 0.5 * marked.mean(), 0.9
    start, stop, gain = 0, len(marked), 0.0
    for _ in range(5):
        if outside >= inside:
            return scattered
        odds = np.log((1 - inside) / (1 - outside))
        start, stop, gain = best_run(np.where(marked, np.log(inside / outside), odds))
        n_out = marked.sum() - marked[start:stop].sum()
        outside = (n_out + 0.5) / (len(marked) - (stop - start) + 1)
        inside = min(0.98, max(0.3, (marked[start:stop].mean())))
    return [start, stop - 1] if gain > _DENSE else scattered


def emptied_run(marked: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Return start, stop and log p of the run of rows that lack a mark that others have.

    The probability bounds that marks at random places leave such a run anywhere: one that touches
    an end of the table has a single place, another as many as there are gaps between marks.
    """
    n, k = len(marked), int(marked.sum())
    if k == 0 or k == n:
        return 0, 0, 0.0
    share = k / n
    start, stop = 0, 0
    for _ in range(4):
        # A mark costs the run as much as a hundredth of the usual rate explains.
        kept = -np.log1p(-min(share, 0.99))
        start, stop, _gain = best_run(np.where(marked, np.log(0.01), kept))
        left = n - (stop - start)
        if left == 0:
            return 0, 0, 0.0
        share = (k - marked[start:stop].sum() + 0.5) / (left + 1)
    length, inside = stop - start, int(marked[start:stop].sum())
    log_p = binom.logcdf(inside, k, length / n) + np.log(inside + 1.0)
    at_end = start == 0 or stop == n
    return start, stop, float(min(0.0, log_p + (np.log(2.0) if at_end else np.log(k + 1.0))))
