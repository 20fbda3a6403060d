"""The papers' printed numbers, with their sources and their own inconsistencies."""

from cxrstudy.published.papers import (
    PAPERS,
    PublishedTable,
    compare_cells,
    inconsistencies,
    paper,
    published_table,
    published_value,
)

__all__ = [
    "PAPERS",
    "PublishedTable",
    "compare_cells",
    "inconsistencies",
    "paper",
    "published_table",
    "published_value",
]
