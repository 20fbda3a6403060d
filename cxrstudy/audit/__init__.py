"""A group's own label tables: what was given, what the checks find, and a report of it."""

from cxrstudy.audit.checks import GivenTables, check_all
from cxrstudy.audit.finding import Finding
from cxrstudy.audit.given import GivenTable, read_given

__all__ = ["Finding", "GivenTable", "GivenTables", "check_all", "read_given"]
