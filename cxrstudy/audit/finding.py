"""What a check of the audit found, as data that another program can read."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

if TYPE_CHECKING:
    from cxrstudy.audit.tables import GivenTables

Kind = Literal[
    "identical_files",
    "displaced_block",
    "reversed_block",
    "swapped_columns",
    "inverted_column",
    "policy_change",
    "constant_column",
    "duplicate_ids",
    "unmatched_ids",
    "repeated_rows",
    "patient_overlap",
    "site_disagreement",
    "hierarchy_violation",
    "encoding",
    "not_checked",
]
Severity = Literal["error", "warning", "note"]

KINDS: tuple[str, ...] = get_args(Kind)[:-1]
"""What the checks look for; besides, ``not_checked`` says that a check could not be made."""

_ORDER = {severity: place for place, severity in enumerate(get_args(Severity))}


@dataclass(frozen=True)
class Finding:
    """One thing that a check found in a table."""

    kind: Kind
    # error: results computed from the tables as they are would be wrong; warning: they would be
    # wrong under a careless reading; note: a fact worth stating.
    severity: Severity
    table: str  # truth, labels, scores, groups or the name of a reader
    columns: list[str]  # as the file spells them; empty if the finding is about whole rows
    rows: list[int]  # first and last row concerned, counted from 0 below the header, inclusive
    sentence: str
    repair: str = ""
    evidence: dict[str, object] = field(default_factory=dict)

    def as_record(self) -> dict[str, object]:
        """Return the finding as ``findings.json`` holds it."""
        names = ("kind", "severity", "table", "columns", "rows", "evidence", "repair", "sentence")
        values = asdict(self)
        return {name: values[name] for name in names}


def sorted_findings(findings: list[Finding]) -> list[Finding]:
    """Put errors first, then warnings, then notes; within each in the order of the checks."""
    return sorted(findings, key=lambda finding: _ORDER[finding.severity])


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """Tabulate findings for a page."""
    rows = [(f.severity, f.kind.replace("_", " "), f.sentence, f.repair) for f in findings]
    return pd.DataFrame(rows, columns=["severity", "kind", "what_was_found", "repair"])


def ids_table(given: "GivenTables", findings: Sequence[Finding]) -> pd.DataFrame:
    """Tabulate the first and the last id of the rows that findings are about."""
    ids = {table.name: table.ids for table in given.all()}
    rows = [
        (f.kind.replace("_", " "), f.table, ids[f.table][f.rows[0]], ids[f.table][f.rows[1]])
        for f in findings
        if f.rows and f.table in ids
    ]
    return pd.DataFrame(rows, columns=["kind", "table", "first_id", "last_id"]).drop_duplicates()
