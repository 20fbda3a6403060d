"""An executed notebook as one HTML file that asks nothing of a network: an audit to hand on."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import papermill
from jinja2 import Environment
from markdown_it import MarkdownIt
from markupsafe import Markup
from nbformat import NotebookNode

from cxrstudy.audit import Finding
from cxrstudy.display import METADATA_KEY
from cxrstudy.paths import shipped
from cxrstudy.runs import StudyFailedError
from cxrstudy.runs.parameters import read_parameters
from cxrstudy.table_html import anchor, with_true_minus
from cxrstudy.whole_files import written_whole

AUDIT_NOTEBOOK = "notebooks/20_audit.ipynb"
_LONGEST_OPEN_TABLE = 40  # rows
_SHOWN_PARAMETERS = ("minimum_events", "suppress_below", "n_bootstrap", "seed")


def audit_report(
    parameters: Mapping[str, object], tables: Path | None, out: Path | None
) -> list[Finding]:
    """Execute the notebook of an audit; write it as one file, leave its tables, or both."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = (tables or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            executed = papermill.execute_notebook(
                str(shipped(AUDIT_NOTEBOOK)),
                None,
                parameters={**parameters, "results": str(folder)},
                kernel_name="python3",
                progress_bar=False,
                extra_arguments=["--log-level=CRITICAL"],
            )
        except papermill.PapermillExecutionError as error:
            raise StudyFailedError(error.evalue) from error
        found = json.loads((folder / "findings.json").read_text("utf-8"))
    if out:
        given = [parameters[name] for name in ("truth", "labels", "reports", "scores", "groups")]
        paths = [Path(each) for each in [*given, *parameters["readers"]] if each]
        with written_whole(out) as unfinished:
            page = one_file(executed, [path for path in paths if path.is_file()])
            unfinished.write_text(page, "utf-8")
    return [Finding(**record) for record in found]


def one_file(executed: NotebookNode, inputs: list[Path]) -> str:
    """Lay out the answer first, then every section of an executed notebook; code is left out."""
    shown, answer, figure = [], {}, Markup()
    for cell in executed.cells[1:]:
        if cell.cell_type == "markdown":
            shown.append(Markup(_markdown.render(cell.source)))
        for output in cell.get("outputs", []):
            what = output.get("metadata", {}).get(METADATA_KEY, {})
            if what.get("kind") == "answer":
                answer = what
            elif what.get("kind") == "figure":
                figure = _figure(output, what)  # There is one, and it stands at the top.
            elif "text/html" in output.get("data", {}):
                table = with_true_minus(output["data"]["text/html"])
                long = table.count("<tr") > _LONGEST_OPEN_TABLE
                shown.append(Markup(table.replace('" open>', '">', 1) if long else table))
    folder = files("cxrstudy.book")
    template = folder.joinpath("one_file.html.jinja").read_text("utf-8")
    return _environment.from_string(template).render(
        names=[path.name for path in inputs] or ["a public test set"],
        hashes={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs},
        sentences=with_true_minus(answer["sentence"]).split("\n"),
        repairs=answer["means"].split("\n"),
        figure=figure,
        shown=shown,
        style=Markup(folder.joinpath("one_file.css").read_text("utf-8")),
        parameters=[f"{name} = {value}" for name, value in _named(executed).items()],
        date=datetime.now(UTC).date().isoformat(),
        version=version("cxrstudy"),
    )


def _named(executed: NotebookNode) -> dict[str, object]:
    """Return the parameters of a run that a report names: its own, or the notebook's."""
    own = executed.metadata.papermill.parameters
    declared = read_parameters(shipped(AUDIT_NOTEBOOK))
    return {name: own.get(name, declared[name].default) for name in _SHOWN_PARAMETERS}


def _figure(output: NotebookNode, what: Mapping[str, str]) -> Markup:
    """Put a figure's drawing into the page, and say it to who does not see it."""
    svg = output["data"]["image/svg+xml"]
    svg = svg[svg.index("<svg") :].replace("<svg ", '<svg role="img" aria-label="{}" ', 1)
    drawing = svg.replace("{}", escape(what["alt"], quote=True), 1)
    caption = with_true_minus(escape(what["caption"]))
    return Markup(
        f'<figure id="{anchor(what["name"])}">{drawing}<figcaption>{caption}</figcaption></figure>'
    )


_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
_environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
