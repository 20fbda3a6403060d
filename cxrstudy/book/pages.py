"""From an executed notebook to a page of the book.

Its outputs' metadata say what each cell shows; that becomes captions, alt texts, anchors and
download links. Verdicts and provenance come from the ledger and the stamp, never by hand.
"""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from cxrstudy.book.printed_claims import markdown_text, verdict_table
from cxrstudy.claims import LedgerRow
from cxrstudy.data.registry import MIRROR_VARIABLE, dataset
from cxrstudy.display import METADATA_KEY
from cxrstudy.recorded import load_recorded
from cxrstudy.runs.catalogue import Study
from cxrstudy.table_html import anchor


def study_page(
    study: Study,
    executed: NotebookNode,
    ledger: list[LedgerRow],
    stamp: Mapping[str, object],
    missing: Sequence[str] = (),
) -> NotebookNode:
    """Make the page of a run: title, verdicts, the notebook's cells, provenance.

    With data sets `missing` here, the run is the recorded one, and a banner says so.
    """
    title, *rest = executed.cells
    _, _, introduction = title.source.partition("\n")
    title.source = f"# {study.title}\n{introduction}".rstrip("\n")
    links = any((_shown(cell) or {}).get("name") == "recorded" for cell in rest)
    whose = "the recorded run" if missing else "this page's own run"
    own = f"{whose}, set `{stamp['set']}`"
    unless = "" if missing else ", unless they say *recorded*"
    below = f"Figures and tables below are of {own}{unless}."
    cells = [title, new_markdown_cell(f"{_verdicts(study, ledger, own, links)}\n\n{below}")]
    if missing:
        text = (
            f"Figures, tables and downloads were made on {markdown_text(stamp['date'])}, on "
            f"{markdown_text(stamp['hardware'])}, with set `{stamp['set']}` and the data named at "
            "the end of the page, and recorded. Verdicts are decided in each build."
        )
        cells.insert(1, new_markdown_cell(_missing_data(missing, "A recorded run", text)))
    for cell in rest:
        shown = _shown(cell)
        cells.append(_with_figure_metadata(_folded(cell), shown))
        if shown is not None:
            cells.append(new_markdown_cell(_download_line(study, shown)))
    cells.append(new_markdown_cell(_provenance_line(study, stamp)))
    return new_notebook(cells=cells, metadata=executed.metadata)


def page_without_run(
    study: Study, ledger: list[LedgerRow], missing: Sequence[str] = ()
) -> NotebookNode:
    """Make the page of a study that has not run here, of which no run was recorded whole either."""
    why = f"This study has not run on this machine. To run it: `cxrstudy run {study.name}`."
    if missing:
        why = _missing_data(missing, "This study has no data on this machine", "Nothing was run.")
    # The ledger links to the table that decided a claim; here to the verdicts.
    verdicts = f'<div id="recorded"></div>\n\n{_verdicts(study, ledger, "an own run", False)}'
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
        f"````{{admonition}} {heading}\n:class: note\nNot on this machine: {titles}. {text}\n\n"
        "To run the study here, get the data and build the book again. Without a network, name a "
        f"folder that holds them in the environment variable `{MIRROR_VARIABLE}`.\n\n"
        f"```bash\n{commands}\nmake book\n```\n````"
    )


def _shown(cell: NotebookNode) -> dict | None:
    """Find what a code cell shows: the metadata of its table or figure."""
    for output in cell.get("outputs", []):
        shown = output.get("metadata", {}).get(METADATA_KEY)
        if shown and shown["kind"] in {"table", "figure"}:
            return shown
    return None


def _folded(cell: NotebookNode) -> NotebookNode:
    """Fold a code cell's source; a click shows it."""
    tags = cell.metadata.get("tags", [])
    if cell.cell_type == "code" and "hide-input" not in tags:
        cell.metadata["tags"] = [*tags, "hide-input"]
    return cell


def _with_figure_metadata(cell: NotebookNode, shown: dict | None) -> NotebookNode:
    """Hand caption, alt text and anchor to MyST, which then needs no caption among the outputs."""
    if shown is None or shown["kind"] != "figure":
        return cell
    cell.metadata["mystnb"] = {
        "image": {"alt": shown["alt"]},
        "figure": {"caption": markdown_text(shown["caption"]), "name": anchor(shown["name"])},
    }
    cell.outputs = [
        output
        for output in cell.outputs
        if output.get("metadata", {}).get(METADATA_KEY, {}).get("kind") != "caption"
    ]
    return cell


def _download_line(study: Study, shown: dict) -> str:
    what = "The numbers behind this figure" if shown["kind"] == "figure" else "This table as CSV"
    file = f"{shown['name']}.csv"
    return f"{what}: {{download}}`{file} <{study.name}/{file}>`"


def _verdicts(study: Study, ledger: list[LedgerRow], own: str, links: bool) -> str:
    """Lay out what a study decided, and say by whose run."""
    rows = [row for row in ledger if row.study == study.name]
    if not rows:
        return "This study decides no claim of the [ledger](../claims.md)."
    measured = [row for row in rows if row.measured]
    runs = {row.is_recorded for row in measured}
    sources = [_recorded_source(study, links)] * (True in runs)
    sources += [f"{own}{' (rows marked †)' if True in runs else ''}"] * (False in runs)
    decided = f", by {' and '.join(sources)}" if sources else ""
    marked = [row for row in measured if len(runs) == 2 and not row.is_recorded]
    return (
        f"**What this study decided**{decided}. Rules and details are in the "
        "[ledger](../claims.md).\n\n````{div} cxr-decided\n\n"
        f"{verdict_table(rows, {row.id: ' †' for row in marked})}\n\n````"
    )


def _recorded_source(study: Study, links: bool) -> str:
    # A plain link: the anchor stands in a notebook's output, where MyST does not look for it.
    name = '<a href="#recorded">recorded run</a>' if links else "recorded run"
    recorded = load_recorded(study.name)
    if recorded is None:
        return f"the {name}"
    row = recorded.iloc[0]
    facts = f"{markdown_text(row['date'])}, {markdown_text(row['hardware'])}"
    return f"the {name} (set `{row['set']}`, {facts})"


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
        f"Source notebook: {{download}}`{study.notebook} <{study.name}/{study.notebook}>`."
    )
