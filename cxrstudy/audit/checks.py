"""All checks of an audit, in the order in which one defect may hide another."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from cxrstudy.audit.columns import check_constant, check_inverted, check_swapped
from cxrstudy.audit.finding import Finding, sorted_findings
from cxrstudy.audit.given import GivenTable
from cxrstudy.audit.pairs import Pair, check_blocks
from cxrstudy.audit.policies import check_hierarchy, check_policy
from cxrstudy.audit.rows import (
    check_files,
    check_ids,
    check_matching,
    check_patients,
    check_repeated,
)
from cxrstudy.audit.sites import check_groups_match, check_sites
from cxrstudy.audit.tables import GivenTables

_PATIENT_NAMES = re.compile(r"patient|subject|mrn", re.IGNORECASE)
_MAX_LEVELS = 20


def check_all(given: GivenTables) -> list[Finding]:
    """Run every check of an audit; errors come first, and no finding names an id."""
    tables = given.all()
    findings = [finding for table in tables for finding in table.findings]
    findings += check_files(tables)
    for table in tables:
        findings += check_ids(table)
    for table in tables[1:]:
        findings += check_matching(Pair.of(given.truth, table))
    coded = [given.truth, given.labels, *given.readers]
    for table in coded:
        groups = groups_of(given, table)
        findings += check_policy(table, groups, patients_of(given, table))
        findings += check_hierarchy(table)
        findings += check_repeated(table)
    valued = [table for table in tables if table.values.shape[1]]
    for table in valued:
        findings += check_constant(table, [other for other in valued if other is not table])
    findings += _check_patients(given)
    findings += _check_pairs(given)
    return sorted_findings(_without_echoes(findings))


def _check_pairs(given: GivenTables) -> list[Finding]:
    pair, findings, _ = check_blocks(Pair.of(given.truth, given.labels))
    findings += check_swapped(pair) + check_inverted(pair)
    groups = groups_of(given, given.labels)
    places = pair.positions(given.labels)
    findings += check_sites(pair, {name: column.iloc[places] for name, column in groups.items()})
    findings += check_groups_match(pair)
    if given.groups is not None:
        findings += check_groups_match(Pair.of(given.truth, given.groups))
    for reader in given.readers:
        read, of_reader, _ = check_blocks(Pair.of(given.truth, reader))
        findings += [*of_reader, *check_swapped(read), *check_inverted(read)]
    if given.scores is not None:
        scored, of_scores, _ = check_blocks(Pair.of(given.truth, given.scores))
        of_scores += check_swapped(scored) + check_inverted(scored)
        findings = _attributed(findings, of_scores)
    return findings


def _attributed(of_labels: list[Finding], of_scores: list[Finding]) -> list[Finding]:
    """Blame the truth for what both labels and scores find in it."""
    blamed = []
    for finding in of_labels:
        same = [other for other in of_scores if _alike(finding, other)]
        if same:
            of_scores = [other for other in of_scores if other not in same]
            finding = replace(finding, table="truth")
        blamed.append(finding)
    return blamed + of_scores


def _alike(one: Finding, other: Finding) -> bool:
    near = np.abs(np.subtract(one.rows, other.rows)).max() <= 20
    return one.kind == other.kind and one.columns == other.columns and bool(near)


def _check_patients(given: GivenTables) -> list[Finding]:
    table, column = _patient_column(given)
    return check_patients(table, column, groups_of(given, table)) if column else []


def patients_of(given: GivenTables, table: GivenTable) -> pd.Series | None:
    """Return the patients of one table's rows, or None where no table names them.

    A row without a patient is a patient of its own.
    """
    source, column = _patient_column(given)
    if not column:
        return None
    kept = (source.ids != "") & ~source.ids.duplicated()
    known = source.column(column).str.strip()[kept].set_axis(source.ids[kept])
    found = known.reindex(table.ids).fillna("").reset_index(drop=True)
    own = pd.Series([f"row {number}" for number in range(len(found))])
    return found.where(found != "", own)


def _patient_column(given: GivenTables) -> tuple[GivenTable, str]:
    for table in reversed(given.all()):
        named = [column for column in table.others if _PATIENT_NAMES.search(str(column))]
        column = given.patient or next(iter(named), "")
        if column and table.column(column) is not None:
            return table, column
    return given.truth, ""


def groups_of(given: GivenTables, table: GivenTable) -> dict[str, pd.Series]:
    """Return the columns of few levels that any table holds, in the rows of one table."""
    found: dict[str, pd.Series] = {}
    for source in given.all():
        kept = (source.ids != "") & ~source.ids.duplicated()
        for column in source.others:
            values = source.others[column].str.strip()
            if column not in found and 2 <= values.nunique() <= _MAX_LEVELS:
                by_id = values[kept].set_axis(source.ids[kept])
                found[column] = by_id.reindex(table.ids).fillna("").reset_index(drop=True)
    return found


def _without_echoes(findings: list[Finding]) -> list[Finding]:
    """Leave out other policies that a frozen, inverted or swapped column explains."""
    explained = {
        (finding.table, column)
        for finding in findings
        if finding.kind in {"constant_column", "inverted_column", "swapped_columns"}
        for column in finding.columns
    }
    return [
        finding
        for finding in findings
        if finding.kind != "policy_change"
        or not all((finding.table, column) in explained for column in finding.columns)
    ]
