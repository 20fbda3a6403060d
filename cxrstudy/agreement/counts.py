"""Count metrics of every cell in every bootstrap replicate, in one compiled pass.

The 0/1 indicators that the 2x2 tables need are laid out as one row of bytes per resampling unit.
A replicate adds up the rows it draws, four at a time, in bytes that are widened before they can
overflow; metrics and averages are then evaluated for 64 replicates together.  Neither weights nor
resampled data exist for more than one block of replicates.
"""

from dataclasses import dataclass

import numpy as np

from cxrstudy.compiled import numba

from .averages import fill_averages
from .metrics import evaluate_counts
from .philox import WORDS, draw_units

BLOCK = 64
_CHUNK = 240
_BYTE_LIMIT = 255
_JACKKNIFE_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class CountTable:
    """Indicators summed per resampling unit, and where each cell finds its four counts.

    Attributes
    ----------
    table : numpy.ndarray of uint8 or float64, shape (n_units, n_columns)
        Bytes when every entry is a small whole number, else floats.
    columns : numpy.ndarray of int64, shape (n_methods, n_observations, 4)
        Column of complete pairs, truth positives, predicted positives and true positives.
    chunk : int
        Draws that can be added up in the table's own type.
    """

    table: np.ndarray
    columns: np.ndarray
    chunk: int


def _sum_by_unit(values: np.ndarray, units) -> np.ndarray:
    if units.one_row_each:
        summed = np.empty_like(values)
        summed[units.unit_of_row] = values
        return summed
    return np.bincount(units.unit_of_row, weights=values, minlength=units.n_units)


def count_table(truth: np.ndarray, predictions: np.ndarray, weights, units) -> CountTable:
    """Lay out the indicators of all cells; a column that several cells share is stored once.

    Parameters
    ----------
    truth : numpy.ndarray of float64, shape (n_rows, n_observations)
        0, 1 or NaN.
    predictions : numpy.ndarray of float64, shape (n_methods, n_rows, n_observations)
        0, 1 or NaN.
    weights : numpy.ndarray of float64, shape (n_rows,), or None
        Sampling weights.
    units : ResamplingUnits

    Returns
    -------
    CountTable
    """
    n_methods, _, n_observations = predictions.shape
    columns = np.empty((n_methods, n_observations, 4), np.int64)
    stored: dict[bytes, int] = {}
    indicators: list[np.ndarray] = []
    is_positive, is_known = truth == 1, ~np.isnan(truth)
    for method, prediction in enumerate(predictions):
        complete = is_known & ~np.isnan(prediction)
        predicted = (prediction == 1) & complete
        truth_positive = is_positive & complete
        parts = (complete, truth_positive, predicted, predicted & truth_positive)
        for kind, part in enumerate(parts):
            for observation, indicator in enumerate(np.ascontiguousarray(part.T)):
                key = indicator.tobytes()
                if key not in stored:
                    stored[key] = len(indicators)
                    indicators.append(indicator)
                columns[method, observation, kind] = stored[key]
    scale = np.ones(units.n_rows) if weights is None else weights
    by_unit = [_sum_by_unit(indicator * scale, units) for indicator in indicators]
    return _packed(np.array(by_unit), columns, whole=weights is None)


