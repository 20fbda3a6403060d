"""How a claim is printed: on the ledger's page, on its study's page and in the README."""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from cxrstudy.claims import LedgerRow
from cxrstudy.published import paper
from cxrstudy.runs.catalogue import studies
from cxrstudy.table_html import anchor, labeled_table

HEADLINE_BEGIN = "<!-- headline: generated from the ledger by `cxrstudy readme` -->"
HEADLINE_END = "<!-- end of headline -->"


# A verdict begins with one of these; the letter says it where colour cannot.
_LETTERS: Mapping[str, str] = {
    "supported": "S", "contradicted": "C", "inconclusive": "I", "negligible": "G",
    "reproduced": "R", "not reproduced": "N", "consistent": "=", "inconsistent": "≠",
    "not comparable": "~", "compatible": "≈", "differs": "D", "too few": "F",
    "not decidable here": "U", "not measurable": "\N{EN DASH}", "not yet measured": "…",
    "mechanism shown": "M", "mechanism not shown": "m",
}  # fmt: skip


@dataclass(frozen=True)
class PrintedClaim:
    """A row of the ledger in words; nothing in it is escaped yet."""

    row: LedgerRow

    @property
    def paper(self) -> str:
        """Short title of the paper."""
        return paper(self.row.paper)["paper"]["short"]

    @property
    def measured(self) -> str:
        """Value and limits, such as ``+0.112 (+0.073 to +0.153)``; empty if not measured."""
        row = self.row
        if row.low is None:
            return row.measured
        text = f"{row.measured} ({row.low:+.3f} to {row.high:+.3f})"
        return text.replace("-0.000", "0.000").replace("+0.000", "0.000")

    @property
    def interval(self) -> str:
        """Level and detectable effect, such as ``98.75 % interval; detectable 0.041``."""
        row = self.row
        if row.level is None:
            return ""
        kind = "interval" if row.low is not None else "intervals"
        effect = "" if row.detectable is None else f"; detectable {row.detectable:.3f}"
        return f"{_percent(row.level)} {kind}{effect}"

    @property
    def rule(self) -> str:
        """Name the rule with its margin, and for an equivalence the interval that it asks for."""
        row = self.row
        if row.rule == "equivalence":
            asked = "" if row.level is None else f", by the {_percent(2 * row.level - 1)} interval"
            return f"equivalence within ±{row.margin:g}{asked}"
        kind = "direction (superiority)" if row.rule == "direction" else row.rule
        return f"{kind}, margin {row.margin:g}" if row.margin else kind


def verdict_word(row: LedgerRow) -> str:
    """Return the verdict without what qualifies it, such as ``inconclusive`` or ``not measurable``.

    "not reproduced" begins with none of the shorter words, so the first that fits is the word.
    """
    return next(word for word in _LETTERS if row.verdict.startswith(word))


def verdict_letter(word: str) -> str:
    """Return the letter that says a verdict where colour cannot."""
    return _LETTERS[word]


def verdict_chip(
    row: LedgerRow, *, letter_only: bool = False, ledger: str = "../claims.html"
) -> str:
    """Draw a verdict in its colour and with its letter, linked to its row of the ledger."""
    word = verdict_word(row)
    said = f"{row.statement} {row.verdict}" if letter_only else ""
    label = f' title="{html.escape(said)}" aria-label="{html.escape(said)}"' if said else ""
    text = "" if letter_only else f" {html.escape(row.verdict)}"
    return (
        f'<a class="cxr-verdict cxr-{word.replace(" ", "-")}" href="{ledger}#{row_id(row)}"{label}>'
        f"<b>{_LETTERS[word]}</b>{text}</a>"
    )


def row_id(row: LedgerRow) -> str:
    """Return the HTML id of a claim's row on the ledger's page."""
    return row.id.replace(".", "-").replace("_", "-")


def ledger_html(ledger: Iterable[LedgerRow]) -> str:
    """Lay the ledger out as a sortable table, each verdict linked to what decided it."""
    header = (
        "Paper", "Claim", "Published", "Measured", "Verdict", "Rule, scope, family", "Data", "n",
    )  # fmt: skip
    return labeled_table(
        header,
        [_ledger_cells(row) for row in ledger],
        "Every claim with its verdict",
        [row_id(row) for row in ledger],
        sortable=True,
    )


def verdict_table(ledger: Iterable[LedgerRow]) -> str:
    """Lay a study's claims out as Markdown."""
    rows = []
    for row in ledger:
        claim = PrintedClaim(row)
        interval = f" <small>{markdown_text(claim.interval)}</small>" if claim.interval else ""
        verdict = f"**{markdown_text(row.verdict)}** <small>({markdown_text(row.scope)})</small>"
        texts = (row.statement, row.published, claim.measured, claim.rule)
        statement, published, measured, rule = map(markdown_text, texts)
        rows.append((statement, published, f"{measured}{interval}", rule, verdict))
    header = ("claim", "published", "measured (adjusted interval)", "rule", "verdict")
    return _markdown_table(header, rows)


def with_headline(readme: str, ledger: Iterable[LedgerRow], answers: Iterable[str] = ()) -> str:
    """Put answers, and primary claims that were measured, between the README's marker lines."""
    before, begin, rest = readme.partition(f"{HEADLINE_BEGIN}\n")
    _, end, after = rest.partition(HEADLINE_END)
    if not end or HEADLINE_BEGIN in rest or HEADLINE_END in before + after:
        raise ValueError(f"README.md needs one pair of lines {HEADLINE_BEGIN!r}, {HEADLINE_END!r}")
    rows = []
    for row in ledger:
        if row.measured and row.family == "primary":
            claim = PrintedClaim(row)
            texts = (claim.paper, row.statement, row.published, claim.measured)
            rows.append((*map(markdown_text, texts), f"**{row.verdict}** ({row.scope})"))
    table = _markdown_table(("paper", "claim", "published", "measured", "verdict"), rows)
    answered = "".join(f"- {markdown_text(answer)}\n" for answer in answers)
    return f"{before}{begin}{answered}\n{table}\n{end}{after}"


def markdown_text(text: object) -> str:
    """Keep text from being read as HTML or as Markdown emphasis."""
    escaped = html.escape(str(text), quote=False)
    for character in "*_`[]$":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


def _ledger_cells(row: LedgerRow) -> tuple[str, ...]:
    claim = PrintedClaim(row)
    unit = "" if row.low is None else f"in {row.metric}"
    notes = (", ".join(filter(None, (unit, claim.interval))), row.detail, *row.amended)
    measured = _with_notes(claim.measured, filter(None, notes))
    decided = row.measured and row.study in studies()
    link = Markup('<a href="studies/{}.html#{}">{}</a>')
    verdict = link.format(row.study, anchor(row.table), row.verdict) if decided else row.verdict
    rule = "; ".join(dict.fromkeys((claim.rule, row.scope, row.family)))
    n = "" if row.n is None else f"{row.n:,}"
    statement = _with_notes(row.statement, [row.where])
    return claim.paper, statement, row.published, measured, verdict, rule, row.data, n


def _with_notes(text: str, notes: Iterable[str]) -> Markup:
    small = Markup(" <small>{}</small>")
    return Markup("{}").format(text) + Markup("").join(small.format(note) for note in notes)


def _markdown_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    cells = ((cell.replace("|", "\\|") for cell in row) for row in rows)
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])


def _percent(level: float) -> str:
    return f"{100 * level:.2f}".rstrip("0").rstrip(".") + " %"
