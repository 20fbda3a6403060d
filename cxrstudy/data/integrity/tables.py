"""Columns, id sets and id order of several label tables."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.data.integrity.findings import Finding


def compare_columns(
    tables: Mapping[str, pd.DataFrame], expected: Sequence[str] | None = None
) -> tuple[Finding, ...]:
    """Compare the columns of tables by name and by position.

    The same columns in another order are harmless only if tables are joined by column name.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Named tables with one column per observation.
    expected : sequence of str, optional
        The columns to compare with; by default those of the first table.

    Returns
    -------
    tuple of Finding
        Kinds ``"duplicated columns"``, ``"missing columns"``, ``"unknown columns"`` and
        ``"column order"``.
    """
    if expected is None:
        expected = list(next(iter(tables.values())).columns)
    findings = []
    for name, table in tables.items():
        findings += _column_findings(name, list(table.columns), list(expected))
    return tuple(findings)


def _column_findings(name: str, columns: list[str], expected: list[str]) -> list[Finding]:
    duplicated = sorted({column for column in columns if columns.count(column) > 1})
    missing = [column for column in expected if column not in columns]
    unknown = [column for column in columns if column not in expected]
    findings = [
        Finding(
            kind=f"{problem} columns",
            subjects=(name,),
            severity=severity,
            summary=f"{name}: {problem} columns {', '.join(map(str, concerned))}.",
            repair=remedy,
            evidence={"columns": len(concerned)},
        )
        for problem, concerned, severity, remedy in (
            ("duplicated", duplicated, "error", "Give every column its own name."),
            ("missing", missing, "info", "Compare only the columns that both tables have."),
            ("unknown", unknown, "warning", "Rename the columns to known terms or drop them."),
        )
        if concerned
    ]
    shared = [column for column in expected if column in columns]
    own_order = [column for column in dict.fromkeys(columns) if column in expected]
    if own_order != shared:
        moved = [a for a, b in zip(own_order, shared, strict=True) if a != b]
        findings.append(
            Finding(
                kind="column order",
                subjects=(name,),
                severity="warning",
                summary=f"{name}: same columns, other order: {', '.join(map(str, moved))}.",
                repair="Join columns by name, never by position.",
                evidence={"columns moved": len(moved)},
            )
        )
    return findings


def compare_ids(
    tables: Mapping[str, pd.DataFrame], reference: str | None = None
) -> tuple[Finding, ...]:
    """Compare the study ids (the index) of tables: duplicates, set and order.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Named tables indexed by study id, rows in file order.
    reference : str, optional
        Name of the table to compare with; by default the first one.

    Returns
    -------
    tuple of Finding
        Kinds ``"duplicated ids"``, ``"missing ids"``, ``"unknown ids"`` and ``"id order"``; rows
        are those of the table named last in ``subjects``.
    """
    reference = next(iter(tables)) if reference is None else reference
    expected = tables[reference].index
    findings = _duplicated_ids(reference, expected)
    for name, table in tables.items():
        if name == reference:
            continue
        findings += _duplicated_ids(name, table.index)
        findings += _absent_ids((name, reference), table.index, expected, "unknown")
        findings += _absent_ids((name, reference), expected, table.index, "missing")
        findings += _id_order((reference, name), expected, table.index)
    return tuple(findings)


def group_by_id_sequence(tables: Mapping[str, pd.DataFrame]) -> tuple[tuple[str, ...], ...]:
    """Group tables whose ids are the very same in the very same order.

    Tables written independently that share one order support that this order, not the deviating
    one of a single table, is the original.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Named tables indexed by study id, rows in file order.

    Returns
    -------
    tuple of tuple of str
        Groups of table names, largest first.
    """
    groups: dict[tuple, list[str]] = defaultdict(list)
    for name, table in tables.items():
        groups[tuple(table.index)].append(name)
    return tuple(sorted((tuple(names) for names in groups.values()), key=len, reverse=True))


def _duplicated_ids(name: str, ids: pd.Index) -> list[Finding]:
    rows = np.flatnonzero(ids.duplicated(keep=False))
    if not len(rows):
        return []
    return [
        Finding(
            kind="duplicated ids",
            subjects=(name,),
            severity="error",
            summary=f"{name}: {ids[rows].nunique()} ids stand on {len(rows)} rows.",
            repair="Keep one row per study id.",
            **_location(rows, ids),
            evidence={"ids": ids[rows].nunique(), "rows": len(rows)},
        )
    ]


def _absent_ids(
    subjects: tuple[str, str], holding: pd.Index, lacking: pd.Index, kind: str
) -> list[Finding]:
    rows = np.flatnonzero(~holding.isin(lacking))
    if not len(rows):
        return []
    name, reference = subjects
    where = f"ids of {reference} absent from {name}"
    if kind == "unknown":
        where = f"ids of {name} absent from {reference}"
    return [
        Finding(
            kind=f"{kind} ids",
            subjects=subjects if kind == "missing" else subjects[::-1],
            severity="warning",
            summary=f"{len(rows)} {where}, the first {holding[rows[0]]}.",
            repair="Restrict both tables to the ids that they share, and say how many were lost.",
            **_location(rows, holding),
            evidence={"ids": len(rows), "of": len(holding)},
        )
    ]


def _id_order(subjects: tuple[str, str], expected: pd.Index, ids: pd.Index) -> list[Finding]:
    shared = ids[ids.isin(expected)].drop_duplicates()
    in_reference_order = expected[expected.isin(ids)].drop_duplicates()
    moved = shared[shared != in_reference_order]
    if not len(moved):
        return []
    rows = np.flatnonzero(ids.isin(moved))
    return [
        Finding(
            kind="id order",
            subjects=subjects,
            severity="warning",
            summary=(
                f"{subjects[1]}: {len(moved)} of {len(shared)} shared ids stand in another order "
                f"than in {subjects[0]}, rows {rows[0]} to {rows[-1]}."
            ),
            repair="Join by id, after checking that the rows' values follow the ids.",
            **_location(rows, ids),
            evidence={"ids moved": len(moved), "of": len(shared)},
        )
    ]


def _location(rows: np.ndarray, ids: pd.Index) -> dict:
    start, stop = int(rows[0]), int(rows[-1]) + 1
    return {"start": start, "stop": stop, "first_id": ids[start], "last_id": ids[stop - 1]}
