"""AUROC and average precision of every cell in every bootstrap replicate.

Each cell's rows are sorted once, see `visits`.  A block of 64 replicates then walks the sorted
rows with its multiplicities side by side, one row of bytes per unit, so that a replicate needs
no sort, ties are exact and counts stay whole numbers.  Values
without one row follow exactly from sums along the sorted cell.
"""

import numpy as np

from cxrstudy.compiled import numba
from cxrstudy.philox import draw_weights

from .accelerators import accelerated
from .counts import fill_averages
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
        return np.empty(0, np.float64), np.empty(0, np.float64)
    if program.largest <= _NARROW_LIMIT:
        return np.empty(0, np.uint16), np.empty(0, np.int32)
    return np.empty(0, np.int64), np.empty(0, np.int64)


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
    program: Programs, units, averaged, zero_undefined: bool, n_replicates: int, seed
) -> np.ndarray:
    """Evaluate ranking metrics and averages, laid out as by `replicate_counts`."""
    arguments = (program, units, averaged, zero_undefined, n_replicates, seed)
    evaluate = accelerated("replicate_rankings", *arguments) or replicate_rankings_on_cpu
    return evaluate(*arguments)


def left_out_rankings(program: Programs, units, averaged, zero_undefined: bool) -> np.ndarray:
    """Evaluate without each resampling unit in turn, and last on the full sample."""
    n_units = units.n_units

    def draw(first: int, n: int) -> np.ndarray:
        return 1 - np.eye(n, n_units, first, np.uint8)

    return _evaluate(program, n_units, averaged, zero_undefined, n_units + 1, draw)


_HALVES = np.array([0, 2, 1])  # of a positive in a visit: NEGATIVE, POSITIVE, PART


def _auroc_without(unit: np.ndarray, kind: np.ndarray, n_units: int):
    """AUROC and truth positives without each unit, and last on the full sample.

    ``unit`` and ``kind`` are those of the visits.  A positive is two halves and wins two points
    from each negative below it, one by each half.
    """

    def by_unit(points: np.ndarray) -> np.ndarray:
        return np.bincount(unit, points, n_units + 1)

    negative = kind == NEGATIVE
    halves = _HALVES[kind]
    halves_above = np.cumsum(halves)
    negatives_below = negative.sum() - np.cumsum(negative)
    won = np.where(negative, halves_above, halves * negatives_below)
    positives = 0.5 * (halves.sum() - by_unit(halves))
    negatives = negative.sum() - by_unit(negative)
    total = halves_above[negative].sum()
    return (total - by_unit(won)) / (2 * positives * negatives), positives


def _average_precision_without(unit: np.ndarray, kind: np.ndarray, n_units: int):
    """Average precision and truth positives without each unit, and last on the full sample.

    Without a negative, precision changes from its threshold down; without a positive, the
    threshold itself also loses a hit.
    """
    positive, closing = kind != NEGATIVE, kind == POSITIVE
    n_positives = positive.sum()
    flagged = np.flatnonzero(closing) + 1.0  # rows down to each threshold
    hits = np.cumsum(positive)[closing]  # positives among them
    gained = np.diff(hits, prepend=0)  # positives since the threshold before
    rest = np.maximum(flagged - 1, 1)

    def and_below(terms: np.ndarray) -> np.ndarray:
        return np.append(np.cumsum(terms[::-1])[::-1], 0.0)

    above = np.append(0.0, np.cumsum(gained * hits / flagged))
    without_negative = above + and_below(gained * hits / rest)
    own = (gained - 1) * (hits - 1) / rest
    without_positive = above[:-1] + own + and_below(gained * (hits - 1) / rest)[1:]

    threshold = np.cumsum(closing) - closing  # the one that a visit counts towards
    values = np.full(n_units + 1, above[-1] / n_positives)
    positives = np.full(n_units + 1, float(n_positives))
    values[unit[~positive]] = without_negative[threshold[~positive]] / n_positives
    values[unit[positive]] = without_positive[threshold[positive]] / (n_positives - 1)
    positives[unit[positive]] -= 1
    return values, positives


_WITHOUT = (_auroc_without, _average_precision_without)  # in the order of RANKING_METRICS


@np.errstate(divide="ignore", invalid="ignore")
def _single_rows(program: Programs, n_units: int, averaged, zero_undefined: bool) -> np.ndarray:
    n_metrics, n_methods, n_observations, _ = program.bounds.shape
    values = np.empty((n_metrics, n_methods, n_observations + 2, n_units + 1))
    positives = np.empty((n_methods, n_observations, n_units + 1))
    for i, metric in enumerate(program.metrics):
        for cell in np.ndindex(n_methods, n_observations):
            visits = program.visits[slice(*program.bounds[i][cell])]
            of_cell = _WITHOUT[metric](visits >> KIND_BITS, visits & KIND_MASK, n_units)
            values[i][cell], positives[cell] = of_cell
        fill_averages(values[i], positives, averaged, zero_undefined)
    return values


def sample_rankings(
    program: Programs, units, averaged: np.ndarray, zero_undefined: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate every metric on the full sample, and without each unit along a last axis."""
    if units.one_row_each and program.weights.dtype != np.float64:
        values = _single_rows(program, units.n_units, averaged, zero_undefined)
    else:
        values = left_out_rankings(program, units, averaged, zero_undefined)
    return values[..., -1], values[..., :-1]
