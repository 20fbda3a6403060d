"""AUROC and average precision of every cell in every bootstrap replicate.

Each cell's rows are sorted once, see `visits`.  A block of 64 replicates then walks the sorted
rows with its multiplicities side by side, one row of bytes per unit, so that a replicate needs
no sort, ties are exact and counts stay whole numbers.
"""

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.philox import draw_weights

from .accelerators import accelerated
from .metrics import fill_averages
from .visits import KIND_BITS, KIND_MASK, NEGATIVE, PART, POSITIVE, Programs

BLOCK = 64
"""Replicates side by side; a compile-time constant, without which loops run at a tenth."""

_MULTIPLICITIES = 1 << 26  # held at one time
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
def _auroc(visits, weights, multiplicity, run, sums, area, positives):
    """Evaluate one cell as twice the won pairs over twice all pairs.

    Negatives gather in ``run`` until the next positive comes, and are then credited with twice
    the positives above them.
    """
    doubled, negatives, pairs = sums[0], sums[1], sums[2]
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
def _average_precision(visits, weights, multiplicity, run, sums, area, positives):
    """Evaluate one cell as precision summed over the positives found at each threshold."""
    group, negatives, found = sums[0], sums[1], sums[2]
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


@numba.njit(cache=True, parallel=True, nogil=True, error_model="numpy")
def _fill_rankings(drawn, visits, weights, bounds, metrics, scratch_types, values, positives):
    """Evaluate every cell in all replicates, whose multiplicities are ``drawn`` (n, n_units)."""
    n_replicates, n_units = drawn.shape
    _, n_methods, n_observations, _ = bounds.shape
    for block in numba.prange((n_replicates + BLOCK - 1) // BLOCK):
        first = block * BLOCK
        length = min(BLOCK, n_replicates - first)
        multiplicity = np.zeros((n_units, BLOCK), np.uint8)
        for lane in range(length):
            multiplicity[:, lane] = drawn[first + lane]
        run = np.empty(BLOCK, scratch_types[0].dtype)
        sums = np.empty((3, BLOCK), scratch_types[1].dtype)
        area, found = np.empty(BLOCK), np.empty(BLOCK)
        for metric in range(metrics.size):
            for method in range(n_methods):
                for observation in range(n_observations):
                    begin, end = bounds[metric, method, observation]
                    cell = visits[begin:end], weights[begin:end], multiplicity
                    run[:] = 0
                    sums[:] = 0
                    if metrics[metric] == 0:
                        _auroc(*cell, run, sums, area, found)
                    else:
                        _average_precision(*cell, run, sums, area, found)
                    for i in range(length):
                        values[metric, method, observation, first + i] = area[i]
                        positives[method, observation, first + i] = found[i]


def _scratch_types(program: Programs) -> tuple[np.ndarray, np.ndarray]:
    """Empty arrays of the narrowest types that hold every sum exactly."""
    if program.weights.dtype == np.float64:
        types = np.float64, np.float64
    elif program.largest <= _NARROW_LIMIT:
        types = np.uint16, np.int32
    else:
        types = np.int64, np.int64
    return np.empty(0, types[0]), np.empty(0, types[1])


def _evaluate(program, n_units, averaged, zero_undefined, n_tables, draw) -> np.ndarray:
    """Evaluate all tables, of which ``draw(first, n)`` gives the multiplicities in turn."""
    n_metrics, n_methods, n_observations, _ = program.bounds.shape
    values = np.empty((n_metrics, n_methods, n_observations + 2, n_tables))
    positives = np.empty((n_methods, n_observations, n_tables))
    arrays = program.visits, program.weights, program.bounds, program.metrics
    step = max(_MULTIPLICITIES // n_units // BLOCK, 1) * BLOCK
    for first in range(0, n_tables, step):
        part = np.s_[..., first : first + step]
        drawn = draw(first, min(step, n_tables - first))
        _fill_rankings(drawn, *arrays, _scratch_types(program), values[part], positives[part])
    for of_metric in values:
        fill_averages(of_metric, positives, averaged, zero_undefined)
    return values


def replicate_rankings_on_cpu(
    program: Programs, units, averaged, zero_undefined: bool, n_replicates: int, seed
) -> np.ndarray:
    """Evaluate as `replicate_rankings` does, without asking for an accelerator."""

    def draw(first: int, n: int) -> np.ndarray:
        return draw_weights(units, n, seed, first)

    return _evaluate(program, units.n_units, averaged, zero_undefined, n_replicates, draw)


def replicate_rankings(
    program: Programs,
    units,
    averaged: np.ndarray,
    zero_undefined: bool,
    n_replicates: int,
    seed: np.uint64,
) -> np.ndarray:
    """Evaluate every ranking metric of every cell, and the averages, in every replicate.

    Arguments and the result, float64 (n_metrics, n_methods, n_observations + 2, n_replicates),
    are as in `replicate_counts`.
    """
    arguments = (program, units, averaged, zero_undefined, n_replicates, seed)
    evaluate = accelerated("replicate_rankings", *arguments) or replicate_rankings_on_cpu
    return evaluate(*arguments)


def left_out_rankings(program: Programs, units, averaged, zero_undefined: bool) -> np.ndarray:
    """Evaluate without each resampling unit in turn, and last on the full sample.

    Works for any clusters and weights by leaving units out as a resample would.
    """
    n_units = units.n_units

    def draw(first: int, n: int) -> np.ndarray:
        return 1 - np.eye(n, n_units, first, np.uint8)

    return _evaluate(program, n_units, averaged, zero_undefined, n_units + 1, draw)
