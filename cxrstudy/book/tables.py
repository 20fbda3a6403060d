"""The generated tables: the ledger, the data sets and the README's headline."""

import html
import re
from collections.abc import Iterable

from cxrstudy.book.pages import interval_notes, measured_text, rule_text
from cxrstudy.data.registry import datasets
from cxrstudy.display import anchor
from cxrstudy.published import paper
from cxrstudy.runs.catalogue import studies

HEADLINE_BEGIN = "<!-- headline: generated from the ledger by `cxrstudy readme` -->"
HEADLINE_END = "<!-- end of headline -->"

_TIERS = {0: "0, in the box", 1: "1, open", 2: "2, credentialed"}


def ledger_html(ledger: list[dict]) -> str:
    """Lay the ledger out as a sortable table, each row linked to what measured it.

    Parameters
    ----------
    ledger : list of dict

    Returns
    -------
    str
        HTML with every text escaped.
    """
    header = (
        "Paper",
        "Claim",
        "Published",
        "Measured",
        "Verdict",
        "Rule, scope, family",
        "Data",
        "n",
    )
    rows = []
    for row in ledger:
        claim = f"{html.escape(row['statement'])} <small>{html.escape(row['where'])}</small>"
        unit = "" if row["low"] is None else f"in {row['metric']}"
        interval = ", ".join(filter(None, (unit, interval_notes(row))))
        notes = filter(None, (interval, row["detail"], *row["amended"]))
        details = "".join(f" <small>{html.escape(note)}</small>" for note in notes)
        rows.append(
            (
                html.escape(_short_title(row["paper"])),
                claim,
                html.escape(row["published"]),
                html.escape(measured_text(row)) + details,
                _verdict_link(row),
                html.escape(
                    "; ".join(dict.fromkeys((rule_text(row), row["scope"], row["family"])))
                ),
                html.escape(row["data"]),
                "" if row["n"] is None else f"{row['n']:,}",
            )
        )
    ids = [row["id"].replace(".", "-").replace("_", "-") for row in ledger]
    return _table(header, rows, "Every claim with its verdict", ids, sortable=True)


def datasets_html() -> str:
    """Lay the registry out as a table: content, tier, terms, citation."""
    header = ("Data set", "What it holds", "Tier", "Terms", "How to get it")
    rows = [
        (
            f'<a href="{html.escape(entry.homepage)}">{html.escape(entry.title)}</a>',
            html.escape(entry.content),
            _TIERS[entry.tier],
            html.escape(entry.licence),
            f"<code>{html.escape(entry.fetch_command)}</code>",
        )
        for entry in datasets().values()
    ]
    return _table(header, rows, "Data sets", list(datasets()))


def headline_markdown(ledger: list[dict]) -> str:
    """Print the primary claims that were measured as the README's table."""
    lines = ["| paper | claim | published | measured | verdict |", "|---|---|---|---|---|"]
    for row in ledger:
        if row["measured"] and row["family"] == "primary":
            cells = (
                _short_title(row["paper"]),
                row["statement"],
                row["published"],
                measured_text(row),
                f"**{row['verdict']}** ({row['scope']})",
            )
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def with_headline(readme: str, ledger: list[dict]) -> str:
    """Replace the README's headline table by the ledger's.

    Parameters
    ----------
    readme : str
        Text that holds the two marker lines.
    ledger : list of dict

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the markers are missing.
    """
    pattern = re.compile(re.escape(HEADLINE_BEGIN) + ".*?" + re.escape(HEADLINE_END), re.DOTALL)
    table = f"{HEADLINE_BEGIN}\n{headline_markdown(ledger)}\n{HEADLINE_END}"
    replaced, count = pattern.subn(lambda _: table, readme)
    if count != 1:
        raise ValueError(f"README.md needs one pair of lines {HEADLINE_BEGIN!r}, {HEADLINE_END!r}")
    return replaced


def _short_title(paper_key: str) -> str:
    return paper(paper_key)["paper"]["short"]


def _verdict_link(row: dict) -> str:
    verdict = html.escape(row["verdict"])
    if not row["measured"] or row["study"] not in studies():
        return verdict
    return f'<a href="studies/{row["study"]}.html#{anchor(row["table"])}">{verdict}</a>'


def _table(
    header: Iterable[str],
    rows: list[tuple[str, ...]],
    label: str,
    ids: list[str],
    sortable: bool = False,
) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in header)
    body = "\n".join(
        f'<tr id="{html.escape(key)}">' + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for key, row in zip(ids, rows, strict=True)
    )
    kind = "cxr-table cxr-sortable" if sortable else "cxr-table"
    return (
        f'<div class="cxr-scroll" tabindex="0" role="region" aria-label="{html.escape(label)}">\n'
        f'<table class="dataframe {kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>\n</div>\n"
    )
