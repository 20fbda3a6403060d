"""The one entry point: methods against a truth, with intervals for everything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrstudy.philox import as_key

from .counts import COUNT_METRICS, count_table, replicate_counts, sample_counts
from .ranking import replicate_rankings, sample_rankings
from .resampling import DEFAULT_RESAMPLING, Resampling, ResamplingUnits
from .result import MACRO_AVERAGE, WEIGHTED_AVERAGE, Agreement, Estimate, Key
from .visits import RANKING_METRICS, programs

Values = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Full-sample, replicate and leave-one-out values by (metric, method, observation, ...)."""


@dataclass(frozen=True, eq=False)
class _Cells:
    """Truth and predictions of every method for every observation."""

    methods: tuple[str, ...]
    observations: tuple[str, ...]
    truth: np.ndarray  # 0, 1 or NaN, shape (n_rows, n_observations)
    predictions: np.ndarray  # shape (n_methods, n_rows, n_observations)
    weights: np.ndarray | None  # sampling weights, shape (n_rows,)
    # Complete pairs and the truth positives among them, unweighted, and whether there are fewer
    # positives or negatives than asked for: shape (n_methods, n_observations).
    n: np.ndarray
    positives: np.ndarray
    too_few: np.ndarray
    averaged: np.ndarray  # bool, shape (n_observations,): enters the averages


def agree(
    truth: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    *,
    metrics: Sequence[str] = ("f1", "kappa"),
    contrasts: Sequence[tuple[str, str]] = (),
    averages_over: Sequence[str] | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
    undefined: str = "drop",
    min_events: int = 10,
) -> Agreement:
    """Compare methods with a truth, observation by observation, on shared bootstrap resamples.

    Every method, observation and metric sees the same resamples, so differences are paired.  The
    intervals are conditional on the predictions as given.

    Parameters
    ----------
    truth : pandas.DataFrame of shape (n_rows, n_observations)
        0, 1 or missing.
    predictions : mapping of str to pandas.DataFrame
        Per method a table with the index and columns of ``truth``: 0, 1 or missing for count
        metrics, any scores for ``"auroc"`` and ``"average_precision"``.  A pair with either side
        missing leaves that cell only.
    metrics : sequence of str, default ("f1", "kappa")
        Names from `COUNT_METRICS` and `RANKING_METRICS`.
    contrasts : sequence of (str, str)
        Pairs of methods; ``("a", "b")`` adds method ``"a - b"``.
    averages_over : sequence of str, optional
        Observations that enter the averages; all by default.
    resampling : Resampling
        Replicates and seed; clusters, strata and weights of the rows.
    undefined : {"drop", "zero"}
        An undefined value (see `cxrstudy.agreement.counts`) is left out, and makes averages that
        rest on it undefined, or counts as 0.  The number of such replicates is reported either
        way.
    min_events : int, default 10
        Cells with fewer positives or negatives are flagged ``too_few``; such an observation
        leaves the averages of every method.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        If tables are misaligned, values are not allowed, or a name is unknown.

    Examples
    --------
    >>> truth = pd.DataFrame({"Edema": [1, 1, 0, 0] * 25})
    >>> found = agree(truth, {"always yes": truth * 0 + 1}, metrics=["precision"])
    >>> found.estimate("always yes", "Edema", "precision")
    Estimate(0.500, 95 % 0.400 to 0.600, n=100, positives=50)
    """
    _check_choices(metrics, contrasts, predictions, undefined)
    weights = resampling.row_weights(len(truth))
    cells = _read_cells(truth, predictions, averages_over, weights, min_events)
    units = resampling.units(len(truth))
    shared = {
        "resample_key": _resample_key(truth.index, units, resampling),
        "stratum_sizes": units.stratum_sizes,
        "undefined_as": 0.0 if undefined == "zero" else float("nan"),
    }
    stream = resampling.replicates, as_key(resampling.seed)
    estimates: dict[Key, Estimate] = {}
    for family, evaluate in _EVALUATORS.items():
        chosen = [metric for metric in metrics if metric in family]
        if chosen:
            values = evaluate(cells, units, chosen, undefined == "zero", *stream)
            estimates |= _estimates(cells, chosen, *values, **shared)
    flagged = zip(*np.nonzero(cells.too_few), strict=True)
    return Agreement(
        estimates=estimates,
        contrasts=tuple((first, second) for first, second in contrasts),
        too_few=frozenset((cells.methods[i], cells.observations[j]) for i, j in flagged),
    )


def _check_choices(metrics, contrasts, predictions, undefined: str) -> None:
    unknown = set(metrics) - {*COUNT_METRICS, *RANKING_METRICS}
    if unknown or not metrics:
        raise ValueError(
            f"unknown metrics {sorted(unknown)}; choose from {COUNT_METRICS + RANKING_METRICS}"
        )
    strangers = {name for pair in contrasts for name in pair} - set(predictions)
    if strangers:
        raise ValueError(f"contrasts name {sorted(strangers)}, which predictions does not hold")
    if undefined not in ("drop", "zero"):
        raise ValueError(f"undefined must be 'drop' or 'zero', got {undefined!r}")


