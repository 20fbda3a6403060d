"""What a threshold is worth on new studies, by how it was set on the validation part."""

from collections.abc import Sequence

import numba
import numpy as np

from .philox import as_key
from .splits import SortedCells, check_sizes, shuffle

RULES: tuple[str, ...] = ("tuned for Youden", "tuned for F1", "at 0.5", "at the prevalence")
"""How a threshold is set: the first two are searched on the validation part."""

THRESHOLD_METRICS: tuple[str, ...] = ("youden", "f1")

_TUNED_YOUDEN, _TUNED_F1, _AT_HALF, _AT_PREVALENCE = range(4)


@numba.njit(cache=True, error_model="numpy")
def _called_in_test(rows, closes, positive, above_half, in_validation, weights, totals, kept):
    """Fill true and false positives of the test part at each rule's threshold."""
    kept[:] = 0
    events, others = totals
    best = np.full(4, -np.inf)
    hits = alarms = test_hits = test_alarms = 0
    for step in range(rows.size):
        row = rows[step]
        weight = weights[row]
        if in_validation[row]:
            hits += weight if positive[row] else 0
            alarms += 0 if positive[row] else weight
        else:
            test_hits += weight if positive[row] else 0
            test_alarms += 0 if positive[row] else weight
        if not closes[step]:
            continue
        flagged = hits + alarms
        criteria = (
            float(hits * others - alarms * events),
            hits / (flagged + events) if hits else 0.0,
            float(step if step < above_half else -1),
            float(-abs(flagged - events)),
        )
        for rule in range(4):
            if criteria[rule] > best[rule] and (rule != _AT_HALF or step < above_half):
                best[rule] = criteria[rule]
                kept[rule, 0] = test_hits
                kept[rule, 1] = test_alarms
    if events == 0 or others == 0:
        kept[:] = kept[_AT_HALF]


@numba.njit(cache=True, error_model="numpy")
def _add_split(cells, in_validation, weights, out):
    """Add one split's test scores over all cells; return the findings that cannot be tuned."""
    rows, closes, above_half, positive = cells
    n_models, n_observations, n_rows = rows.shape
    kept = np.empty((4, 2), np.int64)
    untunable = 0
    for observation in range(n_observations):
        truth = positive[observation]
        counts = np.zeros((2, 2), np.int64)
        for row in range(n_rows):
            counts[int(in_validation[row]), int(truth[row])] += weights[row]
        totals = counts[1, 1], counts[1, 0]
        untunable += totals[0] == 0 or totals[1] == 0
        for model in range(n_models):
            _called_in_test(
                rows[model, observation], closes[model, observation], truth,
                above_half[model, observation], in_validation, weights, totals, kept,
            )  # fmt: skip
            for rule in range(4):
                hit, alarm = kept[rule]
                out[rule, 0] += hit / counts[0, 1] - alarm / counts[0, 0]
                out[rule, 1] += 2 * hit / (hit + alarm + counts[0, 1])
    out /= n_models * n_observations
    return untunable


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _threshold_kernel(cells, weights, sizes, n_splits, seed, out, untunable):
    for replicate in numba.prange(weights.shape[0]):
        n_rows = weights.shape[1]
        counts = weights[replicate]
        order = np.empty(n_rows, np.int64)
        in_validation = np.empty(n_rows, np.bool_)
        for split in range(n_splits):
            shuffle(seed, replicate, split, order)
            for k in range(sizes.size):
                drawn = 0
                for row in order:
                    in_validation[row] = drawn < sizes[k]
                    drawn += counts[row]
                untunable[replicate, k, split] = _add_split(
                    cells, in_validation, counts, out[replicate, k, split]
                )


def threshold_scores(
    cells: SortedCells, weights: np.ndarray, sizes: Sequence[int], n_splits: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Set thresholds on the validation part of random splits and score them on the rest.

    Splits are those of `cxrstudy.agreement.splits.score_splits`. A threshold is a score at or
    above which a study is called positive. *At 0.5* takes the score as a probability; *at the
    prevalence* calls as many validation studies positive as are positive, or as nearly as ties
    allow, and so uses one number of the labels. Where the validation part lacks a class of an
    observation, nothing can be tuned and every rule stays at 0.5.

    Parameters
    ----------
    cells : SortedCells
    weights : numpy.ndarray of uint8, shape (n_resamples, n_rows)
        How often each resample holds each study.
    sizes : sequence of int
        Rows of the validation part, rising, below the number of rows.
    n_splits : int
        Splits of each resample.
    seed : int

    Returns
    -------
    scores : numpy.ndarray of float64, shape (n_resamples, n_sizes, n_splits, 4, 2)
        `THRESHOLD_METRICS` under each of the `RULES`, averaged over models and observations;
        NaN where a test part lacks a class.
    untunable : numpy.ndarray of int64, shape (n_resamples, n_sizes, n_splits)
        Observations that lack a class in the validation part.
    """
    lengths = check_sizes(sizes, cells.positive.shape[1])
    shape = (len(weights), len(lengths), n_splits)
    out = np.zeros((*shape, len(RULES), len(THRESHOLD_METRICS)))
    untunable = np.zeros(shape, np.int64)
    _threshold_kernel(
        (cells.rows, cells.closes, cells.above_half, cells.positive),
        np.ascontiguousarray(weights, np.uint8), lengths, n_splits, as_key(seed), out, untunable,
    )  # fmt: skip
    return out, untunable
