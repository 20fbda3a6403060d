"""AUROC and average precision of every cell in every bootstrap replicate.

Each cell's rows are sorted once, see `visits`.  A block of 64 replicates then walks the sorted
rows with its multiplicities side by side, one row of bytes per unit, so that a replicate needs
no sort, ties are exact and counts stay whole numbers.
"""

import numpy as np

from cxrstudy.compiled import numba

from .averages import fill_averages
from .philox import WORDS, draw_units
from .visits import KIND_BITS, KIND_MASK, NEGATIVE, PART, POSITIVE, Programs

BLOCK = 64
"""Replicates side by side; a compile-time constant, without which loops run at a tenth."""

_CHUNK = 1024
_NARROW_LIMIT = 65_535


@numba.njit(cache=True)
def _collect(total, multiplicity, unit, scale):
    for i in range(BLOCK):
        total[i] += multiplicity[unit, i] * scale


@numba.njit(cache=True)
def _credit(run, doubled, negatives, pairs):
    for i in range(BLOCK):
        negatives[i] += run[i]
        pairs[i] += run[i] * doubled[i]
        run[i] = 0


@numba.njit(cache=True, error_model="numpy")
def _auroc(visits, weights, multiplicity, scratch, area, positives):
    """Evaluate one cell as twice the won pairs over twice all pairs.

    Negatives gather in ``run`` until the next positive comes, and are then credited with twice
    the positives above them.
    """
    run, doubled, negatives, pairs = scratch
    for step in range(visits.size):
        kind = visits[step] & KIND_MASK
        unit = visits[step] >> KIND_BITS
        if kind == NEGATIVE:
            _collect(run, multiplicity, unit, weights[step])
        else:
            _credit(run, doubled, negatives, pairs)
            _collect(doubled, multiplicity, unit, weights[step] * (PART // kind))
    _credit(run, doubled, negatives, pairs)
    for i in range(BLOCK):
        positives[i] = 0.5 * doubled[i]
        area[i] = pairs[i] / (float(doubled[i]) * float(negatives[i]))


@numba.njit(cache=True, error_model="numpy")
def _close_threshold(run, group, found, negatives, area):
    for i in range(BLOCK):
        found[i] += group[i]
        negatives[i] += run[i]
        flagged = float(found[i]) + float(negatives[i])
        area[i] += group[i] * (found[i] / flagged) if flagged > 0 else 0.0
        group[i] = 0
        run[i] = 0


@numba.njit(cache=True, error_model="numpy")
def _average_precision(visits, weights, multiplicity, scratch, area, positives):
    """Evaluate one cell as precision summed over the positives found at each threshold."""
    run, group, negatives, found = scratch
    area[:] = 0.0
    for step in range(visits.size):
        kind = visits[step] & KIND_MASK
        unit = visits[step] >> KIND_BITS
        if kind == NEGATIVE:
            _collect(run, multiplicity, unit, weights[step])
        else:
            _collect(group, multiplicity, unit, weights[step])
        if kind == POSITIVE:
            _close_threshold(run, group, found, negatives, area)
    for i in range(BLOCK):
        positives[i] = found[i]
        area[i] /= found[i]


@numba.njit(cache=True, error_model="numpy")
def _draw_block(seed, first, start, size, multiplicity):
    """Fill the multiplicities of the replicates from ``first`` on, one per lane."""
    words = np.empty((WORDS, _CHUNK // WORDS), np.uint64)
    drawn = np.empty(_CHUNK, np.uint64)
    multiplicity[:] = 0
    for lane in range(multiplicity.shape[1]):
        for position in range(0, start.size, _CHUNK):
            part = drawn[: min(_CHUNK, start.size - position)]
            draw_units(seed, first + lane, position, words, start, size, part)
            for unit in part:
                multiplicity[unit, lane] += 1


@numba.njit(cache=True, parallel=True, nogil=True, error_model="numpy")
def _ranking_kernel(
    leave_out,
    visits,
    weights,
    bounds,
    metrics,
    averaged,
    zero_undefined,
    draws,
    scratch_types,
    out,
):
    """Fill ``out`` with replicates, or without each unit in turn and then on all of them."""
    n_replicates = out.shape[-1]
    seed, start, size = draws
    n_methods, n_observations = bounds.shape[1:3]
    for block in numba.prange((n_replicates + BLOCK - 1) // BLOCK):
        first = block * BLOCK
        length = min(BLOCK, n_replicates - first)
        multiplicity = np.empty((start.size, BLOCK), np.uint8)
        if leave_out:
            multiplicity[:] = 1
            for lane in range(min(length, start.size - first)):
                multiplicity[first + lane, lane] = 0
        else:
            _draw_block(seed, first, start, size, multiplicity)
        run = np.empty(BLOCK, scratch_types[0].dtype)
        sums = np.empty((3, BLOCK), scratch_types[1].dtype)
        values = np.empty(BLOCK)
        positives = np.empty((n_observations, BLOCK))
        for metric in range(metrics.size):
            for method in range(n_methods):
                for observation in range(n_observations):
                    begin, end = bounds[metric, method, observation]
                    run[:] = 0
                    sums[:] = 0
                    scratch = (run, sums[0], sums[1], sums[2])
                    cell = (
                        visits[begin:end],
                        weights[begin:end],
                        multiplicity,
                        scratch,
                    )
                    if metrics[metric] == 0:
                        _auroc(*cell, values, positives[observation])
                    else:
                        _average_precision(*cell, values, positives[observation])
                    for i in range(length):
                        out[metric, method, observation, first + i] = values[i]
                fill_averages(
                    out[metric, method],
                    positives,
                    averaged,
                    zero_undefined,
                    length,
                    first,
                )


def _scratch_types(program: Programs) -> tuple[np.ndarray, np.ndarray]:
    """Empty arrays of the narrowest types that hold every sum exactly."""
    if program.weights.dtype == np.float64:
        types = np.float64, np.float64
    elif program.largest <= _NARROW_LIMIT:
        types = np.uint16, np.int32
    else:
        types = np.int64, np.int64
    return np.empty(0, types[0]), np.empty(0, types[1])


def _evaluate(leave_out, program, units, averaged, zero_undefined, n_tables, seed):
    n_metrics, n_methods, n_observations, _ = program.bounds.shape
    out = np.empty((n_metrics, n_methods, n_observations + 2, n_tables))
    _ranking_kernel(
        leave_out,
        program.visits,
        program.weights,
        program.bounds,
        program.metrics,
        averaged,
        zero_undefined,
        (seed, units.start, units.size),
        _scratch_types(program),
        out,
    )
    return out


def replicate_rankings(
    program: Programs,
    units,
    averaged,
    zero_undefined: bool,
    n_replicates: int,
    seed: np.uint64,
) -> np.ndarray:
    """Evaluate every ranking metric of every cell, and the averages, in every replicate.

    Parameters
    ----------
    program : Programs
    units : ResamplingUnits
    averaged : numpy.ndarray of bool, shape (n_observations,)
    zero_undefined : bool
        As in `replicate_counts`.
    n_replicates : int
    seed : numpy.uint64

    Returns
    -------
    numpy.ndarray of float64, shape (n_metrics, n_methods, n_observations + 2, n_replicates)
    """
    return _evaluate(False, program, units, averaged, zero_undefined, n_replicates, seed)


def left_out_rankings(program: Programs, units, averaged, zero_undefined: bool) -> np.ndarray:
    """Evaluate without each resampling unit in turn, and last on the full sample.

    Works for any clusters and weights by leaving units out as a resample would.

    Returns
    -------
    numpy.ndarray of float64, shape (n_metrics, n_methods, n_observations + 2, n_units + 1)
    """
    seed = np.uint64(0)
    return _evaluate(True, program, units, averaged, zero_undefined, units.n_units + 1, seed)
