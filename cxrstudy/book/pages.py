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
from cxrstudy.claims import RECORDED_TABLE, LedgerRow
from cxrstudy.data.registry import MIRROR_VARIABLE, dataset
from cxrstudy.display import METADATA_KEY
from cxrstudy.recorded import load_recorded
from cxrstudy.runs.catalogue import Study
from cxrstudy.table_html import anchor, with_true_minus

_MOST_OPEN_TABLES = 4
_SHORT_TABLE = 13  # rows, with the header
_MOST_OPEN_VERDICTS = 3


def study_pages(
    study: Study,
    executed: NotebookNode,
    ledger: list[LedgerRow],
    stamp: Mapping[str, object],
    missing: Sequence[str] = (),
) -> tuple[NotebookNode, NotebookNode | None]:
    """Make the page of a run, and one of this machine's smaller run where a recorded one decides.

    With data sets `missing` here, the run is the recorded one, and a banner says so.
    """
    rows = [row for row in ledger if row.study == study.name]
    title, *rest = executed.cells
    _, _, introduction = title.source.partition("\n")
    if answer := answer_of(executed):
        _, alt = figure_of(executed, answer["figure"])
        title.source = top_markdown(study, answer, alt, rows, introduction)
    else:
        title.source = f"# {study.title}\n{introduction}".rstrip("\n")
    cells, own_cells = [title], []
    if missing:
        text = (
            f"Figures, tables and downloads were made on {markdown_text(stamp['date'])}, on "
            f"{markdown_text(stamp['hardware'])}, with set `{stamp['set']}` and the data named at "
            "the end of the page, and recorded. Verdicts are decided in each build."
        )
        cells.append(new_markdown_cell(_missing_data(missing, "A recorded run", text)))
    if any(row.is_recorded for row in rows):
        rest, own_cells = _without_own_run(rest)
    if own_cells:
        link = f"[This machine's run]({study.name}_run.ipynb), set `{stamp['set']}`, is smaller"
        text = f"This page is of the {_recorded_source(study)}. {link} and decides nothing."
        cells.append(new_markdown_cell(text))
    cells += _exhibited(study, rest, rows)
    cells.append(new_markdown_cell(_verdicts(rows)))
    provenance = new_markdown_cell(_provenance_line(study, stamp))
    if not own_cells:
        return new_notebook(cells=[*cells, provenance], metadata=executed.metadata), None
    cells.append(new_markdown_cell(f"---\n\n{_notebook_link(study)}"))
    page = new_notebook(cells=cells, metadata=executed.metadata)
    head = (
        f"# {study.title}: this machine's run\n\nSet `{stamp['set']}`, in "
        f"{stamp['seconds']:.0f} s. It shows the machinery at a small size and decides nothing; "
        f"[the study's page]({study.name}.ipynb) shows the run that decides."
    )
    own_cells = [new_markdown_cell(head), *_exhibited(study, own_cells, []), provenance]
    return page, new_notebook(cells=own_cells, metadata=executed.metadata)


def _without_own_run(cells: list[NotebookNode]) -> tuple[list[NotebookNode], list[NotebookNode]]:
    """Take out what a notebook marks as of its own run: from one tagged cell to the next."""
    tags = [cell.metadata.get("tags", []) for cell in cells]
    first, last = (
        next((i for i, found in enumerate(tags) if tag in found), len(cells))
        for tag in ("own-run", "end-of-own-run")
    )
    return cells[:first] + cells[last:], cells[first:last]


def _exhibited(
    study: Study, cells: list[NotebookNode], rows: Sequence[LedgerRow]
) -> list[NotebookNode]:
    """Prepare cells for a page: figures numbered, tables folded, each with its download."""
    _fold_tables(cells, rows)
    prepared, n_figures = [], 0
    for cell in cells:
        if any(shown["kind"] == "answer" for shown, _ in exhibits([cell])):
            continue  # It stands at the top.
        shown = _shown(cell)
        n_figures += bool(shown) and shown["kind"] == "figure"
        prepared.append(_with_figure_metadata(cell, shown, n_figures))
        if shown is not None:
            prepared.append(new_markdown_cell(_download_line(study, shown)))
    return prepared


def page_without_run(
    study: Study, ledger: list[LedgerRow], missing: Sequence[str] = ()
) -> NotebookNode:
    """Make the page of a study that has not run here, of which no run was recorded whole either."""
    why = f"This study has not run on this machine. To run it: `cxrstudy run {study.name}`."
    if missing:
        why = _missing_data(missing, "This study has no data on this machine", "Nothing was run.")
    # The ledger links to the table that decided a claim; here to the verdicts.
    rows = [row for row in ledger if row.study == study.name]
    verdicts = f'<div id="{anchor(RECORDED_TABLE)}"></div>\n\n{_verdicts(rows)}'
    cells = [f"# {study.title}", why, verdicts]
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


def _with_figure_metadata(cell: NotebookNode, shown: dict | None, number: int) -> NotebookNode:
    """Hand caption, alt text and anchor to MyST, which then needs no caption among the outputs."""
    if shown is None or shown["kind"] != "figure":
        return cell
    caption = f"**Figure {number}.** {with_true_minus(markdown_text(shown['caption']))}"
    cell.metadata["mystnb"] = {
        "image": {"alt": shown["alt"]},
        "figure": {"caption": caption, "name": anchor(shown["name"])},
    }
    cell.outputs = [
        output
        for output in cell.outputs
        if output.get("metadata", {}).get(METADATA_KEY, {}).get("kind") != "caption"
    ]
    return cell


def _download_line(study: Study, shown: dict) -> str:
    file = f"{study.name}_{shown['name']}.csv"
    return f"```{{div}} cxr-download\n{{download}}`{file} <{study.name}/{file}>`\n```"


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


def _recorded_source(study: Study) -> str:
    recorded = load_recorded(study.name)
    if recorded is None:
        return "recorded run"
    row = recorded.iloc[0]
    facts = f"{markdown_text(row['date'])}, {markdown_text(row['hardware'])}"
    return f"recorded run (set `{row['set']}`, {facts})"


def _provenance_line(study: Study, stamp: Mapping[str, object]) -> str:
    data = ", ".join(f"{name} (`{digest}`)" for name, digest in stamp["data"].items())
    data = data or "none fetched; the top of the page says what was used"
    # A backtick in a path would end the code span and let the rest be read as HTML.
    values = {k: json.dumps(v).replace("`", "'") for k, v in stamp["parameters"].items()}
    parameters = ", ".join(f"`{k} = {v}`" for k, v in values.items())
    versions = ", ".join(f"{name} {number}" for name, number in stamp["versions"].items())
    commit = f", commit `{stamp['commit']}`" if stamp["commit"] else ""
    return (
        "---\n\n"
        f"**Provenance.** Set `{stamp['set']}` with {parameters}. Data: {data}. Source "
        f"`{stamp['source']}`{commit}. {versions}. Ran {stamp['seconds']:.0f} s. "
        f"{_notebook_link(study)}"
    )


def _notebook_link(study: Study) -> str:
    links = notebook_links(study.notebook)
    return (
        f"Source notebook: {{download}}`{study.notebook} <{study.name}/{study.notebook}>`.{links}"
    )
