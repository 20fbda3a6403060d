"""What the book's search finds: claims by their words and verdict, sections, no code.

A Sphinx extension. The search matches objects of a domain word by word and leads to their place,
where it leads to the top of a page for words of the text. A run that decides nothing is left out.
"""

from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains import Domain, ObjType

from cxrstudy.book.printed_claims import PrintedClaim, row_id
from cxrstudy.claims import read_ledger
from cxrstudy.table_html import with_true_minus

_FIRST = 0  # weight of what stands before pages that hold the words somewhere
_OWN_RUN = "_run"


class Findable(Domain):
    """Claims of the ledger and sections of every page."""

    name = "findable"
    object_types = {"claim": ObjType("claim"), "section": ObjType("section")}  # noqa: RUF012

    def get_objects(self) -> Iterator[tuple[str, str, str, str, str, int]]:
        """Yield name, shown name, kind, page, place on it, and weight."""
        for row in read_ledger(Path(self.env.srcdir, "_generated/ledger.json")):
            claim = PrintedClaim(row)
            # What follows a full stop counts most.
            statement = row.statement.removesuffix(".")
            said = with_true_minus(f"{claim.paper}: {statement} [{claim.verdict}]")
            yield said, said, "claim", "claims", row_id(row), _FIRST
        for page, contents in self.env.tocs.items():
            for link in contents.findall(nodes.reference):
                place = link["anchorname"].removeprefix("#")
                # The functions of the reference page are objects already.
                if place and page != "api" and not page.endswith(_OWN_RUN):
                    yield link.astext(), link.astext(), "section", page, place, _FIRST

    def get_type_name(self, type: ObjType, primary: bool = False) -> str:
        """Say only what kind of thing was found."""
        return type.lname


class _Code(nodes.literal_block):
    """Code that the writer prints and the search's index, which reads children, does not see."""

    def astext(self) -> str:
        return self.rawsource


def _hide(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if page.endswith(_OWN_RUN):
        app.env.metadata[page]["nosearch"] = True
    for cell in doctree.findall(nodes.container):
        if "cell_input" in cell["classes"]:
            for block in list(cell.findall(nodes.literal_block)):
                block.replace_self(_Code(block.rawsource, **block.attributes))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_domain(Findable)
    app.connect("doctree-resolved", _hide)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
