"""A group's own label tables: what was given, what the checks find, and a report of it."""

from cxrstudy.audit.checks import check_all
from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable, read_given
from cxrstudy.audit.tables import GivenTables, read_tables, write_findings

__all__ = [
    "Finding",
    "GivenTable",
    "GivenTables",
    "check_all",
    "read_given",
    "read_tables",
    "write_findings",
]
