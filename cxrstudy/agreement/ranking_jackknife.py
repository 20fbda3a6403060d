"""Exact leave-one-out AUROC and average precision in one pass over a sorted cell."""

import numpy as np

from cxrstudy.compiled import numba

from .averages import fill_averages
from .ranking import left_out_rankings
from .visits import KIND_BITS, KIND_MASK, NEGATIVE, PART, POSITIVE, Programs


@numba.njit(cache=True, error_model="numpy")
def _auroc_without(visits, values, positives):
    """Fill AUROC and truth positives without each unit, and last on the full sample."""
    doubled = pairs = 0.0
    n_negatives = 0.0
    for visit in visits:
        n_negatives += visit & KIND_MASK == NEGATIVE
    below = n_negatives
    lost = np.zeros(values.size)
    negatives = np.full(values.size, n_negatives)
    positives[:] = 0.0
    for visit in visits:
        unit = visit >> KIND_BITS
        kind = visit & KIND_MASK
        if kind == NEGATIVE:
            below -= 1
            pairs += doubled
            lost[unit] += doubled
            negatives[unit] -= 1
        else:
            share = PART // kind
            doubled += share
            lost[unit] += share * below
            positives[unit] -= 0.5 * share
    for unit in range(values.size):
        positives[unit] += 0.5 * doubled
        values[unit] = (pairs - lost[unit]) / (2.0 * positives[unit] * negatives[unit])


@numba.njit(cache=True, error_model="numpy")
def _thresholds(visits):
    """Positives at, true positives up to and rows flagged up to each threshold."""
    counts = np.zeros((3, visits.size + 1))
    n_thresholds = true_positives = at_threshold = 0
    for flagged, visit in enumerate(visits, 1):
        kind = visit & KIND_MASK
        if kind != NEGATIVE:
            true_positives += 1
            at_threshold += 1
        if kind == POSITIVE:
            counts[:, n_thresholds] = at_threshold, true_positives, flagged
            at_threshold = 0
            n_thresholds += 1
    return counts[:, :n_thresholds], true_positives


@numba.njit(cache=True, error_model="numpy")
def _average_precision_without(visits, values, positives):
    """Fill average precision and truth positives without each unit, and last on all.

    Without a negative, precision changes from its threshold down; without a positive, the
    threshold itself also loses a hit.
    """
    (at, hits, flagged), n_positives = _thresholds(visits)
    n_thresholds = at.size
    above = np.zeros(n_thresholds + 1)
    without_negative = np.zeros(n_thresholds + 1)
    without_positive = np.zeros(n_thresholds + 1)
    for g in range(n_thresholds):
        above[g + 1] = above[g] + at[g] * hits[g] / flagged[g]
    for g in range(n_thresholds - 1, -1, -1):
        rest = max(flagged[g] - 1.0, 1.0)
        without_negative[g] = without_negative[g + 1] + at[g] * hits[g] / rest
        without_positive[g] = without_positive[g + 1] + at[g] * (hits[g] - 1.0) / rest
    positives[:] = n_positives
    values[:] = above[n_thresholds] / n_positives
    g = 0
    for visit in visits:
        unit = visit >> KIND_BITS
        kind = visit & KIND_MASK
        if kind == NEGATIVE:
            values[unit] = (above[g] + without_negative[g]) / n_positives
            continue
        own = (at[g] - 1.0) * (hits[g] - 1.0) / max(flagged[g] - 1.0, 1.0)
        positives[unit] = n_positives - 1
        values[unit] = (above[g] + own + without_positive[g + 1]) / (n_positives - 1)
        g += kind == POSITIVE


@numba.njit(cache=True, parallel=True, nogil=True, error_model="numpy")
def _jackknife_kernel(visits, bounds, metrics, averaged, zero_undefined, out):
    n_methods, n_observations = bounds.shape[1:3]
    n_tables = out.shape[-1]
    for method in numba.prange(n_methods):
        positives = np.empty((n_observations, n_tables))
        for metric in range(metrics.size):
            for observation in range(n_observations):
                begin, end = bounds[metric, method, observation]
                evaluate = (visits[begin:end], out[metric, method, observation])
                if metrics[metric] == 0:
                    _auroc_without(*evaluate, positives[observation])
                else:
                    _average_precision_without(*evaluate, positives[observation])
            fill_averages(out[metric, method], positives, averaged, zero_undefined, n_tables, 0)


def sample_rankings(
    program: Programs, units, averaged: np.ndarray, zero_undefined: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate every ranking metric on the full sample and without each unit in turn.

    Parameters
    ----------
    program : Programs
    units : ResamplingUnits
    averaged : numpy.ndarray of bool, shape (n_observations,)
    zero_undefined : bool
        As in `replicate_counts`.

    Returns
    -------
    full : numpy.ndarray of float64, shape (n_metrics, n_methods, n_observations + 2)
    left_out : numpy.ndarray of float64, shape (..., n_units)
        Exact leave-one-unit-out values.
    """
    if units.one_row_each and program.weights.dtype != np.float64:
        n_metrics, n_methods, n_observations, _ = program.bounds.shape
        values = np.empty((n_metrics, n_methods, n_observations + 2, units.n_units + 1))
        _jackknife_kernel(
            program.visits,
            program.bounds,
            program.metrics,
            averaged,
            zero_undefined,
            values,
        )
    else:
        values = left_out_rankings(program, units, averaged, zero_undefined)
    return values[..., -1], values[..., :-1]
