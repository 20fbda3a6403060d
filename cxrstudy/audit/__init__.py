"""A group's own label tables: what was given, what the checks find, and a report of it."""

from cxrstudy.audit.checks import check_all
from cxrstudy.audit.finding import KINDS, Finding, findings_table, ids_table
from cxrstudy.audit.given import GivenTable, read_given
from cxrstudy.audit.scored import Scored, given_table, prepare
from cxrstudy.audit.sentences import first_sentences, what_to_repair
from cxrstudy.audit.suppression import shown_findings
from cxrstudy.audit.tables import GivenTables, read_tables, write_findings

__all__ = [
    "KINDS",
    "Finding",
    "GivenTable",
    "GivenTables",
    "Scored",
    "check_all",
    "findings_table",
    "first_sentences",
    "given_table",
    "ids_table",
    "prepare",
    "read_given",
    "read_tables",
    "shown_findings",
    "what_to_repair",
    "write_findings",
]
