"""The top of a study's page: its question, the answer, one figure, and the verdicts as chips."""

from collections.abc import Iterable, Iterator
from html import escape

import nbformat
from IPython.display import publish_display_data
from nbformat import NotebookNode

from cxrstudy.book.printed_claims import PrintedClaim, markdown_text, row_id, verdict_chip
from cxrstudy.claims import LedgerRow
from cxrstudy.display import METADATA_KEY
from cxrstudy.published import paper
from cxrstudy.runs.catalogue import RunFolders, Study
from cxrstudy.table_html import with_true_minus

_MOST_CHIPS = 4


def answer_of(executed: NotebookNode) -> dict | None:
    """Find the answer that an executed notebook gave: sentence, figure, means, changes."""
    return next((shown for shown, _ in exhibits(executed.cells) if shown["kind"] == "answer"), None)


def figure_of(executed: NotebookNode, name: str) -> tuple[str, str]:
    """Find a figure of an executed notebook: the SVG, and what it says to who does not see it."""
    for shown, output in exhibits(executed.cells):
        if shown["kind"] == "figure" and shown["name"] == name:
            return output["data"]["image/svg+xml"], shown["alt"]
    raise KeyError(f"the answer names a figure {name!r} that the notebook does not show")


def top_markdown(
    study: Study,
    answer: dict,
    figure: str,
    alt: str,
    ledger: Iterable[LedgerRow],
    introduction: str,
) -> str:
    """Lay out what fits one screen, then what it means, and how the page was made in a fold."""
    rows = [row for row in ledger if row.study == study.name]
    return "\n\n".join(
        [
            f"# {study.question}",
            description_markdown(answer["sentence"]),
            f'<p class="cxr-kicker">{_kicker(study, rows)}</p>',
            *_paragraphs(answer["sentence"]),
            "``````{div} cxr-top",
            f"`````{{image}} {study.name}/answer.svg\n:alt: {one_line(alt)}\n"
            f":target: '#{figure}'\n`````",
            chips_html(rows),
            "``````",
            f"**What it means.** {with_true_minus(markdown_text(answer['means']))}",
            f"**What would change it.** {with_true_minus(markdown_text(answer['changes']))}",
            "```````{dropdown} How this page was made: claims, data, sets and times",
            introduction.strip(),
            "```````",
        ]
    )


def _paragraphs(sentence: str) -> list[str]:
    """Set an answer large; of one in lines the first two, and the others as text."""
    lines = with_true_minus(escape(sentence)).split("\n")
    large = f'<p class="cxr-answer">{" ".join(lines[:2])}</p>'
    return [large, *([f"<p>{' '.join(lines[2:])}</p>"] if lines[2:] else [])]


def description_markdown(sentence: str) -> str:
    """Say what a page found where search engines and previews of links look for it."""
    names = ("description", "property=og:description")
    fields = "\n".join(f"   :{name}: {one_line(sentence)}" for name in names)
    return f"```{{eval-rst}}\n.. meta::\n{fields}\n```"


def chips_html(rows: list[LedgerRow]) -> str:
    """List verdicts, each with a link to its ledger row and to the table that holds its number."""
    shown = sorted(rows, key=lambda row: (row.family != "primary", not row.measured))
    chips = [_chip(row) for row in shown[:_MOST_CHIPS]]
    if rest := shown[_MOST_CHIPS:]:
        links = " ".join(verdict_chip(row, letter_only=True) for row in rest)
        chips.append(f"<li>and {len(rest)} more: {links}</li>")
    return f'<ul class="cxr-chips">{"".join(chips)}</ul>' if rows else ""


def _chip(row: LedgerRow) -> str:
    claim = PrintedClaim(row)
    measured = with_true_minus(escape(claim.measured))
    if measured:
        measured = f'<a class="cxr-measured" href="#{claim.evidence}">{measured}</a>'
    notes = filter(None, (claim.reason, claim.interval, f"published: {row.published}"))
    published = f"<small>{with_true_minus(escape('; '.join(notes)))}</small>"
    return (
        f'<li id="chip-{row_id(row)}">{verdict_chip(row)} {escape(row.statement)} '
        f"{measured} {published}</li>"
    )


def _kicker(study: Study, rows: list[LedgerRow]) -> str:
    number, _, title = study.title.partition(" · ")
    parts = [f"Study {number}", title]
    for key in dict.fromkeys(row.paper for row in rows):
        n = sum(row.paper == key for row in rows)
        about = paper(key)["paper"]
        parts.append(f"{n} claim{'s' * (n > 1)} of {about['short']} (read: {about['read']})")
    return " · ".join(map(escape, parts if rows else [*parts, "decides no paper's claim"]))


def show_recorded(study: str) -> None:
    """Show in a notebook what the recorded run of a study answers, with its figure."""
    run = RunFolders.recorded(study)
    executed, stamp = nbformat.read(run.executed, as_version=4), run.read_stamp()
    print(f"The recorded run: set {stamp['set']}, {stamp['date']}, {stamp['hardware']}.")
    figure = answer_of(executed)["figure"]
    for shown, output in exhibits(executed.cells):
        if shown["kind"] == "answer" or (shown["kind"], shown.get("name")) == ("figure", figure):
            publish_display_data(output.data, output.metadata)


def exhibits(cells: Iterable[NotebookNode]) -> Iterator[tuple[dict, NotebookNode]]:
    """Yield what cells show, as their outputs' metadata say it, with these outputs."""
    for cell in cells:
        for output in cell.get("outputs", []):
            if shown := output.get("metadata", {}).get(METADATA_KEY):
                yield shown, output


def one_line(text: str) -> str:
    """Join the lines of a text, for an option of a directive."""
    return " ".join(text.split())
