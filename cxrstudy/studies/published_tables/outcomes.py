"""What becomes of printed statements: they follow, or do not, or compare unlike things."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cxrstudy.claims import Measurement, claims
from cxrstudy.claims.rules import severity
from cxrstudy.figures.style import use_book_style
from cxrstudy.published.papers import paper

FOLLOWS, LAST_DIGIT, MATERIAL, UNLIKE = OUTCOMES = (
    "follows", "off in the last digit", "does not follow", "compares unlike things",
)  # fmt: skip
"""What can become of a statement; the second and third are inconsistencies."""

_HATCHES = ("", "//", "xx", "..")


def outcomes(measurements: Sequence[Measurement]) -> pd.DataFrame:
    """Tabulate paper, statement and outcome of what was counted within the papers."""
    rows = [
        (paper(claims()[found.claim].paper)["paper"]["short"], claims()[found.claim].statement)
        for found in measurements
    ]
    table = pd.DataFrame(rows, columns=["paper", "statement"])
    return table.assign(outcome=list(map(_outcome, measurements)))


def _outcome(found: Measurement) -> str:
    if not found.comparable:
        return UNLIKE
    if found.matching == found.cells:
        return FOLLOWS
    return LAST_DIGIT if severity(found.units_off) == "last digit" else MATERIAL


def outcome_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Count the outcomes of `outcomes` by paper, in the order of `OUTCOMES`."""
    counts = pd.crosstab(table["paper"], table["outcome"])
    return counts.reindex(columns=OUTCOMES, fill_value=0).rename_axis(columns=None)


def draw_outcomes(counts: pd.DataFrame) -> Axes:
    """Draw one bar for each paper, its statements side by side by outcome."""
    use_book_style()
    _, axes = plt.subplots(figsize=(7.2, 0.9 + 0.42 * len(counts)))
    left = np.zeros(len(counts))
    for i, (outcome, hatch) in enumerate(zip(OUTCOMES, _HATCHES, strict=True)):
        bars = axes.barh(
            counts.index, counts[outcome], left=left, color=f"C{i}", alpha=0.8, hatch=hatch,
            edgecolor="white", label=outcome,
        )  # fmt: skip
        axes.bar_label(bars, [n or "" for n in counts[outcome]], label_type="center")
        left += counts[outcome].to_numpy()
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    axes.set_xlabel("printed statements")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes


def answer(table: pd.DataFrame) -> str:
    """Say how many statements follow, and what is wrong with the others."""
    n = table["outcome"].value_counts().reindex(list(OUTCOMES), fill_value=0)
    how_many = "All do" if n[FOLLOWS] == len(table) else "Not all"
    if len(table) / 2 < n[FOLLOWS] < len(table):
        how_many = "Most do, not all"
    return (
        f"{how_many}. Of {len(table)} printed statements in {table['paper'].nunique()} papers, "
        f"{n[FOLLOWS]} follow from the papers' other figures and {n[LAST_DIGIT]} are off by one "
        f"unit of the last digit. {n[MATERIAL]} do not follow, and {n[UNLIKE]} set means side by "
        "side that run over unlike things."
    )


def outcomes_in_words(counts: pd.DataFrame) -> str:
    """Say what the figure of the outcomes shows."""
    papers = (
        f"{name}: " + ", ".join(f"{n} {outcome}" for outcome, n in row.items() if n)
        for name, row in counts.iterrows()
    )
    return f"Statements by paper. {'; '.join(papers)}."
