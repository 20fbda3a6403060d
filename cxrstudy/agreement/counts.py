"""Metrics of 2x2 tables, each defined once, in every cell and every bootstrap replicate.

A table is described by four counts: complete pairs ``n``, truth positives ``p``, predicted
positives ``q`` and true positives ``tp``.  Counts may be weighted.

A metric is *undefined* (NaN) exactly when its denominator is zero:

============  ===================================================
f1            neither truth nor prediction has a positive
precision     no predicted positive
recall        no truth positive
specificity   no truth negative
kappa         both are constant and equal
mcc           truth or prediction is constant
youden        truth is constant
accuracy      there is no complete pair
============  ===================================================

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

# Held at one time: tables of a cell, and multiplicities of all units.
_TABLES = 1024
_MULTIPLICITIES = 1 << 22


# Of arrays or tensors: n pairs, p positive, q called positive, tp both.
FORMULAS = {
    "f1": lambda n, p, q, tp: 2 * tp / (p + q),
    "precision": lambda n, p, q, tp: tp / q,
    "recall": lambda n, p, q, tp: tp / p,
    "specificity": lambda n, p, q, tp: (n - p - q + tp) / (n - p),
    "kappa": lambda n, p, q, tp: 1 - n * (p + q - 2 * tp) / (p * (n - q) + q * (n - p)),
    "mcc": lambda n, p, q, tp: (n * tp - p * q) / ((p * (n - p)) ** 0.5 * (q * (n - q)) ** 0.5),
    "youden": lambda n, p, q, tp: tp / p + (n - p - q + tp) / (n - p) - 1,
    "accuracy": lambda n, p, q, tp: (n - p - q + 2 * tp) / n,
}

COUNT_METRICS = tuple(FORMULAS)
"""Metrics of a 2x2 table; the position of a name is its code in arrays of metrics."""


def count_metric(metric: str, n, positives, predicted, true_positives, undefined: str = "nan"):
    """Evaluate a count metric on one table or on arrays of tables, which broadcast.

    ``undefined="zero"`` replaces NaN by 0, which is scikit-learn's ``zero_division=0`` for F1,
    precision and recall and its fixed convention for MCC.

    >>> float(count_metric("recall", n=10, positives=4, predicted=5, true_positives=3))
    0.75
    """
    if metric not in COUNT_METRICS:
        raise ValueError(f"unknown count metric {metric!r}; choose from {COUNT_METRICS}")
    if undefined not in ("nan", "zero"):
        raise ValueError(f"undefined must be 'nan' or 'zero', got {undefined!r}")
    counts = (np.asarray(count, float) for count in (n, positives, predicted, true_positives))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = FORMULAS[metric](*np.broadcast_arrays(*counts))
    return np.nan_to_num(values, nan=0.0) if undefined == "zero" else values


def fill_averages(values, positives, averaged, zero_undefined: bool) -> None:
    """Write macro and prevalence-weighted average last; a weight of 0 hides what is undefined."""
    # values: (n_methods, n_observations + 2, n_tables), the last two observations to be filled;
    # positives, the weights: (n_methods, n_observations, n_tables); averaged: (n_observations,)
    members, weights = values[:, :-2][:, averaged], positives[:, averaged]
    if zero_undefined:
        members = np.nan_to_num(members, nan=0.0)
    with np.errstate(invalid="ignore"):
        values[:, -2] = members.sum(axis=1) / averaged.sum()
        weighted = np.where(weights > 0, weights * members, 0.0)
        values[:, -1] = weighted.sum(axis=1) / weights.sum(axis=1)


@dataclass(frozen=True, eq=False)
class CountTable:
    """Indicators summed per resampling unit, and where each cell finds its four counts."""

    table: np.ndarray  # (n_units, n_columns), of a type in which sums over any resample are exact
    # int64, (n_methods, n_observations, 4): the columns of complete pairs, truth positives,
    # predicted positives and true positives.
    columns: np.ndarray


def count_table(truth: np.ndarray, predictions: np.ndarray, weights, units) -> CountTable:
    """Lay out the indicators of all cells; a column that several cells share is stored once."""
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
    counted: CountTable, units, metrics, averaged, zero_undefined: bool, n_replicates: int, seed
) -> np.ndarray:
    """Evaluate metrics and averages; (metric, method, observation or average, replicate)."""
    arguments = (counted, units, metrics, averaged, zero_undefined, n_replicates, seed)
    evaluate = accelerated("replicate_counts", *arguments) or replicate_counts_on_cpu
    return evaluate(*arguments)


def sample_counts(
    counted: CountTable, metrics: np.ndarray, averaged: np.ndarray, zero_undefined: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate every metric on the full sample, and without each unit along a last axis."""
    n_units = len(counted.table)
    settings = (counted.columns, metrics, averaged, zero_undefined)
    total = counted.table.sum(axis=0, dtype=np.float64)[:, None]
    full, left_out = _empty(counted, metrics, 1), _empty(counted, metrics, n_units)
    _fill(full, total, *settings)
    for first in range(0, n_units, _TABLES):
        without = total - counted.table[first : first + _TABLES].T
        _fill(left_out[..., first : first + _TABLES], without, *settings)
    return full[..., 0], left_out
