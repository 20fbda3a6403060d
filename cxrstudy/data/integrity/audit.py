"""All checks of a set of label tables at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from cxrstudy.data.integrity.alignment import (
    MAX_ROWS,
    association_per_row,
    describe,
    find_misaligned_blocks,
)
from cxrstudy.data.integrity.blocks import Block
from cxrstudy.data.integrity.evidence import compare_with_other_shifts
from cxrstudy.data.integrity.files import find_duplicate_files
from cxrstudy.data.integrity.findings import Finding, findings_to_frame
from cxrstudy.data.integrity.id_order import shared_ids
from cxrstudy.data.integrity.search import Misalignment
from cxrstudy.data.integrity.tables import compare_columns, compare_ids, group_by_id_sequence

#: Below this mean score of matched rows over others (nats per row), and below this many rows, the
#: absence of a misaligned block says little.
MIN_ASSOCIATION = 0.2
MIN_SHARED_ROWS = 100


def audit_tables(
    tables: Mapping[str, pd.DataFrame],
    *,
    reference: str | None = None,
    paths: Iterable[str | Path] = (),
    expected_columns: list[str] | None = None,
) -> pd.DataFrame:
    """Run every integrity check and return the findings as a tidy table.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Named label tables indexed by study id, rows in file order.
    reference : str, optional
        Name of the table that all others are compared with; by default the first one.
    paths : iterable of path
        Files to search for duplicates.
    expected_columns : list of str, optional
        Observations that every table should have; by default those of the reference.

    Returns
    -------
    pandas.DataFrame
        See :func:`findings_to_frame`. A table whose rows are aligned yields an ``info`` finding,
        so that the page shows that it was checked.
    """
    return findings_to_frame(
        find_problems(tables, reference=reference, paths=paths, expected_columns=expected_columns)
    )


def find_problems(
    tables: Mapping[str, pd.DataFrame],
    *,
    reference: str | None = None,
    paths: Iterable[str | Path] = (),
    expected_columns: list[str] | None = None,
) -> tuple[Finding, ...]:
    """Run every integrity check and return the findings themselves, repairs included.

    Parameters are those of :func:`audit_tables`.

    Returns
    -------
    tuple of Finding
        Files first, then columns, ids, shared order and row alignment.
    """
    reference = next(iter(tables)) if reference is None else reference
    if expected_columns is None:
        expected_columns = list(tables[reference].columns)
    findings = [
        *find_duplicate_files(paths),
        *compare_columns(tables, expected_columns),
        *compare_ids(tables, reference),
        *_shared_order(tables),
    ]
    for name, table in tables.items():
        if name != reference:
            findings += check_alignment(tables[reference], table, (reference, name))
    return tuple(findings)


def check_alignment(
    reference: pd.DataFrame, table: pd.DataFrame, names: tuple[str, str]
) -> tuple[Finding, ...]:
    """Report whether the rows of two tables describe the same studies.

    Parameters
    ----------
    reference, table : pandas.DataFrame
        Label tables indexed by study id.
    names : tuple of str
        Names of the reference and of the table.

    Returns
    -------
    tuple of Finding
        One ``"misaligned rows"`` error per block found; else one finding ``"aligned rows"`` or
        ``"alignment not checked"``, the latter with the reason.
    """
    obstacle = _obstacle(reference, table)
    if obstacle:
        return (_not_checked(names, obstacle),)
    blocks = find_misaligned_blocks(reference, table)
    if blocks:
        return tuple(_misalignment_finding(reference, table, block, names) for block in blocks)
    association = association_per_row(reference, table)
    if association < MIN_ASSOCIATION:
        return (_not_checked(names, f"values hardly associated ({association:.2f} nats per row)"),)
    n_rows = len(shared_ids(reference, table))
    return (
        Finding(
            kind="aligned rows",
            subjects=names,
            severity="info",
            summary=f"{names[1]}: no rotated or reversed block among {n_rows} rows.",
            evidence={"rows": n_rows, "association in nats per row": association},
        ),
    )


def _obstacle(reference: pd.DataFrame, table: pd.DataFrame) -> str:
    if not (reference.index.is_unique and table.index.is_unique):
        return "duplicated ids"
    if not set(reference.columns) & set(table.columns):
        return "no shared columns"
    n_rows = len(shared_ids(reference, table))
    if not MIN_SHARED_ROWS <= n_rows <= MAX_ROWS:
        return f"{n_rows} shared ids, {MIN_SHARED_ROWS} to {MAX_ROWS} needed"
    return ""


def _not_checked(names: tuple[str, str], reason: str) -> Finding:
    return Finding(
        kind="alignment not checked",
        subjects=names,
        severity="warning",
        summary=f"{names[1]}: cannot tell whether rows are aligned: {reason}.",
    )


def _misalignment_finding(
    reference: pd.DataFrame, table: pd.DataFrame, found: Misalignment, names: tuple[str, str]
) -> Finding:
    block = found.block
    comparison = compare_with_other_shifts(reference, table, found)
    return Finding(
        kind="misaligned rows",
        subjects=names,
        severity="error",
        summary=f"{names[1]}: {describe(found)}.",
        repair=_repair_sentence(block, names[0]),
        start=block.start,
        stop=block.stop,
        first_id=found.first_id,
        last_id=found.last_id,
        evidence={
            "type": block.kind,
            "shift": block.shift,
            "log-likelihood ratio in nats": found.gain,
            "log p": found.log_p_value,
            "rank among other shifts": comparison.rank,
            "other shifts": comparison.n_alternatives,
            "z": comparison.z_score,
            "permutation p": comparison.permutation_p_value,
            "first row between": "{} and {}".format(*found.plausible_start),
            "last row between": "{} and {}".format(*(stop - 1 for stop in found.plausible_stop)),
            "limits from": found.limits_from,
        },
        permutation=tuple(int(row) for row in block.sources()),
    )


def _repair_sentence(block: Block, reference: str) -> str:
    if block.kind == "reversal":
        what = "reverse the values of the block"
    else:
        where = "before" if block.shift < 0 else "after"
        rows = "row" if abs(block.shift) == 1 else "rows"
        what = (
            f"give each row of the block the values {abs(block.shift)} {rows} {where} it, "
            "cyclically in the block"
        )
    return f"In the order of {reference}, {what}."


def _shared_order(tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    return [
        Finding(
            kind="shared order",
            subjects=group,
            severity="info",
            summary=f"{len(group)} of {len(tables)} tables hold the same ids in the same order.",
            evidence={"tables": len(group), "of": len(tables), "ids": len(tables[group[0]])},
        )
        for group in group_by_id_sequence(tables)
        if len(group) > 1
    ]