def _packed(by_unit: np.ndarray, columns: np.ndarray, whole: bool) -> CountTable:
    n_columns, n_units = by_unit.shape
    largest = by_unit.max()
    chunk = _CHUNK if largest <= 1 else WORDS * int(_BYTE_LIMIT // (WORDS * max(largest, 1)))
    small = whole and chunk >= 4 * WORDS
    lane = 64 if small else 8
    table = np.zeros((n_units, -(-n_columns // lane) * lane), np.uint8 if small else np.float64)
    table[:, :n_columns] = by_unit.T
    return CountTable(table, columns, chunk if small else _CHUNK)


@numba.njit(cache=True, error_model="numpy")
def _add_rows(table, drawn, lanes):
    whole = drawn.size - drawn.size % WORDS
    for j in range(0, whole, WORDS):
        a, b, c, d = drawn[j], drawn[j + 1], drawn[j + 2], drawn[j + 3]
        for column in range(lanes.size):
            lanes[column] += (
                table[a, column] + table[b, column] + table[c, column] + table[d, column]
            )
    for j in range(whole, drawn.size):
        for column in range(lanes.size):
            lanes[column] += table[drawn[j], column]


@numba.njit(cache=True, error_model="numpy")
def _resampled_counts(table, chunk, seed, replicate, start, size, words, drawn, lanes, totals):
    totals[:] = 0.0
    for first in range(0, start.size, chunk):
        part = drawn[: min(chunk, start.size - first)]
        draw_units(seed, replicate, first, words, start, size, part)
        lanes[:] = 0
        _add_rows(table, part, lanes)
        for column in range(totals.size):
            totals[column] += lanes[column]


@numba.njit(cache=True, error_model="numpy")
def _evaluate_cells(counts, columns, metrics, averaged, zero_undefined, length, out, first):
    n_methods, n_observations, _ = columns.shape
    positives = np.empty((n_observations, length))
    for method in range(n_methods):
        for observation in range(n_observations):
            positives[observation] = counts[columns[method, observation, 1], :length]
        for metric in range(metrics.size):
            for observation in range(n_observations):
                n, p, q, tp = columns[method, observation]
                evaluate_counts(
                    metrics[metric],
                    counts[n],
                    counts[p],
                    counts[q],
                    counts[tp],
                    length,
                    out[metric, method, observation],
                    first,
                )
            fill_averages(out[metric, method], positives, averaged, zero_undefined, length, first)


@numba.njit(cache=True, parallel=True, nogil=True, error_model="numpy")
def _replicate_kernel(
    table, chunk, seed, start, size, columns, metrics, averaged, zero_undefined, out
):
    n_replicates = out.shape[-1]
    n_columns = table.shape[1]
    for block in numba.prange((n_replicates + BLOCK - 1) // BLOCK):
        first = block * BLOCK
        length = min(BLOCK, n_replicates - first)
        words = np.empty((WORDS, chunk // WORDS), np.uint64)
        drawn = np.empty(chunk, np.uint64)
        lanes = np.empty(n_columns, table.dtype)
        totals = np.empty(n_columns)
        counts = np.empty((n_columns, BLOCK))
        for i in range(length):
            _resampled_counts(
                table, chunk, seed, first + i, start, size, words, drawn, lanes, totals
            )
            for column in range(n_columns):
                counts[column, i] = totals[column]
        _evaluate_cells(counts, columns, metrics, averaged, zero_undefined, length, out, first)


def _shape(counted: CountTable, metrics: np.ndarray) -> tuple[int, int, int]:
    n_methods, n_observations, _ = counted.columns.shape
    return metrics.size, n_methods, n_observations + 2


def replicate_counts(
    counted: CountTable,
    units,
    metrics: np.ndarray,
    averaged: np.ndarray,
    zero_undefined: bool,
    n_replicates: int,
    seed: np.uint64,
) -> np.ndarray:
    """Evaluate every metric of every cell, and the averages, in every replicate.

    Parameters
    ----------
    counted : CountTable
    units : ResamplingUnits
    metrics : numpy.ndarray of int64
        Metric codes.
    averaged : numpy.ndarray of bool, shape (n_observations,)
        Observations that enter the averages.
    zero_undefined : bool
        Whether an undefined value counts as 0 in an average; otherwise it makes the macro
        average undefined, and the weighted one too if its weight is positive.
    n_replicates : int
    seed : numpy.uint64

    Returns
    -------
    numpy.ndarray of float64, shape (n_metrics, n_methods, n_observations + 2, n_replicates)
        The last two observations are the macro and the prevalence-weighted average.
    """
    out = np.empty((*_shape(counted, metrics), n_replicates))
    _replicate_kernel(
        counted.table,
        counted.chunk,
        seed,
        units.start,
        units.size,
        counted.columns,
        metrics,
        averaged,
        zero_undefined,
        out,
    )
    return out


def sample_counts(
    counted: CountTable,
    metrics: np.ndarray,
    averaged: np.ndarray,
    zero_undefined: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate every metric of every cell on the full sample and without each unit in turn.

    Parameters
    ----------
    counted, metrics, averaged, zero_undefined
        As in `replicate_counts`.

    Returns
    -------
    full : numpy.ndarray of float64, shape (n_metrics, n_methods, n_observations + 2)
    left_out : numpy.ndarray of float64, shape (..., n_units)
        Exact leave-one-unit-out values.
    """
    n_units = counted.table.shape[0]
    total = counted.table.sum(axis=0, dtype=np.float64)
    full = np.empty((*_shape(counted, metrics), 1))
    left_out = np.empty((*_shape(counted, metrics), n_units))
    arguments = (counted.columns, metrics, averaged, zero_undefined)
    _evaluate_cells(np.ascontiguousarray(total[:, None]), *arguments, 1, full, 0)
    for first in range(0, n_units, _JACKKNIFE_BLOCK):
        without = np.ascontiguousarray((total - counted.table[first : first + _JACKKNIFE_BLOCK]).T)
        _evaluate_cells(without, *arguments, without.shape[1], left_out, first)
    return full[..., 0], left_out


def evaluate_weighted(
    truth: np.ndarray,
    predictions: np.ndarray,
    weights: np.ndarray,
    metrics: np.ndarray,
    averaged: np.ndarray,
    zero_undefined: bool,
) -> np.ndarray:
    """Evaluate every metric of every cell for one set of row weights.

    Parameters
    ----------
    truth : numpy.ndarray of float64, shape (n_rows, n_observations)
    predictions : numpy.ndarray of float64, shape (n_methods, n_rows, n_observations)
    weights : numpy.ndarray of float64, shape (n_rows,)
    metrics, averaged, zero_undefined
        As in `replicate_counts`.

    Returns
    -------
    numpy.ndarray of float64, shape (n_metrics, n_methods, n_observations + 2)
    """
    complete = ~np.isnan(truth) & ~np.isnan(predictions)
    positive, predicted = complete & (truth == 1), complete & (predictions == 1)
    indicators = np.stack([complete, positive, predicted, positive & predicted], axis=-1)
    counts = np.tensordot(weights, indicators.astype(np.float64), axes=(0, 1))
    columns = np.arange(counts.size).reshape(counts.shape)
    out = np.empty((metrics.size, len(predictions), truth.shape[1] + 2, 1))
    by_column = counts.reshape(-1, 1)
    _evaluate_cells(by_column, columns, metrics, averaged, zero_undefined, 1, out, 0)
    return out[..., 0]
