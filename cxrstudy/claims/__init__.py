"""The ledger of claims: stated before the run, measured by a study, decided by a rule."""

from cxrstudy.claims.ledger import (
    LedgerRow,
    build_ledger,
    read_ledger,
    write_ledger,
)
from cxrstudy.claims.measurements import (
    Measurement,
    read_measurements,
    record,
)
from cxrstudy.claims.statements import Claim, claims

__all__ = [
    "Claim",
    "LedgerRow",
    "Measurement",
    "build_ledger",
    "claims",
    "read_ledger",
    "read_measurements",
    "record",
    "write_ledger",
]
