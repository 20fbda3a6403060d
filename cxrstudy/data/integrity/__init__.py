"""Are label tables what they say they are? Checks of files, columns, ids and row alignment."""

from cxrstudy.data.integrity.alignment import find_misaligned_blocks, repair
from cxrstudy.data.integrity.audit import audit_tables
from cxrstudy.data.integrity.blocks import Block

__all__ = ["Block", "audit_tables", "find_misaligned_blocks", "repair"]
