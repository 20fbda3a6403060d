"""Label tables checked and turned into arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Cells:
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


def check_binary(values: np.ndarray, name: str) -> None:
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


def read_cells(
    truth: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    averages_over: Sequence[str] | None,
    weights: np.ndarray | None,
    min_events: int,
) -> Cells:
    """Check the label tables and count what each cell rests on."""
    if not predictions:
        raise ValueError("predictions is empty: name at least one method")
    labels = truth.to_numpy(np.float64, na_value=np.nan)
    check_binary(labels, "truth")
    values = np.array([_aligned(table, truth, name) for name, table in predictions.items()])
    observations = tuple(map(str, truth.columns))
    complete = ~np.isnan(values) & ~np.isnan(labels)
    n = complete.sum(axis=1)
    positives = (complete & (labels == 1)).sum(axis=1)
    too_few = np.minimum(positives, n - positives) < min_events
    return Cells(
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
