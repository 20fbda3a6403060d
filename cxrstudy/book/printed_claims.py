"""How a claim is printed: as a chip, on its study's page and in the README."""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from cxrstudy.claims import LedgerRow
from cxrstudy.published import paper
from cxrstudy.runs.catalogue import studies
from cxrstudy.table_html import anchor, with_true_minus

HEADLINE_BEGIN = "<!-- headline: generated from the ledger by `cxrstudy readme` -->"
HEADLINE_END = "<!-- end of headline -->"


# A verdict begins with one of these; the letter says it where colour cannot.
LETTERS: Mapping[str, str] = {
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
    def evidence(self) -> str:
        """HTML id, on the study's page, of the table that holds the measured value."""
        return anchor(self.row.table)

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
        effect = "" if self.row.detectable is None else f"; detectable {self.row.detectable:.3f}"
        return self.level and f"{self.level}{effect}"

    @property
    def level(self) -> str:
        """Level of the interval or intervals that decided, such as ``98.75 % interval``."""
        if self.row.level is None:
            return ""
        kind = "interval" if self.row.low is not None else "intervals"
        return f"{_percent(self.row.level)} {kind}"

    @property
    def rule(self) -> str:
        """Name the rule with its margin, and for an equivalence the interval that it asks for."""
        row = self.row
        if row.rule == "equivalence":
            asked = "" if row.level is None else f", by the {_percent(2 * row.level - 1)} interval"
            return f"equivalence within ±{row.margin:g}{asked}"
        if row.rule == "direction":
            negligible = f", negligible within ±{row.margin:g}" if row.margin else ""
            return f"direction, tested against 0{negligible}"
        return f"{row.rule}, margin {row.margin:g}" if row.margin else row.rule

    @property
    def verdict(self) -> str:
        """Verdict without what it waits for, and the severity of an inconsistency."""
        word, _, _ = self.row.verdict.partition(": ")
        return f"{word} ({self.row.severity})" if self.row.severity else word

    @property
    def reason(self) -> str:
        """What an unmeasured claim waits for; empty for others."""
        return self.row.verdict.partition(": ")[2]


def verdict_word(row: LedgerRow) -> str:
    """Return the verdict without what qualifies it, such as ``inconclusive``."""
    for word in LETTERS:
        if row.verdict.startswith(word):
            return word
    raise ValueError(f"claim {row.id}: {row.verdict!r} begins with no verdict")


def verdict_chip(
    row: LedgerRow, *, letter_only: bool = False, ledger: str = "../claims.html"
) -> str:
    """Draw a verdict in its colour and with its letter, linked to its row of the ledger."""
    return _chip(row, f"{ledger}#{row_id(row)}", letter_only)


def decided_by_table(row: LedgerRow) -> Markup:
    """Say below a table which claim it decided, linked back to the claim's row."""
    said = Markup('<p class="cxr-decides">This table decides: {} {} <b>{}</b> {}</p>')
    claim = PrintedClaim(row)
    return said.format(Markup(verdict_chip(row)), row.statement, claim.measured, claim.level)


def evidence_chip(row: LedgerRow) -> Markup:
    """Draw a verdict for the ledger's page, linked to the table that decided it if there is one."""
    decided = row.measured and row.study in studies()
    return _chip(row, f"studies/{row.study}.html#{PrintedClaim(row).evidence}" if decided else "")


def row_id(row: LedgerRow) -> str:
    """Return the HTML id of a claim's row on the ledger's page."""
    return row.id.replace(".", "-").replace("_", "-")


def verdict_table(ledger: Iterable[LedgerRow]) -> str:
    """Lay a study's claims out as Markdown."""
    rows = []
    for row in ledger:
        claim = PrintedClaim(row)
        interval = f" <small>{markdown_text(claim.interval)}</small>" if claim.interval else ""
        reason = f": {claim.reason}" if claim.reason else ""
        verdict = f"**{markdown_text(claim.verdict)}**{markdown_text(reason)}"
        verdict += f" <small>({markdown_text(row.scope)})</small>"
        texts = (row.statement, row.published, claim.measured, claim.rule)
        statement, published, measured, rule = map(markdown_text, texts)
        rows.append((statement, published, f"{measured}{interval}", rule, verdict))
    header = ("claim", "published", "measured (adjusted interval)", "rule", "verdict")
    return with_true_minus(_markdown_table(header, rows))


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
            measured = ", ".join(filter(None, (claim.measured, claim.level)))
            texts = (claim.paper, row.statement, row.published, measured)
            rows.append((*map(markdown_text, texts), f"**{claim.verdict}** ({row.scope})"))
    table = _markdown_table(("paper", "claim", "published", "measured", "verdict"), rows)
    answered = "".join(f"- {markdown_text(answer)}\n" for answer in answers)
    return f"{before}{begin}{answered}\n{with_true_minus(table)}\n{end}{after}"


def _chip(row: LedgerRow, href: str, letter_only: bool = False) -> Markup:
    word, tag = verdict_word(row), "a" if href else "span"
    target = Markup(' href="{}"').format(href) if href else ""
    name = Markup(' title="{0}" aria-label="{0}"').format(f"{row.statement} {row.verdict}")
    text = "" if letter_only else f" {PrintedClaim(row).verdict}"
    return Markup(
        '<{0} class="cxr-verdict cxr-{1}" data-verdict="{2}"{3}><b>{4}</b>{5}</{0}>'
    ).format(
        tag,
        word.replace(" ", "-"),
        word,
        target + (name if letter_only else ""),
        LETTERS[word],
        text,
    )


def markdown_text(text: object) -> str:
    """Keep text from being read as HTML or as Markdown emphasis."""
    escaped = html.escape(str(text), quote=False)
    for character in "*_`[]$":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


def _markdown_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    cells = ((cell.replace("|", "\\|") for cell in row) for row in rows)
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)])


def _percent(level: float) -> str:
    return f"{100 * level:.2f}".rstrip("0").rstrip(".") + " %"
