"""Relative gain of one model over a group of others, under every usual way to average.

"An improvement of 97.5 % over general-domain models" leaves open what is averaged: accuracies or
ratios, rows or tasks, all models of a group or the best one. Listing every reading decides
whether any of them yields the printed number.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from cxrstudy.published.papers import PublishedTable, published_table
from cxrstudy.studies.published_tables.internal import Derived, Printed, propagate_rounding

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


GROUPS = {
    "general_domain": ["BLIP-2", "InstructBLIP"],
    "medical_domain": ["XrayGPT", "MedFlamingo", "RadFM", "LLaVA-Med"],
}
"""The models that CheXagent is compared with, by kind."""
_PERCEPTION = ("View Classification", "Binary Disease", "Single Disease", "Multi Disease")


def chexbench_gains(group: str, claimed: Printed) -> pd.DataFrame:
    """Recompute CheXagent's gain over a group of models under every averaging of CheXbench.

    Parameters
    ----------
    group : {"general_domain", "medical_domain"}
    claimed : Printed
        The claimed gain in percent.

    Returns
    -------
    DataFrame
        As `gains_under_every_averaging`.
    """
    table = published_table("chexagent", "chexbench")
    rows = list(table.values.index)
    row_sets = {"14 rows": rows, "11 rows": [row for row in rows if row.startswith(_PERCEPTION)]}
    return gains_under_every_averaging(table, "CheXagent", GROUPS[group], row_sets, claimed)


def summarise_readings(group: str, readings: pd.DataFrame, claimed: Printed) -> dict[str, object]:
    """Sum all readings of one claim up in one row.

    Returns
    -------
    dict
        group, published, readings, consistent (how many), smallest, largest, plain (the first
        reading: a ratio of means over all rows), nearest with its low, high and reading.
    """
    nearest = readings.loc[(readings["gain"] - float(claimed.cells)).abs().idxmin()]
    return {
        "group": group,
        "published": str(claimed),
        "readings": len(readings),
        "consistent": int(readings["consistent"].sum()),
        "smallest": readings["gain"].min(),
        "largest": readings["gain"].max(),
        "plain": readings["gain"].iloc[0],
        "nearest": nearest["gain"],
        "low": nearest["low"],
        "high": nearest["high"],
        "reading": f"{nearest['averaged']}: {nearest['reading']}",
    }


def best_rival(table: PublishedTable, model: str) -> pd.DataFrame:
    """Set a model beside the best of all others, row by row.

    Returns
    -------
    DataFrame
        Columns model, best_other, rival and ahead (by more than rounding).
    """
    others = table.values.drop(columns=model)
    best = others.max(axis=1)
    return pd.DataFrame(
        {
            model: table.values[model],
            "best_other": best,
            "rival": others.idxmax(axis=1),
            "ahead": table.values[model] - best > 2 * table.half_unit,
        }
    ).rename_axis("row")


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
        opponent and aggregate: those four, two columns that join them in words (``averaged`` and
        ``reading``), then gain, low, high (percent; what the rounding leaves) and consistent.
    """
    readings = product(row_sets, ("rows", "tasks"), _OPPONENTS, _AGGREGATES)
    rows = []
    for row_set, unit, opponent, aggregate in readings:
        derived = _gain(table, model, group, list(row_sets[row_set]), unit, opponent, aggregate)
        rows.append(
            {
                "row_set": row_set, "unit": unit, "opponent": opponent, "aggregate": aggregate,
                "averaged": f"{row_set}, by {unit}", "reading": f"{opponent}, {aggregate}",
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
    best = int((weights @ others.cells).mean(axis=0).argmax())

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
