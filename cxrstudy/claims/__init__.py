"""The ledger of claims: stated before the run, measured by a study, decided by a rule."""

from cxrstudy.claims.ledger import build_ledger, write_ledger
from cxrstudy.claims.measurements import Measurement, read_measurements, record
from cxrstudy.claims.rules import (
    benjamini_hochberg_levels,
    decide_direction,
    decide_equivalence,
    decide_exact,
    decide_internal,
    decide_value,
    detectable_effect,
    holm_levels,
    qualify,
)
from cxrstudy.claims.statements import FAMILIES, RULES, SCOPES, Claim, claims

__all__ = [
    "FAMILIES",
    "RULES",
    "SCOPES",
    "Claim",
    "Measurement",
    "benjamini_hochberg_levels",
    "build_ledger",
    "claims",
    "decide_direction",
    "decide_equivalence",
    "decide_exact",
    "decide_internal",
    "decide_value",
    "detectable_effect",
    "holm_levels",
    "qualify",
    "read_measurements",
    "record",
    "write_ledger",
]
