"""What a threshold is worth on new studies, by how it was set on the validation part."""

from collections.abc import Sequence

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.experiments.splits import SortedCells, check_sizes, shuffle
from cxrstudy.philox import as_key

RULES: tuple[str, ...] = ("tuned for Youden", "tuned for F1", "at 0.5", "at the prevalence")
"""How a threshold is set: the first two are searched on the validation part."""

THRESHOLD_METRICS: tuple[str, ...] = ("youden", "f1")

_TUNED_YOUDEN, _TUNED_F1, _AT_HALF, _AT_PREVALENCE = range(4)
_TEST_NEGATIVE, _TEST_POSITIVE, _NEGATIVE, _POSITIVE = range(4)
"""Kinds of rows: test or validation part, negative or positive."""


@numba.njit(cache=True, error_model="numpy")
def _keep(kept, rule, called):
    kept[rule, 0] = called[_TEST_POSITIVE]
    kept[rule, 1] = called[_TEST_NEGATIVE]


@numba.njit(cache=True, error_model="numpy")
def _called_in_test(rows, closes, above_half, kinds, weights, totals, called, kept):
    """Fill true and false positives of the test part at each rule's threshold.

    A tuned threshold always lies at a positive: calling only negatives in addition never pays.
    """
    called[:] = 0
    kept[:] = 0
    events, others = totals[_POSITIVE], totals[_NEGATIVE]
    best_youden, best_f1, least_mismatch, hits, flagged = 0, 0.0, events, 0, 0
    for step in range(rows.size):
        row = rows[step]
        called[kinds[row]] += weights[row]
        if not closes[step]:
            continue
        if called[_POSITIVE] > hits:
            hits, alarms = called[_POSITIVE], called[_NEGATIVE]
            youden = hits * others - alarms * events
            f1 = hits / (hits + alarms + events)
            if youden > best_youden:
                best_youden = youden
                _keep(kept, _TUNED_YOUDEN, called)
            if f1 > best_f1:
                best_f1 = f1
                _keep(kept, _TUNED_F1, called)
        if flagged < events:
            flagged = called[_POSITIVE] + called[_NEGATIVE]
            if abs(flagged - events) < least_mismatch:
                least_mismatch = abs(flagged - events)
                _keep(kept, _AT_PREVALENCE, called)
        if step + 1 == above_half:
            _keep(kept, _AT_HALF, called)
    if events == 0 or others == 0:
        kept[:] = kept[_AT_HALF]


@numba.njit(cache=True, error_model="numpy")
def _add_split(cells, in_validation, weights, out):
    """Add one split's test scores over all cells; return the observations that cannot be tuned."""
    rows, closes, above_half, positive = cells
    n_models, n_observations, n_rows = rows.shape
    kept = np.empty((4, 2), np.int64)
    called, totals = np.empty(4, np.int64), np.empty(4, np.int64)
    kinds = np.empty(n_rows, np.uint8)
    untunable = 0
    for observation in range(n_observations):
        totals[:] = 0
        for row in range(n_rows):
            kinds[row] = 2 * in_validation[row] + positive[observation, row]
            totals[kinds[row]] += weights[row]
        untunable += totals[_POSITIVE] == 0 or totals[_NEGATIVE] == 0
        for model in range(n_models):
            _called_in_test(
                rows[model, observation], closes[model, observation],
                above_half[model, observation], kinds, weights, totals, called, kept,
            )  # fmt: skip
            for rule in range(4):
                hit, alarm = kept[rule]
                out[rule, 0] += hit / totals[_TEST_POSITIVE] - alarm / totals[_TEST_NEGATIVE]
                out[rule, 1] += 2 * hit / (hit + alarm + totals[_TEST_POSITIVE])
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

    Splits are those of `cxrstudy.experiments.splits.score_splits`. A threshold is a score at or
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
