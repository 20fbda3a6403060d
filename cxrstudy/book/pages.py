"""From an executed notebook to a page of the book.

Its outputs' metadata say what each cell shows; that becomes captions, alt texts, anchors and
download links. Verdicts and provenance come from the ledger and the stamp, never by hand.
"""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from cxrstudy.book.printed_claims import decided_by_table, markdown_text, verdict_table
from cxrstudy.book.release import notebook_links
from cxrstudy.book.top import answer_of, exhibits, figure_of, top_markdown
from cxrstudy.claims import LedgerRow
from cxrstudy.data.registry import MIRROR_VARIABLE, dataset
from cxrstudy.display import METADATA_KEY
from cxrstudy.runs.catalogue import Study, studies
from cxrstudy.table_html import anchor, with_true_minus

_MOST_OPEN_TABLES = 4
_SHORT_TABLE = 13  # rows, with the header
_MOST_OPEN_VERDICTS = 3
_ELSEWHERE = {"caption", "finding"}  # what a page shows in another place than its cell


def study_page(
    study: Study,
    executed: NotebookNode,
    ledger: list[LedgerRow],
    stamp: Mapping[str, object],
    note: str = "",
) -> NotebookNode:
    """Make the page of the run that decides; a note below its top can say whose run it is."""
    rows = [row for row in ledger if row.study == study.name]
    # A book has each anchor once, though two studies may share a notebook.
    alike = [each.name for each in studies().values() if each.notebook == study.notebook]
    prefix = f"{anchor(study.name)}-" if study.name in alike[1:] else ""
    title, *rest = executed.cells
    _, _, introduction = title.source.partition("\n")
    if answer := answer_of(executed):
        _, alt = figure_of(executed, answer["figure"])
        figure = f"{prefix}{anchor(answer['figure'])}"
        title.source = top_markdown(study, answer, figure, alt, rows, introduction)
    else:
        title.source = f"# {study.title}\n{introduction}".rstrip("\n")
    notes = [new_markdown_cell(note)] if note else []
    _put_findings_first(rest)
    shown = _exhibited(study.name, rest, rows, prefix)
    ends = map(new_markdown_cell, (_verdicts(rows), _provenance_line(study, study.name, stamp)))
    return new_notebook(cells=[title, *notes, *shown, *ends], metadata=executed.metadata)


def own_run_page(study: Study, executed: NotebookNode, stamp: Mapping[str, object]) -> NotebookNode:
    """Make the page of this machine's run where a larger, recorded one decides.

    It shows tables and figures, and says of them neither findings nor an answer.
    """
    name = own_page_name(study)
    head = (
        f"# {study.title}: this machine's run\n\nSet `{stamp['set']}`. This run shows the "
        f"machinery and decides nothing; [the study's page]({study.name}.ipynb) shows the run that "
        "decides, and what it found."
    )
    shown = _exhibited(name, executed.cells[1:], [], "own-")
    cells = [new_markdown_cell(head), *shown]
    cells.append(new_markdown_cell(_provenance_line(study, name, stamp)))
    return new_notebook(cells=cells, metadata=executed.metadata)


def own_page_name(study: Study) -> str:
    """Name the page of this machine's run where it is not the study's page."""
    return f"{study.name}_run"


def recorded_note(
    study: Study, stamp: Mapping[str, object], missing: Sequence[str], has_own_page: bool
) -> str:
    """Say that a page is of a recorded run, and where this machine's is or which data it lacks."""
    date, hardware = markdown_text(stamp["date"]), markdown_text(stamp["hardware"])
    if missing:
        text = (
            f"Figures, tables and downloads were made on {date}, on {hardware}, with set "
            f"`{stamp['set']}` and the data named at the end of the page, and recorded. Verdicts "
            "are decided in each build."
        )
        return _missing_data(missing, "A recorded run", text)
    text = f"This page is of the recorded run (set `{stamp['set']}`, {date}, {hardware})."
    own = f" [This machine's run]({own_page_name(study)}.ipynb) has a page of its own."
    return text + own * has_own_page