def _evaluate_counts(cells, units, metrics, zero_undefined, n_replicates, key) -> Values:
    _check_binary(cells.predictions, "predictions for count metrics")
    codes = np.array([COUNT_METRICS.index(metric) for metric in metrics])
    counted = count_table(cells.truth, cells.predictions, cells.weights, units)
    shared = (codes, cells.averaged, zero_undefined)
    full, left_out = sample_counts(counted, *shared)
    return full, replicate_counts(counted, units, *shared, n_replicates, key), left_out


def _evaluate_rankings(cells, units, metrics, zero_undefined, n_replicates, key) -> Values:
    program = programs(cells.truth, cells.predictions, cells.weights, units, metrics)
    shared = (program, units, cells.averaged, zero_undefined)
    full, left_out = sample_rankings(*shared)
    return full, replicate_rankings(*shared, n_replicates, key), left_out


_EVALUATORS = {COUNT_METRICS: _evaluate_counts, RANKING_METRICS: _evaluate_rankings}


def _estimates(cells: _Cells, metrics, full, replicates, left_out, **shared) -> dict[Key, Estimate]:
    """Name the entries of arrays indexed (metric, method, observation or average, ...)."""
    observations = (*cells.observations, MACRO_AVERAGE, WEIGHTED_AVERAGE)
    n, positives = _average_sizes(cells)
    if not np.isnan(shared["undefined_as"]):
        full = np.nan_to_num(full, nan=shared["undefined_as"])
    return {
        (method, observation, metric): Estimate(
            value=float(full[a, m, o]),
            replicates=replicates[a, m, o],
            jackknife=left_out[a, m, o],
            n=int(n[m, o]),
            positives=int(positives[m, o]),
            **shared,
        )
        for m, method in enumerate(cells.methods)
        for o, observation in enumerate(observations)
        for a, metric in enumerate(metrics)
    }


def _average_sizes(cells: _Cells) -> tuple[np.ndarray, np.ndarray]:
    """Rows and positives per cell, followed by those behind each of the two averages."""
    known = ~np.isnan(cells.predictions) & ~np.isnan(cells.truth)
    rows = known[:, :, cells.averaged].any(axis=2).sum(axis=1)
    events = cells.positives[:, cells.averaged].sum(axis=1)
    n = np.column_stack([cells.n, rows, rows])
    return n, np.column_stack([cells.positives, events, events])


def _resample_key(index: pd.Index, units: ResamplingUnits, resampling: Resampling) -> tuple:
    """Tell apart what estimates must share to be paired: rows, units and draws."""
    rows = pd.util.hash_pandas_object(index).to_numpy()
    groups = hash(units.unit_of_row.tobytes()), units.stratum_sizes
    return hash(rows.tobytes()), *groups, resampling.replicates, resampling.seed


def _check_binary(values: np.ndarray, name: str) -> None:
    """Raise ValueError unless every value is 0, 1 or NaN."""
    if not np.all((values == 0) | (values == 1) | np.isnan(values)):
        raise ValueError(
            f"{name} must hold 0, 1 or missing; resolve uncertain labels or apply a threshold first"
        )


def _aligned(table: pd.DataFrame, truth: pd.DataFrame, name: str) -> np.ndarray:
    if not table.index.equals(truth.index) or not table.columns.equals(truth.columns):
        raise ValueError(
            f"predictions[{name!r}] and truth differ in index or columns; "
            f"align with predictions.reindex_like(truth) after checking the names"
        )
    return table.to_numpy(np.float64, na_value=np.nan)


def _averaged(names: tuple[str, ...], averages_over: Sequence[str] | None) -> np.ndarray:
    if averages_over is None:
        return np.ones(len(names), bool)
    unknown = set(averages_over) - set(names)
    if unknown:
        raise ValueError(f"averages_over names {sorted(unknown)}, which are not columns of truth")
    return np.array([name in set(averages_over) for name in names])


def _read_cells(
    truth: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    averages_over: Sequence[str] | None,
    weights: np.ndarray | None,
    min_events: int,
) -> _Cells:
    """Check the label tables and count what each cell rests on."""
    if not predictions:
        raise ValueError("predictions is empty: name at least one method")
    labels = truth.to_numpy(np.float64, na_value=np.nan)
    _check_binary(labels, "truth")
    values = np.array([_aligned(table, truth, name) for name, table in predictions.items()])
    observations = tuple(map(str, truth.columns))
    complete = ~np.isnan(values) & ~np.isnan(labels)
    n = complete.sum(axis=1)
    positives = (complete & (labels == 1)).sum(axis=1)
    too_few = np.minimum(positives, n - positives) < min_events
    return _Cells(
        methods=tuple(predictions),
        observations=observations,
        truth=labels,
        predictions=values,
        weights=weights,
        n=n,
        positives=positives,
        averaged=_averaged(observations, averages_over) & ~too_few.any(axis=0),
        too_few=too_few,
    )
