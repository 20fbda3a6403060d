"""CheXagent's figures: relative gains under every usual way to average, leads, and counts.

"An improvement of 97.5 % over general-domain models" leaves open what is averaged: accuracies or
ratios, rows or tasks, all models of a group or the best one. Listing every reading decides
whether any of them yields the printed number.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cxrstudy.figures import intervals_by_group
from cxrstudy.published.papers import PublishedTable, published_table
from cxrstudy.studies.published_tables.rounding import (
    Derived,
    Printed,
    compare_all,
    exactly,
    printed_cells,
    printed_fact,
    propagate_rounding,
    units_off,
)

_AGGREGATES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "ratio of means": lambda model, other: np.mean(model) / np.mean(other),
    "mean of ratios": lambda model, other: np.mean(model / other),
}
# From the group's scores, (n_units, n_models), and its best model to the opponents' columns.
_OPPONENTS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "mean of the group": lambda others, best: others.mean(axis=1, keepdims=True),
    "best of the group, row by row": lambda others, best: others.max(axis=1, keepdims=True),
    "best model overall": lambda others, best: others[:, [best]],
    "each model, gains averaged": lambda others, best: others,
}
_GROUPS = {
    "general_domain": ["BLIP-2", "InstructBLIP"],
    "medical_domain": ["XrayGPT", "MedFlamingo", "RadFM", "LLaVA-Med"],
}
_PERCEPTION = ("View Classification", "Binary Disease", "Single Disease", "Multi Disease")


def claimed_gain(group: str) -> Printed:
    """Return the gain over a group of models, in percent, that CheXagent's abstract prints."""
    return printed_fact("chexagent", f"gain_over_{group}_percent")


def chexbench_gains() -> dict[str, pd.DataFrame]:
    """Recompute CheXagent's gain over each group of models under every averaging of CheXbench."""
    table = published_table("chexagent", "chexbench")
    rows = list(table.values.index)
    row_sets = {"14 rows": rows, "11 rows": [row for row in rows if row.startswith(_PERCEPTION)]}
    return {
        group: gains_under_every_averaging(
            table, "CheXagent", models, row_sets, claimed_gain(group)
        )
        for group, models in _GROUPS.items()
    }


