"""One run: check the parameters, execute the notebook, clean, stamp, publish atomically."""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
from filelock import FileLock
from nbclient.exceptions import DeadKernelError

from cxrstudy.data.registry import unavailable
from cxrstudy.paths import project_root
from cxrstudy.runs.catalogue import CELL_FILE, RunFolders, Study
from cxrstudy.runs.parameters import check_parameters, read_parameters
from cxrstudy.runs.stamp import provenance
from cxrstudy.whole_files import written_whole


class StudyFailedError(RuntimeError):
    """A notebook stopped with an error; the message is the error's own."""


def run_study(
    study: Study,
    set_name: str,
    overrides: Mapping[str, object] | None = None,
    build: str | Path = "_build",
) -> RunFolders:
    """Execute a study's notebook and publish its tables.

    Everything is written to a temporary folder and moved into place at the end, so a run that
    is killed leaves what was there before. Two runs of one study wait for each other. If a data
    set is neither here nor to be had, the stamp says which one, and nothing runs.
    """
    declared = read_parameters(study.notebook_path)
    given = check_parameters(declared, study.parameters(set_name) | dict(overrides or {}))
    folders = RunFolders.of(study.name, build)
    folders.executed.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folders.executed.parent / ".lock"), scratch_folder(folders) as scratch:
        # Overridden parameters may name tables of the reader's own, which need no data set.
        ran = f"{set_name}, overridden" if overrides else set_name
        try:
            missing = [] if overrides else unavailable(study.data)
            stamp = {"study": study.name, "set": ran, "missing": missing}
            if not missing:
                start = time.monotonic()
                _execute(study, given, scratch)
                values = {name: p.default for name, p in declared.items()} | given
                del values["results"]
                stamp |= provenance(study, values, seconds=time.monotonic() - start)
        except StudyFailedError as error:
            # A note for the study's page; without a stamp, nobody takes the old tables for new.
            _write_json(folders.failure, {"study": study.name, "error": str(error)})
            folders.stamp.unlink(missing_ok=True)
            raise
        _write_json(scratch / "stamp.json", stamp)
        publish(scratch, folders)
    return folders


def _execute(study: Study, parameters: Mapping[str, object], scratch: Path) -> None:
    """Leave tables and executed notebook in the scratch folder."""
    root, tables = project_root(), str(scratch / "results")
    try:
        notebook = papermill.execute_notebook(
            os.path.relpath(study.notebook_path, Path.cwd()),
            None,
            parameters={**parameters, "results": tables},
            kernel_name="python3",
            start_timeout=600,
            cwd=root,
            progress_bar=False,
            # It warns of its transport, and of the interrupt with which its client ends it.
            extra_arguments=["--log-level=CRITICAL"],
            **_hooks(scratch / CELL_FILE),
        )
    except papermill.PapermillExecutionError as error:
        message = f"{error.ename}: {error.evalue}".replace(f"{root}{os.sep}", "")
        raise StudyFailedError(f"{study.name}: {message}") from error
    except DeadKernelError as error:
        raise StudyFailedError(f"{study.name}: the kernel died, perhaps out of memory") from error
    clean = _clean(notebook, tables, f"_build/results/{study.name}")
    nbformat.write(clean, scratch / "executed.ipynb")


def _hooks(path: Path) -> dict[str, Callable]:
    """Let the notebook's client say in a file which cell runs, under which heading."""
    places = {}

    def on_notebook_start(notebook: nbformat.NotebookNode) -> None:
        n_cells = sum(cell.cell_type == "code" for cell in notebook.cells)
        heading = ""
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                places[index] = {"cell": len(places) + 1, "of": n_cells, "heading": heading}
            else:
                headings = re.findall(r"^#+ (.+)", cell.source, re.MULTILINE)
                heading = headings[-1] if headings else heading

    def on_cell_execute(cell: nbformat.NotebookNode, cell_index: int) -> None:
        with written_whole(path) as unfinished:
            _write_json(unfinished, places[cell_index])

    return {"on_notebook_start": on_notebook_start, "on_cell_execute": on_cell_execute}


def _clean(notebook: nbformat.NotebookNode, tables: str, shown: str) -> nbformat.NotebookNode:
    """Remove timings from an executed notebook and the machine's folders from its text."""
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
        part.metadata.pop("execution", None)
    # The scratch folder first: it lies in the project's.
    text = nbformat.writes(notebook).replace(json.dumps(tables)[1:-1], shown)
    root = json.dumps(str(project_root()))[1:-1]
    text = text.replace(f"{root}{os.sep}", "")
    return nbformat.reads(re.sub(rf"{re.escape(root)}(?![\w.-])", ".", text), as_version=4)


def publish(scratch: Path, folders: RunFolders) -> None:
    """Move the tables first and the stamp last: a stamp vouches for everything before it."""
    retired = scratch / "retired"
    folders.results.parent.mkdir(parents=True, exist_ok=True)
    (scratch / "results").mkdir(exist_ok=True)
    folders.stamp.unlink(missing_ok=True)
    folders.failure.unlink(missing_ok=True)
    if folders.results.exists():
        folders.results.rename(retired)
    (scratch / "results").rename(folders.results)
    folders.executed.unlink(missing_ok=True)
    if (scratch / "executed.ipynb").exists():
        (scratch / "executed.ipynb").rename(folders.executed)
    (scratch / "stamp.json").replace(folders.stamp)


@contextmanager
def scratch_folder(folders: RunFolders) -> Iterator[Path]:
    """Make a folder on the same disk as the results; what a killed run left of its own goes."""
    for stale in folders.executed.parent.glob("tmp*"):
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folders.executed.parent) as scratch:
        yield Path(scratch)


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