def _put_findings_first(cells: Iterable[NotebookNode]) -> None:
    """Head each section by what it found, in place of what it asks."""
    section = None
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            section = cell
        for shown, _ in exhibits([cell]):
            if shown["kind"] == "finding" and section is not None:
                level, _, _ = section.source.partition(" ")
                _, _, text = section.source.partition("\n")
                finding = with_true_minus(markdown_text(shown["sentence"]))
                section.source = f"{level} {finding}\n{text}"


def _exhibited(
    page: str, cells: list[NotebookNode], rows: Sequence[LedgerRow], prefix: str = ""
) -> list[NotebookNode]:
    """Prepare cells for a page: figures numbered, tables folded, each with its download.

    The prefix keeps apart what two pages of one notebook show: a book has each anchor once.
    """
    _fold_tables(cells, rows)
    prepared, n_figures = [], 0
    for cell in cells:
        if any(shown["kind"] == "answer" for shown, _ in exhibits([cell])):
            continue  # It stands at the top.
        shown = _shown(cell)
        if cell.cell_type == "code":
            # Captions go to MyST, findings to headings.
            cell.outputs = [each for each in cell.outputs if _kind(each) not in _ELSEWHERE]
        n_figures += bool(shown) and shown["kind"] == "figure"
        prepared.append(_with_figure_metadata(cell, shown, n_figures, prefix))
        if shown is not None:
            prepared.append(new_markdown_cell(_download_line(page, shown)))
    return prepared


def page_without_run(
    study: Study, ledger: list[LedgerRow], missing: Sequence[str] = ()
) -> NotebookNode:
    """Make the page of a study that has not run here and of which no run was recorded."""
    why = f"This study has not run on this machine. To run it: `cxrstudy run {study.name}`."
    if missing:
        why = _missing_data(missing, "This study has no data on this machine", "Nothing was run.")
    rows = [row for row in ledger if row.study == study.name]
    cells = [f"# {study.title}", why, _verdicts(rows)]
    return new_notebook(cells=list(map(new_markdown_cell, cells)))


def failed_page(study: Study, error: str) -> NotebookNode:
    """Make the page of a study that stopped with an error, which it shows as inert text."""
    text = (
        f"# {study.title}\n\n```{{admonition}} This study failed in this build\n:class: error\n"
        "Its results are not part of this book; the other pages are not affected.\n```\n\n"
        f'<pre class="cxr-error">{html.escape(error)}</pre>\n\n'
        f"Run it alone to see where:\n\n```bash\ncxrstudy run {study.name}\n```"
    )
    return new_notebook(cells=[new_markdown_cell(text)])


def write_page(page: NotebookNode, path: Path) -> None:
    """Write a page's notebook with stable cell ids, so that equal pages are equal bytes."""
    for number, cell in enumerate(page.cells):
        cell["id"] = f"cell-{number:03d}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(page, path)


def _missing_data(missing: Sequence[str], heading: str, text: str) -> str:
    """Say which data are not here, what the page shows instead, and how to get them."""
    entries = [dataset(name) for name in missing]
    titles = markdown_text(", ".join(f"{entry.title} ({entry.licence})" for entry in entries))
    commands = "\n".join(entry.fetch_command for entry in entries)
    return (
        f"``````{{admonition}} {heading}\n:class: note\nNot on this machine: {titles}. {text}\n\n"
        "`````{dropdown} To run the study here\nGet the data and build the book again. Without a "
        "network, name a folder that holds them in the environment variable "
        f"`{MIRROR_VARIABLE}`.\n\n```bash\n{commands}\nmake book\n```\n`````\n``````"
    )


def _shown(cell: NotebookNode) -> dict | None:
    """Find what a code cell shows: the metadata of its table or figure."""
    found = (shown for shown, _ in exhibits([cell]) if shown["kind"] in {"table", "figure"})
    return next(found, None)


