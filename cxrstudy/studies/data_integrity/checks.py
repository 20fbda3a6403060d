"""All checks of a set of label tables at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from cxrstudy.data.integrity.alignment import (
    association_per_row,
    describe,
    find_misaligned_blocks,
    remedy,
)
from cxrstudy.data.integrity.blocks import shared_ids
from cxrstudy.studies.data_integrity.table_checks import (
    Finding,
    compare_columns,
    compare_ids,
    find_duplicate_files,
    find_shared_orders,
)

# Below this mean score of matched rows over others (nats per row), and below this many rows, the
# absence of a misaligned block says little.
_MIN_ASSOCIATION = 0.2
_MIN_SHARED_ROWS = 100


def audit_tables(
    tables: Mapping[str, pd.DataFrame], paths: Iterable[str | Path] = ()
) -> pd.DataFrame:
    """Run every integrity check of label tables.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Named label tables indexed by study id, rows in file order. All are compared with the
        first one.
    paths : iterable of str or Path
        Files to search for duplicates.

    Returns
    -------
    DataFrame of str
        Columns kind, severity ("error", "warning" or "info"), summary and repair; one row for
        each finding: files first, then columns, ids, shared order and row alignment. A table
        whose rows are aligned yields an ``info``, so that a page shows that it was checked.
    """
    (reference, expected), *others = tables.items()
    findings = [
        *find_duplicate_files(paths),
        *compare_columns(tables),
        *compare_ids(tables),
        *find_shared_orders(tables),
    ]
    for name, table in others:
        findings += check_alignment(expected, table, (reference, name))
    return pd.DataFrame(findings, columns=list(Finding._fields))


def check_alignment(
    reference: pd.DataFrame, table: pd.DataFrame, names: tuple[str, str]
) -> list[Finding]:
    """Report whether the rows of two tables describe the same studies, or why nobody can tell."""
    obstacle = _obstacle(reference, table)
    if obstacle:
        return [_not_checked(names[1], obstacle)]
    blocks = find_misaligned_blocks(reference, table)
    if blocks:
        return [
            Finding(
                "misaligned rows",
                "error",
                f"{names[1]}: {describe(found)}.",
                f"In the order of {names[0]}, {remedy(found.block)}.",
            )
            for found in blocks
        ]
    association = association_per_row(reference, table)
    if association < _MIN_ASSOCIATION:
        return [
            _not_checked(names[1], f"values hardly associated ({association:.2f} nats per row)")
        ]
    n_rows = len(shared_ids(reference, table))
    summary = f"{names[1]}: no rotated or reversed block among {n_rows} rows."
    return [Finding("aligned rows", "info", summary)]


def _obstacle(reference: pd.DataFrame, table: pd.DataFrame) -> str:
    if not (reference.index.is_unique and table.index.is_unique):
        return "duplicated ids"
    if not set(reference.columns) & set(table.columns):
        return "no shared columns"
    n_rows = len(shared_ids(reference, table))
    if n_rows < _MIN_SHARED_ROWS:
        return f"{n_rows} shared ids, at least {_MIN_SHARED_ROWS} needed"
    return ""


def _not_checked(name: str, reason: str) -> Finding:
    summary = f"{name}: cannot tell whether rows are aligned: {reason}."
    return Finding("alignment not checked", "warning", summary)
