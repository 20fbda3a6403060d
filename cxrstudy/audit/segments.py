"""Runs of rows that stand out from the rest of a table."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import binom

# Limits are placed where most of their likelihood lies so near, in rows; and that a run reaches an
# end of the table is so much likelier than that it ends at any one row near it.
_NEAR, _AT_END = 10, 20.0
# Log likelihood (nats) by which a dense run has to beat marks scattered from first to last.
_DENSE = 8.0


def best_run(scores: NDArray[np.float64]) -> tuple[int, int, float]:
    """Return start, stop (half-open) and sum of the run of rows with the greatest sum."""
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    lowest = np.minimum.accumulate(sums)
    stop = int(np.argmax(sums - lowest))
    start = int(np.argmin(sums[: stop + 1]))
    return start, stop, float(sums[stop] - sums[start])


def likely_limits(scores: NDArray[np.float64], start: int, stop: int) -> tuple[int, int]:
    """Return limits of a best run near which most of the likelihood lies.

    Rows that tell nothing leave a gap in which a limit may be; the middle of it is nearest to all.

    >>> likely_limits(np.repeat([-1.0, 0, 1, -1], [20, 8, 30, 20]), 20, 58)
    (24, 58)
    """
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    begin = _most_likely(-sums[:stop])
    return begin, len(scores) - _most_likely(sums[:begin:-1])


def _most_likely(log_likelihood: NDArray[np.float64]) -> int:
    likelihood = np.exp(log_likelihood - log_likelihood.max())
    likelihood[0] *= _AT_END
    nearness = np.bartlett(2 * _NEAR + 3)
    return int(np.argmax(np.convolve(likelihood, nearness)[_NEAR + 1 : -_NEAR - 1]))


def dense_rows(marked: NDArray[np.bool_]) -> list[int]:
    """Return first and last row of the dense run of marked rows, or of all if none is dense.

    >>> dense_rows(np.array([1] + [0] * 50 + [1] * 20 + [0] * 50, bool))
    [51, 70]
    """
    places = np.flatnonzero(marked)
    if not places.size:
        return []
    all_marked = (int(places[0]), int(places[-1]) + 1)
    counts = np.concatenate([[0], np.cumsum(marked)])
    runs = {all_marked}
    for inside in (0.9, 0.5, 0.25, 0.1):
        outside = 0.25 * min(marked.mean(), inside)
        for _ in range(3):
            weights = np.log(inside / outside), np.log((1 - inside) / (1 - outside))
            start, stop, _gain = best_run(np.where(marked, *weights))
            runs.add((start, stop))
            n_in, found = stop - start, counts[stop] - counts[start]
            inside = (found + 0.5) / (n_in + 1)
            outside = (counts[-1] - found + 0.5) / (len(marked) - n_in + 1)
            if inside <= outside:
                break
    likelihoods = {run: _two_rates(counts, *run) for run in runs}
    best = max(likelihoods, key=likelihoods.__getitem__)
    start, stop = best if likelihoods[best] > likelihoods[all_marked] + _DENSE else all_marked
    return [start, stop - 1]


def _two_rates(counts: NDArray[np.intp], start: int, stop: int) -> float:
    """Return the log likelihood of marks that have one rate in a run and another outside."""
    found, n_in = counts[stop] - counts[start], stop - start
    parts = (found, n_in), (counts[-1] - found, len(counts) - 1 - n_in)
    return float(sum(xlogy(k, k / n) + xlogy(n - k, 1 - k / n) for k, n in parts if n))


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
    kept = np.where(marked, np.log(0.01), -np.log1p(-min(share, 0.99)))
    limits = likely_limits(kept, start, stop)
    length, inside = stop - start, int(marked[start:stop].sum())
    log_p = binom.logcdf(inside, k, length / n) + np.log(inside + 1.0)
    at_end = start == 0 or stop == n
    return *limits, float(min(0.0, log_p + (np.log(2.0) if at_end else np.log(k + 1.0))))