def _fold_tables(cells: Iterable[NotebookNode], rows: Sequence[LedgerRow]) -> None:
    """Leave a few tables open, first those that decide claims, and link these back to them."""
    rows = [row for row in rows if row.measured]
    decided = {row.table: [each for each in rows if each.table == row.table] for row in rows}
    tables = [(shown, output) for shown, output in exhibits(cells) if shown["kind"] == "table"]
    short = [
        shown["name"]
        for shown, output in tables
        if not shown.get("folded") and output["data"]["text/html"].count("<tr") <= _SHORT_TABLE
    ]
    opened = sorted(short, key=lambda name: name not in decided)[:_MOST_OPEN_TABLES]
    for shown, output in tables:
        claims = "".join(map(decided_by_table, decided.get(shown["name"], [])))
        before, end, after = output["data"]["text/html"].rpartition("</details>")
        table = with_true_minus(f"{before}{claims}{end}{after}")
        output["data"]["text/html"] = (
            table if shown["name"] in opened else table.replace('" open>', '">', 1)
        )


def _with_figure_metadata(
    cell: NotebookNode, shown: dict | None, number: int, prefix: str
) -> NotebookNode:
    """Hand caption, alt text and anchor to MyST, which then needs no caption among the outputs."""
    if shown is None or shown["kind"] != "figure":
        return cell
    caption = f"**Figure {number}.** {with_true_minus(markdown_text(shown['caption']))}"
    cell.metadata["mystnb"] = {
        "image": {"alt": shown["alt"]},
        "figure": {"caption": caption, "name": f"{prefix}{anchor(shown['name'])}"},
    }
    return cell


def _kind(output: NotebookNode) -> str:
    return output.get("metadata", {}).get(METADATA_KEY, {}).get("kind", "")


def _download_line(page: str, shown: dict) -> str:
    file = f"{page}_{shown['name']}.csv"
    return f"```{{div}} cxr-download\n{{download}}`{file} <{page}/{file}>`\n```"


def _verdicts(rows: list[LedgerRow]) -> str:
    """Lay out all that a study decided, with rules and intervals."""
    if not rows:
        return "## What this study decided\n\nNo claim of the [ledger](../claims.md)."
    table = f"````{{div}} cxr-decided\n\n{verdict_table(rows)}\n\n````"
    if len(rows) > _MOST_OPEN_VERDICTS:
        table = f"`````{{dropdown}} All {len(rows)} claims\n\n{table}\n\n`````"
    return (
        "## What this study decided\n\nRules and details are in the [ledger](../claims.md).\n\n"
        f"{table}"
    )


def _provenance_line(study: Study, page: str, stamp: Mapping[str, object]) -> str:
    data = ", ".join(f"{name} (`{digest}`)" for name, digest in stamp["data"].items())
    data = data or "none fetched; the top of the page says what was used"
    # A backtick in a path would end the code span and let the rest be read as HTML.
    values = {k: json.dumps(v).replace("`", "'") for k, v in stamp["parameters"].items()}
    parameters = ", ".join(f"`{k} = {v}`" for k, v in values.items())
    versions = ", ".join(f"{name} {number}" for name, number in stamp["versions"].items())
    keeps = any(name.startswith("kept") for name in stamp["parameters"])
    uncounted = ", without trainings that were kept of earlier runs" if keeps else ""
    # Empty where the package is no git checkout.
    commit = f", commit `{stamp['commit']}`" if stamp["commit"] else ""
    return (
        "---\n\n"
        f"**Provenance.** Set `{stamp['set']}` with {parameters}. Data: {data}. "
        f"Source `{stamp['source']}`{commit}. {versions}. "
        f"Ran {stamp['seconds']:.0f} s{uncounted}. "
        f"Source notebook: {{download}}`{study.notebook} <{page}/{study.notebook}>`."
        f"{notebook_links(study.notebook)}"
    )
