"""The book: pages from executed notebooks, the ledger's layouts, and the built site."""

from cxrstudy.book.printed_claims import with_headline
from cxrstudy.book.site import SiteError, build_site

__all__ = ["SiteError", "build_site", "with_headline"]
