"""Are label tables what they say they are? Checks of files, columns, ids and row alignment."""

from cxrstudy.data.integrity.alignment import (
    association_per_row,
    describe,
    find_misaligned_block,
    find_misaligned_blocks,
    repair,
)
from cxrstudy.data.integrity.audit import audit_tables, check_alignment, find_problems
from cxrstudy.data.integrity.blocks import Block
from cxrstudy.data.integrity.evidence import (
    ShiftComparison,
    alignment_evidence,
    compare_with_other_shifts,
)
from cxrstudy.data.integrity.files import find_duplicate_files
from cxrstudy.data.integrity.findings import Finding, findings_to_frame
from cxrstudy.data.integrity.search import Misalignment
from cxrstudy.data.integrity.summary import (
    evidence_of_blocks,
    id_order_table,
    misalignment_table,
    shift_comparison_table,
)
from cxrstudy.data.integrity.tables import compare_columns, compare_ids, group_by_id_sequence

__all__ = [
    "Block",
    "Finding",
    "Misalignment",
    "ShiftComparison",
    "alignment_evidence",
    "association_per_row",
    "audit_tables",
    "check_alignment",
    "compare_columns",
    "compare_ids",
    "compare_with_other_shifts",
    "describe",
    "evidence_of_blocks",
    "find_duplicate_files",
    "find_misaligned_block",
    "find_misaligned_blocks",
    "find_problems",
    "findings_to_frame",
    "group_by_id_sequence",
    "id_order_table",
    "misalignment_table",
    "repair",
    "shift_comparison_table",
]