def summarise_readings(readings: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Sum all readings of each claim up in one row; ``plain`` is a ratio of means over all rows."""
    rows = []
    for group, table in readings.items():
        claimed, gains = claimed_gain(group), table["gain"]
        nearest = table.loc[(gains - float(claimed)).abs().idxmin()]
        row = {"group": group, "published": str(claimed), "readings": len(table)}
        row |= {"consistent": int(table["consistent"].sum())}
        row |= {"smallest": gains.min(), "largest": gains.max(), "plain": gains.iloc[0]}
        row |= {"nearest": nearest["gain"], "low": nearest["low"], "high": nearest["high"]}
        row |= {"units_off": units_off(str(claimed), nearest["low"], nearest["high"])}
        rows.append(row | {"reading": f"{nearest['averaged']}: {nearest['reading']}"})
    return pd.DataFrame(rows)


def draw_readings(readings: pd.DataFrame, group: str) -> Axes:
    """Draw the gain over a group of models by reading, with a line at the claim."""
    return intervals_by_group(
        readings,
        "gain",
        "reading",
        "averaged",
        label=f"gain over {group.replace('_domain', '-domain')} models, percent",
        reference=float(claimed_gain(group)),
    )


def readings_in_words(readings: pd.DataFrame, group: str) -> str:
    """Say what the figure of the readings shows."""
    gains, on_the_line = readings["gain"], int(readings["consistent"].sum())
    return (
        f"{len(gains)} gains from {gains.min():.0f} to {gains.max():.0f} percent; "
        f"{on_the_line} lie on the claimed {claimed_gain(group)} percent."
    )


def gains_under_every_averaging(
    table: PublishedTable,
    model: str,
    group: list[str],
    row_sets: Mapping[str, Sequence[str]],
    published: Printed,
) -> pd.DataFrame:
    """Recompute a relative gain for each choice of rows, unit, opponent and aggregate.

    The unit is a row, or a task that averages its rows first: rows are named ``"task / data
    set"``. Beside the choices stand two columns that join them in words, then gain, low, high
    (percent; what the rounding leaves) and whether the published gain is consistent.
    """
    rows = []
    for reading in product(row_sets, ("rows", "tasks"), _OPPONENTS, _AGGREGATES):
        row_set, unit, opponent, aggregate = reading
        chosen = list(row_sets[row_set])
        derived = _gain(
            printed_cells(table, chosen, model),
            printed_cells(table, chosen, group),
            _averaging_weights(chosen, unit),
            _OPPONENTS[opponent],
            _AGGREGATES[aggregate],
        )
        rows.append(
            dict(zip(("row_set", "unit", "opponent", "aggregate"), reading, strict=True))
            | {"averaged": f"{row_set}, by {unit}", "reading": f"{opponent}, {aggregate}"}
            | {"gain": derived.value, "low": derived.low, "high": derived.high}
            | {"consistent": derived.admits(published)}
        )
    return pd.DataFrame(rows)


def _gain(
    own: Printed, others: Printed, weights: np.ndarray, opposing: Callable, ratio: Callable
) -> Derived:
    # Chosen once from the printed cells: rounding could swap two models that are nearly equal.
    best = int((weights @ others.cells).mean(axis=0).argmax())

    def gain(own: np.ndarray, others: np.ndarray) -> float:
        opponents = opposing(weights @ others, best)
        return 100 * (np.mean([ratio(weights @ own, column) for column in opponents.T]) - 1)

    return propagate_rounding(gain, own, others)


def _averaging_weights(rows: list[str], unit: str) -> np.ndarray:
    """Matrix that turns rows into units: itself for rows, the mean of its rows for a task."""
    if unit == "rows":
        return np.eye(len(rows))
    tasks = pd.get_dummies(pd.Series(rows).str.split(" / ").str[0], dtype=float)
    return (tasks / tasks.sum()).to_numpy().T


def best_rival(table: PublishedTable, model: str) -> pd.DataFrame:
    """Set a model beside the best of all others; ahead means by more than rounding."""
    others = table.values.drop(columns=model)
    lead = table.values[model] - others.max(axis=1)
    columns = {model: table.values[model], "best_other": others.max(axis=1)}
    columns |= {"rival": others.idxmax(axis=1), "ahead": lead > 2 * table.half_unit}
    return pd.DataFrame(columns).rename_axis("row")


def instruction_counts() -> pd.DataFrame:
    """Set the counts of CheXinstruct's figure beside those of the text."""
    text = {"tasks": "tasks", "dataset_names": "datasets", "task_dataset_pairs": "datasets"}
    in_figure = {name: exactly(printed_fact("chexagent", f"{name}_in_figure")) for name in text}
    in_text = {name: printed_fact("chexagent", fact) for name, fact in text.items()}
    return compare_all(in_figure, in_text).drop(columns=["low", "high"])


def tally_of_counts(counts: pd.DataFrame) -> dict[str, object]:
    """Judge tasks and data sets, the latter by either of their two counts, and quote all three."""
    agrees = counts.set_index("figure")["consistent"] == "yes"
    matching = int(agrees["tasks"]) + int(agrees[["dataset_names", "task_dataset_pairs"]].any())
    words = [f"{row.recomputed:.0f} {row.figure.replace('_', ' ')}" for row in counts.itertuples()]
    off = [units_off(row.published, row.recomputed, row.recomputed) for row in counts.itertuples()]
    found = {"cells": 2, "matching": matching, "units_off": max(off[0], min(off[1:]))}
    return found | {"measured": ", ".join(words)}


def findings_averages() -> pd.DataFrame:
    """Recompute every model's average F1 of generated findings from its four parts."""
    table = published_table("chexagent", "findings_generation_f1")
    parts = table.values.columns.drop("average")
    derived, printed = {}, {}
    for model in table.values.index:
        derived[model] = propagate_rounding(np.mean, printed_cells(table, model, parts))
        printed[model] = printed_cells(table, model, "average")
    return compare_all(derived, printed)


def equal_rows() -> list[str]:
    """Name the models whose F1 of generated findings are equal in every cell."""
    values = published_table("chexagent", "findings_generation_f1").values
    return list(values.index[values.duplicated(keep=False)])
