"""What a check of the audit found, as data that another program can read."""

from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

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
