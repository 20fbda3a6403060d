"""Count metrics of every cell in every bootstrap replicate.

A cell is one method's prediction of one observation.  Its 2x2 table in a resample is a sum of
indicators over the drawn units, so the tables of all cells and replicates are one matrix product:
how often each replicate draws each unit, times the indicators of each unit.  Metrics and averages
are then plain arithmetic on arrays.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from cxrstudy.philox import draw_weights

from .accelerators import accelerated
from .metrics import COUNT_METRICS, count_metric, fill_averages

# Held at one time: tables of a cell, and multiplicities of all units.
_TABLES = 1024
_MULTIPLICITIES = 1 << 22


@dataclass(frozen=True, eq=False)
class CountTable:
    """Indicators summed per resampling unit, and where each cell finds its four counts."""

    table: np.ndarray  # (n_units, n_columns), of a type in which sums over any resample are exact
    # int64, (n_methods, n_observations, 4): the columns of complete pairs, truth positives,
    # predicted positives and true positives.
    columns: np.ndarray


def count_table(truth: np.ndarray, predictions: np.ndarray, weights, units) -> CountTable:
    """Lay out the indicators of all cells; a column that several cells share is stored once.

    ``truth`` (n_rows, n_observations) and ``predictions`` (n_methods, n_rows, n_observations) hold
    0, 1 or NaN, ``weights`` sampling weights (n_rows,) or None.
    """
    known = ~np.isnan(truth) & ~np.isnan(predictions)
    positive, predicted = known & (truth == 1), known & (predictions == 1)
    cells = np.stack([known, positive, predicted, positive & predicted]).transpose(1, 3, 0, 2)
    place: dict[bytes, int] = {}
    columns = [
        place.setdefault(cell.tobytes(), len(place)) for cell in cells.reshape(-1, len(truth))
    ]
    indicators = np.frombuffer(b"".join(place), bool).reshape(len(place), -1)
    scale = np.ones(len(truth)) if weights is None else _exactly_summable(weights, units)
    rows_of_unit = csr_array(
        (scale, (units.unit_of_row, np.arange(len(truth)))), (units.n_units, len(truth))
    )
    table = rows_of_unit @ indicators.T
    if weights is None and units.n_units * table.max() < 2**24:  # whole numbers to there
        table = table.astype(np.float32)
    return CountTable(table, np.reshape(columns, cells.shape[:3]))


def _exactly_summable(weights: np.ndarray, units) -> np.ndarray:
    """Round weights to multiples of a step so small that sums over any resample are exact.

    In whatever order a product adds them up, two columns that agree on the drawn rows have equal
    sums, so a metric's denominator is zero just where the metric is undefined.
    """
    # 300 units of up to 4: steps of 2**-42, of which 300 * 4 are less than 2**53.
    largest = units.n_units * np.bincount(units.unit_of_row, weights).max()
    step = 2.0 ** (np.ceil(np.log2(largest)) - 52)
    return np.round(weights / step) * step


def _fill(values, counts, columns, metrics, averaged, zero_undefined: bool) -> None:
    """Evaluate all cells and averages of the tables whose ``counts`` are (n_columns, n_tables)."""
    n, p, q, tp = np.moveaxis(counts.astype(np.float64)[columns], 2, 0)
    for code, of_metric in zip(metrics, values, strict=True):
        of_metric[:, :-2] = count_metric(COUNT_METRICS[code], n, p, q, tp)
        fill_averages(of_metric, p, averaged, zero_undefined)


def _empty(counted: CountTable, metrics, n_tables: int) -> np.ndarray:
    n_methods, n_observations, _ = counted.columns.shape
    return np.empty((len(metrics), n_methods, n_observations + 2, n_tables))


def replicate_counts_on_cpu(
    counted: CountTable, units, metrics, averaged, zero_undefined: bool, n_replicates: int, seed
) -> np.ndarray:
    """Evaluate as `replicate_counts` does, without asking for an accelerator."""
    values = _empty(counted, metrics, n_replicates)
    step = min(_TABLES, max(_MULTIPLICITIES // units.n_units, 1))
    for first in range(0, n_replicates, step):
        part = values[..., first : first + step]
        drawn = draw_weights(units, part.shape[-1], seed, first)
        counts = counted.table.T @ drawn.T.astype(counted.table.dtype)
        _fill(part, counts, counted.columns, metrics, averaged, zero_undefined)
    return values


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

    ``metrics`` holds positions in `COUNT_METRICS`; for ``averaged`` and ``zero_undefined`` see
    `fill_averages`.  The result is float64 (n_metrics, n_methods, n_observations + 2,
    n_replicates); its last two observations are the macro and the prevalence-weighted average.
    """
    arguments = (counted, units, metrics, averaged, zero_undefined, n_replicates, seed)
    evaluate = accelerated("replicate_counts", *arguments) or replicate_counts_on_cpu
    return evaluate(*arguments)


def sample_counts(
    counted: CountTable, metrics: np.ndarray, averaged: np.ndarray, zero_undefined: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate every metric of every cell on the full sample and exactly without each unit.

    The shapes are (n_metrics, n_methods, n_observations + 2) and (..., n_units).
    """
    n_units = len(counted.table)
    settings = (counted.columns, metrics, averaged, zero_undefined)
    total = counted.table.sum(axis=0, dtype=np.float64)[:, None]
    full, left_out = _empty(counted, metrics, 1), _empty(counted, metrics, n_units)
    _fill(full, total, *settings)
    for first in range(0, n_units, _TABLES):
        without = total - counted.table[first : first + _TABLES].T
        _fill(left_out[..., first : first + _TABLES], without, *settings)
    return full[..., 0], left_out
