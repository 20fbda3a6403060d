"""From an executed notebook to a page of the book.

The notebook says in its outputs' metadata what each cell shows; here that becomes captions, alt
texts, anchors and download links. Verdicts and provenance are added from the ledger and the
stamp, so that a page cannot state them by hand.
"""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from cxrstudy.data.registry import MIRROR_VARIABLE, dataset
from cxrstudy.display import METADATA_KEY, anchor, recorded_html
from cxrstudy.recorded import load_recorded
from cxrstudy.runs.catalogue import Study


def study_page(
    study: Study, executed: NotebookNode, ledger: list[dict], stamp: Mapping[str, object]
) -> NotebookNode:
    """Make the page of a study that ran.

    Parameters
    ----------
    study : Study
    executed : NotebookNode
        As `cxrstudy.runs.run_study` left it.
    ledger : list of dict
        All rows; those of this study are shown below its title.
    stamp : mapping
        The run's provenance.

    Returns
    -------
    NotebookNode
    """
    title, *rest = executed.cells
    title.source = re.sub(r"\A# .*", lambda _: f"# {study.title}", title.source)
    links = any((_shown(cell) or {}).get("name") == "recorded" for cell in rest)
    below = (
        f"Figures and tables below are of this page's own run, set `{stamp['set']}`, unless they "
        "say *recorded*."
    )
    verdicts = _verdicts(study, ledger, f"this page's own run, set `{stamp['set']}`", links)
    cells = [title, new_markdown_cell(f"{verdicts}\n\n{below}")]
    for cell in rest:
        cells.append(_with_figure_metadata(_folded(cell)))
        download = _download_line(study, cell)
        if download:
            cells.append(new_markdown_cell(download))
    cells.append(new_markdown_cell(_provenance_line(study, stamp)))
    return _notebook(executed, cells)


def missing_data_page(
    study: Study, missing: list[str], ledger: list[dict] | None = None
) -> NotebookNode:
    """Make the page of a study whose data are not on this machine.

    What a recorded run found is shown all the same.

    Parameters
    ----------
    study : Study
    missing : list of str
        Data sets of the registry that could not be had.
    ledger : list of dict, optional
        All rows; a recorded run may have decided those of this study.

    Returns
    -------
    NotebookNode
    """
    entries = [dataset(name) for name in missing]
    titles = ", ".join(f"{entry.title} ({entry.licence})" for entry in entries)
    commands = "\n".join(entry.fetch_command for entry in entries)
    text = (
        f"# {study.title}\n\n```{{admonition}} This study's data are not on this machine\n"
        f":class: warning\nMissing: {titles}.\n```\n\nWith a network this gets them:\n\n"
        f"```bash\n{commands}\n```\n\nThen build the book again. Without a network, name a folder "
        f"that holds them in the environment variable `{MIRROR_VARIABLE}`."
    )
    cells = [new_markdown_cell(text)]
    recorded = recorded_html(study.name, "What the largest recorded run found.")
    if recorded:
        cells.append(new_markdown_cell(_verdicts(study, ledger or [], "an own run", True)))
        cells.append(new_markdown_cell(f"```{{raw}} html\n{recorded}\n```"))
    return new_notebook(cells=cells)


def failed_page(study: Study, error: str) -> NotebookNode:
    """Make the page of a study that stopped with an error, which it shows as inert text.

    Parameters
    ----------
    study : Study
    error : str
        Name and message of the exception.

    Returns
    -------
    NotebookNode
    """
    shown = html.escape(error)
    text = (
        f"# {study.title}\n\n```{{admonition}} This study failed in this build\n:class: error\n"
        "Its results are not part of this book; the other pages are not affected.\n```\n\n"
        f'<pre class="cxr-error">{shown}</pre>\n\n'
        f"Run it alone to see where:\n\n```bash\ncxrstudy run {study.name}\n```"
    )
    return new_notebook(cells=[new_markdown_cell(text)])


def write_page(page: NotebookNode, path: Path) -> None:
    """Write a page's notebook with stable cell ids, so that equal pages are equal bytes."""
    for number, cell in enumerate(page.cells):
        cell["id"] = f"cell-{number:03d}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(page, path)


def _notebook(like: NotebookNode, cells: list[NotebookNode]) -> NotebookNode:
    page = new_notebook(cells=cells)
    page.metadata = like.metadata
    return page


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


def _with_figure_metadata(cell: NotebookNode) -> NotebookNode:
    shown = _shown(cell)
    if shown is None or shown["kind"] != "figure":
        return cell
    cell.metadata["mystnb"] = {
        "image": {"alt": shown["alt"]},
        "figure": {"caption": _escaped(shown["caption"]), "name": anchor(shown["name"])},
    }
    cell.outputs = [
        output
        for output in cell.outputs
        if output.get("metadata", {}).get(METADATA_KEY, {}).get("kind") != "caption"
    ]
    return cell


