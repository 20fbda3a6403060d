"""Checks of files, columns and study ids, and what a check reports."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd


class Finding(NamedTuple):
    """One thing that a check found in files or tables."""

    kind: str  # "duplicate files", "misaligned rows", ...
    # error: results computed from the tables as they are would be wrong; warning: they would be
    # wrong under a careless reading; info: a fact worth stating.
    severity: Literal["error", "warning", "info"]
    summary: str  # one sentence that begins with the table's name
    repair: str = ""  # what to do about it, in one sentence


def find_duplicate_files(paths: Iterable[str | Path]) -> list[Finding]:
    """Find files of the same bytes: one of the label sources that their names promise is absent."""
    by_digest: dict[str, list[Path]] = defaultdict(list)
    for path in sorted({Path(path) for path in paths}):
        by_digest[hashlib.sha256(path.read_bytes()).hexdigest()].append(path)
    return [
        Finding(
            "duplicate files",
            "error",
            f"{len(same)} files hold the same bytes: {', '.join(path.name for path in same)}.",
            "Use one of them, and treat the sources promised under the other names as absent.",
        )
        for same in by_digest.values()
        if len(same) > 1
    ]


def compare_columns(tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Compare every table's columns with the first table's, by name and by position."""
    expected = list(next(iter(tables.values())).columns)
    return [
        finding
        for name, table in tables.items()
        for finding in _column_findings(name, list(table.columns), expected)
    ]


def _column_findings(name: str, columns: list[str], expected: list[str]) -> list[Finding]:
    duplicated = sorted({column for column in columns if columns.count(column) > 1})
    missing = [column for column in expected if column not in columns]
    unknown = [column for column in columns if column not in expected]
    findings = [
        Finding(kind, severity, f"{name}: {kind} {_join(named)}.", remedy)
        for kind, named, severity, remedy in (
            ("duplicated columns", duplicated, "error", "Give every column its own name."),
            ("missing columns", missing, "info", "Compare only the columns that both tables have."),
            (
                "unknown columns",
                unknown,
                "warning",
                "Rename the columns to known terms or drop them.",
            ),
        )
        if named
    ]
    shared = [column for column in expected if column in columns]
    own_order = [column for column in dict.fromkeys(columns) if column in expected]
    moved = [own for own, other in zip(own_order, shared, strict=True) if own != other]
    if moved:
        summary = f"{name}: same columns, other order: {_join(moved)}."
        remedy = "Join columns by name, never by position."
        findings.append(Finding("column order", "warning", summary, remedy))
    return findings


def compare_ids(tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Compare every table's study ids (its index) with the first table's: set and order."""
    reference, expected = next((name, table.index) for name, table in tables.items())
    findings = _duplicated_ids(reference, expected)
    for name, table in tables.items():
        if name != reference:
            findings += _duplicated_ids(name, table.index)
            findings += _absent_ids("unknown", name, table.index, reference, expected)
            findings += _absent_ids("missing", reference, expected, name, table.index)
            findings += _id_order(reference, expected, name, table.index)
    return findings


def _duplicated_ids(name: str, ids: pd.Index) -> list[Finding]:
    repeated = ids[ids.duplicated(keep=False)]
    if repeated.empty:
        return []
    summary = f"{name}: {repeated.nunique()} ids stand on {len(repeated)} rows."
    return [Finding("duplicated ids", "error", summary, "Keep one row per study id.")]


def _absent_ids(
    problem: str, name: str, ids: pd.Index, other_name: str, other_ids: pd.Index
) -> list[Finding]:
    absent = ids[~ids.isin(other_ids)]
    if absent.empty:
        return []
    summary = f"{len(absent)} ids of {name} absent from {other_name}, the first {absent[0]}."
    remedy = "Restrict both tables to the ids that they share, and say how many were lost."
    return [Finding(f"{problem} ids", "warning", summary, remedy)]


def _id_order(reference: str, expected: pd.Index, name: str, ids: pd.Index) -> list[Finding]:
    shared = ids[ids.isin(expected)].drop_duplicates()
    in_reference_order = expected[expected.isin(ids)].drop_duplicates()
    moved = shared[shared != in_reference_order]
    if moved.empty:
        return []
    rows = np.flatnonzero(ids.isin(moved))
    summary = (
        f"{name}: {len(moved)} of {len(shared)} shared ids stand in another order "
        f"than in {reference}, rows {rows[0]} to {rows[-1]}."
    )
    remedy = "Join by id, after checking that the rows' values follow the ids."
    return [Finding("id order", "warning", summary, remedy)]


def group_by_id_sequence(tables: Mapping[str, pd.DataFrame]) -> list[list[str]]:
    """Group the names of tables with the same ids in the same order, largest first."""
    groups: dict[tuple, list[str]] = defaultdict(list)
    for name, table in tables.items():
        groups[tuple(table.index)].append(name)
    return sorted(groups.values(), key=len, reverse=True)


def find_shared_orders(tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """State which tables hold the same ids in the same order."""
    return [
        Finding(
            "shared order",
            "info",
            f"{len(names)} of {len(tables)} tables hold the same ids in the same order.",
        )
        for names in group_by_id_sequence(tables)
        if len(names) > 1
    ]


def _join(names: list[str]) -> str:
    return ", ".join(map(str, names))
