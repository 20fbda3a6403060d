"""The ledger's page: every claim in a table that a reader can sort and filter."""

from collections import Counter
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from cxrstudy.book.printed_claims import PrintedClaim, evidence_chip, row_id, verdict_word
from cxrstudy.claims import LedgerRow
from cxrstudy.published import paper
from cxrstudy.table_html import labeled_table, with_true_minus

_HEADER = ("Paper", "Claim", "Published", "Measured", "Verdict", "Rule, scope, family", "Data", "n")
_DAGGER = Markup(' <a href="#conditional" aria-label="conditional on the trained models">†</a>')
_FOOTNOTE = (
    '<p id="conditional" class="cxr-download">† Conditional on the trained models: patients (or '
    "texts) and seeds are resampled, training is not repeated.</p>"
)


def ledger_html(ledger: Sequence[LedgerRow]) -> str:
    """Lay the ledger out below a sentence that counts it; each verdict leads to what decided it."""
    ids, cells = map(row_id, ledger), map(_cells, ledger)
    table = labeled_table(_HEADER, cells, "Every claim with its verdict", list(ids), sortable=True)
    return f"<p>{counts_in_words(ledger)}</p>\n{with_true_minus(table)}\n{_FOOTNOTE}\n"


def counts_in_words(ledger: Sequence[LedgerRow]) -> str:
    """Count the claims by verdict, the most frequent first."""
    counts = Counter(map(verdict_word, ledger)).most_common()
    papers = len({row.paper for row in ledger})
    listed = ", ".join(f"{n} {word}" for word, n in counts)
    return f"{len(ledger)} claims of {papers} papers: {listed}."


def _cells(row: LedgerRow) -> tuple[str, ...]:
    claim, about = PrintedClaim(row), paper(row.paper)["paper"]
    name = _facet("paper", claim.paper)
    permalink = Markup(' <a class="cxr-permalink" href="#{}" aria-label="link to this row">#</a>')
    stated = Markup("{}").format(row.statement) + permalink.format(row_id(row))
    seen = f"stated after {row.seen}" if row.seen else ""
    unit = "" if row.low is None else f"in {row.metric}"
    numbers = ", ".join(filter(None, (unit, claim.interval)))
    measured = Markup("{}").format(claim.measured) + (_DAGGER if row.conditional else "")
    # The rule "internal" is for the scope "internal" alone.
    parts = ("" if row.rule == row.scope else f"{claim.rule}; ", _facet("scope", row.scope))
    rule = Markup("{}{}; {}").format(*parts, row.family)
    return (
        _with_notes(name, [f"read: {about['read']}"]),
        _with_notes(stated, [row.where]) + _amendments(row.amended),
        row.published,
        _with_notes(measured, [numbers, row.detail]),
        _with_notes(evidence_chip(row), [claim.reason, seen]),
        rule,
        row.data,
        "" if row.n is None else f"{row.n:,}",
    )


def _facet(name: str, value: str) -> Markup:
    """Mark a word by which the page's script filters the rows."""
    return Markup('<span data-{}="{}">{}</span>').format(name, value, value)


def _with_notes(text: Markup, notes: Iterable[str]) -> Markup:
    small = Markup(" <small>{}</small>")
    return text + Markup("").join(small.format(note) for note in notes if note)


def _amendments(amended: Iterable[str]) -> Markup:
    notes = _with_notes(Markup(""), amended)
    fold = Markup("<details><summary>amended</summary>{}</details>")
    return fold.format(notes) if notes else notes
