"""Small counts are hidden on demand, together with what would give them away."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cxrstudy.audit.finding import Finding

_PARTS = (
    ("image_positive", "image_negative", "image_unknown"),
    ("both", "image_only", "report_only", "neither"),
    ("report_positive", "report_negative", "report_uncertain", "report_blank"),
)
"""Columns of counts that add up to a known number."""

_COUNTED = ("count", "patients", "cells", "lines")
"""Evidence of a finding that counts rows, cells or patients; a shift of two rows is none."""


def counted(count: int, below: int) -> str:
    """Print a count, or that it is below K.

    >>> counted(3, 5), counted(1234, 5)
    ('< 5', '1,234')
    """
    return f"< {below}" if count < below else f"{count:,}"


def suppressed_counts(
    counts: pd.DataFrame, below: int, parts: Sequence[Sequence[str]] = _PARTS
) -> pd.DataFrame:
    """Print counts, those below K as ``< K``, and hide what a subtraction would give away.

    Of columns that add up, one hidden count takes the next smallest with it. Two tables of the same
    studies have their margins on the page, so of theirs all cells go.

    >>> table = pd.DataFrame({"a": [2], "b": [7], "c": [91]})
    >>> suppressed_counts(table, 5, [("a", "b", "c")]).loc[0].tolist()
    ['< 5', 'hidden', '91']
    """
    if not below:
        return counts
    shown = counts.map(lambda count: counted(int(count), below))
    for columns in (list(part) for part in parts):
        for row in counts.index:
            values = counts.loc[row, columns]
            small = values[values < below].index
            if "both" in columns and len(small):
                shown.loc[row, columns] = "hidden"
            elif len(small) == 1:
                rest = values.drop(small)
                shown.loc[row, rest.idxmin()] = "hidden"
    return shown


def suppressed_estimates(table: pd.DataFrame, below: int) -> pd.DataFrame:
    """Take out of tidy estimates what rests on fewer than K cases, and counts below K."""
    if not below or "positives" not in table:
        return table
    few = table["positives"].lt(below) | (table["n"] - table["positives"]).lt(below)
    hidden = [name for name in ("estimate", "low", "high", "positives", "n") if name in table]
    table = table.astype(dict.fromkeys(hidden, float))
    table.loc[few, hidden] = np.nan
    return table.assign(too_few=table["too_few"] & ~few) if "too_few" in table else table


def shown_findings(findings: Sequence[Finding], below: int) -> list[Finding]:
    """Say of findings on fewer than K rows only what they are."""
    return [_suppressed(finding, below) for finding in findings]


def _suppressed(finding: Finding, below: int) -> Finding:
    if not any(0 < finding.evidence.get(name, 0) < below for name in _COUNTED):
        return finding
    what = finding.kind.replace("_", " ")
    columns = f", {', '.join(finding.columns)}" if finding.columns else ""
    sentence = f"{finding.table}{columns}: {what} in fewer than {below} places."
    return replace(finding, sentence=sentence, rows=[], evidence={})
