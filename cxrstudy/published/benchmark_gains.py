"""Relative gain of one model over a group of others, under every usual way to average.

"An improvement of 97.5 % over general-domain models" leaves open what is averaged: accuracies or
ratios, rows or tasks, all models of a group or the best one. Listing every reading decides
whether any of them yields the printed number.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from cxrstudy.published.internal import Derived, Printed, propagate_rounding
from cxrstudy.published.papers import PublishedTable

_AGGREGATES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "ratio of means": lambda model, other: np.mean(model) / np.mean(other),
    "mean of ratios": lambda model, other: np.mean(model / other),
}
_OPPONENTS = (
    "mean of the group",
    "best of the group, row by row",
    "best model overall",
    "each model, gains averaged",
)


def gains_under_every_averaging(
    table: PublishedTable,
    model: str,
    group: list[str],
    row_sets: Mapping[str, Sequence[str]],
    published: Printed,
) -> pd.DataFrame:
    """Recompute a relative gain under every averaging.

    Parameters
    ----------
    table : PublishedTable
        Rows named ``"task / data set"``; one column for each model.
    model : str
        Column of the model whose gain is claimed.
    group : list of str
        Columns of the models that it is compared with.
    row_sets : mapping of str to sequence of str
        Named choices of rows.
    published : Printed
        The claimed gain in percent.

    Returns
    -------
    DataFrame
        One row for each choice of rows, unit (rows, or tasks that average their rows first),
        opponent and aggregate: those four, then gain, low, high (percent; what the rounding
        leaves) and consistent.
    """
    readings = product(row_sets, ("rows", "tasks"), _OPPONENTS, _AGGREGATES)
    rows = []
    for row_set, unit, opponent, aggregate in readings:
        derived = _gain(table, model, group, list(row_sets[row_set]), unit, opponent, aggregate)
        rows.append(
            {
                "row_set": row_set, "unit": unit, "opponent": opponent, "aggregate": aggregate,
                "gain": derived.value, "low": derived.low, "high": derived.high,
                "consistent": derived.admits(published),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _gain(
    table: PublishedTable,
    model: str,
    group: list[str],
    rows: list[str],
    unit: str,
    opponent: str,
    aggregate: str,
) -> Derived:
    weights = _averaging_weights(rows, unit)
    ratio = _AGGREGATES[aggregate]
    own, others = (Printed(table.values.loc[rows, key], table.half_unit) for key in (model, group))
    # Chosen once from the printed cells: rounding could swap two models that are nearly equal.
    best = int((weights @ others.values).mean(axis=0).argmax())

    def gain(own: np.ndarray, others: np.ndarray) -> float:
        own, others = weights @ own, weights @ others
        opponents = _opposing_columns(others, opponent, best)
        return 100 * (np.mean([ratio(own, column) for column in opponents.T]) - 1)

    return propagate_rounding(gain, own, others)


def _averaging_weights(rows: list[str], unit: str) -> np.ndarray:
    """Matrix that turns rows into units: itself for rows, the mean of its rows for a task."""
    if unit == "rows":
        return np.eye(len(rows))
    tasks = pd.get_dummies(pd.Series(rows).str.split(" / ").str[0], dtype=float)
    return (tasks / tasks.sum()).to_numpy().T


def _opposing_columns(others: np.ndarray, opponent: str, best: int) -> np.ndarray:
    if opponent == "mean of the group":
        return others.mean(axis=1, keepdims=True)
    if opponent == "best of the group, row by row":
        return others.max(axis=1, keepdims=True)
    if opponent == "best model overall":
        return others[:, [best]]
    return others