def _download_line(study: Study, cell: NotebookNode) -> str:
    shown = _shown(cell)
    if shown is None:
        return ""
    what = "The numbers behind this figure" if shown["kind"] == "figure" else "This table as CSV"
    file = f"{shown['name']}.csv"
    return f"{what}: {{download}}`{file} <{study.name}/{file}>`"


def _verdicts(study: Study, ledger: list[dict], own: str, links: bool) -> str:
    """Lay out what a study decided, and say whose run decided it.

    `own` names the page's own run; `links` says whether the page shows the recorded table.
    """
    rows = [row for row in ledger if row["study"] == study.name]
    if not rows:
        return "This study decides no claim of the [ledger](../claims.md)."
    measured = [row for row in rows if row["measured"]]
    runs = {_is_recorded(row) for row in measured}
    sources = [_recorded_source(study, links)] * (True in runs)
    sources += [f"{own}{' (rows marked †)' if True in runs else ''}"] * (False in runs)
    decided = f", by {' and '.join(sources)}" if sources else ""
    lines = [
        f"**What this study decided**{decided}. Rules and details are in the "
        "[ledger](../claims.md).",
        "",
        "````{div} cxr-decided",
        "",
        "| claim | published | measured (adjusted interval) | rule | verdict |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        mark = " †" if len(runs) == 2 and row["measured"] and not _is_recorded(row) else ""
        lines.append(_verdict_line(row, mark))
    return "\n".join([*lines, "", "````"])


def _is_recorded(row: Mapping[str, object]) -> bool:
    return row["table"] == "recorded"


def _recorded_source(study: Study, links: bool) -> str:
    # A plain link: the anchor stands in a notebook's output, where MyST does not look for it.
    name = '<a href="#recorded">recorded run</a>' if links else "recorded run"
    recorded = load_recorded(study.name)
    if recorded is None:
        return f"the {name}"
    row = recorded.iloc[0]
    facts = f"{_escaped(row['date'])}, {_escaped(row['hardware'])}"
    return f"the {name} (set `{row['set']}`, {facts})"


def _verdict_line(row: Mapping[str, object], mark: str) -> str:
    notes = f" <small>{_cell(text)}</small>" if (text := interval_notes(row)) else ""
    cells = (
        _cell(row["statement"]),
        _cell(row["published"]),
        _cell(measured_text(row)) + notes,
        _cell(rule_text(row)),
        f"**{_cell(row['verdict'])}** <small>({_cell(row['scope'])})</small>{mark}",
    )
    return f"| {' | '.join(cells)} |"


def _cell(text: object) -> str:
    return _escaped(text).replace("|", "\\|")


def measured_text(row: Mapping[str, object]) -> str:
    """Print a ledger row's measured value with its interval.

    Parameters
    ----------
    row : mapping
        A row of the ledger.

    Returns
    -------
    str
        Such as ``+0.112 (0.081 to 0.143)``; empty for a claim that was not measured.
    """
    if row["low"] is None:
        return str(row["measured"])
    text = f"{row['measured']} ({row['low']:+.3f} to {row['high']:+.3f})"
    return text.replace("-0.000", "0.000").replace("+0.000", "0.000")


def interval_notes(row: Mapping[str, object]) -> str:
    """Say of a ledger row's interval what its limits do not: level and detectable effect.

    Parameters
    ----------
    row : mapping
        A row of the ledger.

    Returns
    -------
    str
        Empty for a claim that no interval decides.
    """
    if row["level"] is None:
        return ""
    kind = "interval" if row["low"] is not None else "intervals"
    detectable = row["detectable"]
    effect = "" if detectable is None else f"; detectable {detectable:.3f}"
    return f"{_percent(row['level'])} {kind}{effect}"


def rule_text(row: Mapping[str, object]) -> str:
    """Name a ledger row's rule with its margin, and the interval that it asks for.

    Parameters
    ----------
    row : mapping
        A row of the ledger.

    Returns
    -------
    str
    """
    rule, margin, level = row["rule"], row["margin"], row["level"]
    if rule == "equivalence":
        asked = "" if level is None else f", by the {_percent(2 * level - 1)} interval"
        return f"equivalence within ±{margin:g}{asked}"
    kind = "direction (superiority)" if rule == "direction" else rule
    return f"{kind}, margin {margin:g}" if margin else kind


def _percent(level: float) -> str:
    return f"{100 * level:.2f}".rstrip("0").rstrip(".") + " %"


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


def _escaped(text: str) -> str:
    """Keep text from being read as HTML or as Markdown emphasis."""
    escaped = html.escape(str(text), quote=False)
    for character in "*_`[]$":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped
