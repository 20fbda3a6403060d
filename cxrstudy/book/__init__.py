"""The book: pages from executed notebooks, generated tables, and the built site."""

from cxrstudy.book.pages import (
    failed_page,
    measured_text,
    missing_data_page,
    study_page,
    write_page,
)
from cxrstudy.book.site import SiteError, assemble, build_site
from cxrstudy.book.tables import datasets_html, headline_markdown, ledger_html, with_headline

__all__ = [
    "SiteError",
    "assemble",
    "build_site",
    "datasets_html",
    "failed_page",
    "headline_markdown",
    "ledger_html",
    "measured_text",
    "missing_data_page",
    "study_page",
    "with_headline",
    "write_page",
]
