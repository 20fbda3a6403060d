"""Write copies of the notebooks with a parameter set injected, for JupyterLab: `make lab`.

The sources keep the values for publication, which can take hours; a copy with the set `quick` ends
in minutes, and shows first what a larger recorded run found. A copy is written anew when its source
or set has changed, unless its cells have been edited: that work is worth more, and a line says how
to get the new copy.
"""

import argparse
import hashlib
import json
from pathlib import Path

import nbformat
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from cxrstudy.paths import in_project
from cxrstudy.runs import RunFolders, Study, studies
from cxrstudy.runs.shown import set_size
from cxrstudy.whole_files import written_whole

FOLDER = "_build/lab"


def lab_copy(study: Study, set_name: str) -> nbformat.NotebookNode:
    """Inject a set into a study's notebook, a results folder of its own, and a recorded answer."""
    notebook = parameterize_notebook(
        load_notebook_node(str(study.notebook_path)),
        study.parameters(set_name) | {"results": f"_build/scratch/lab/{study.name}"},
        comment=f"The set {set_name}; the values for publication stand in the cell above.",
    )
    for part in (notebook, *notebook.cells):
        part.metadata.pop("papermill", None)
    recorded = RunFolders.recorded(study.name)
    if set_size(study, recorded.read_stamp()) > set_size(study, {"set": set_name}):
        source = f'from cxrstudy.book.top import show_recorded\n\nshow_recorded("{study.name}")'
        notebook.cells.insert(1, nbformat.v4.new_code_cell(source))
    return notebook


def digest(notebook: nbformat.NotebookNode) -> str:
    """Hash what a reader edits; runs change only outputs."""
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:12]


def write_copy(notebook: nbformat.NotebookNode, path: Path) -> bool:
    """Write a copy unless it is there, in the present version or edited; False if that is old."""
    present = digest(notebook)
    if path.exists():
        there = nbformat.read(path, as_version=4)
        written = there.metadata.get("cxrstudy", {}).get("cells")
        if written == present:
            return True
        if written != digest(there):
            return False
    notebook.metadata["cxrstudy"] = {"cells": present}
    with written_whole(path) as unfinished:
        nbformat.write(notebook, unfinished)
    return True


def main() -> None:
    """Write the copies and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="quick", help="parameter set")
    set_name = parser.parse_args().set
    folder = in_project(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for study in studies().values():
        if not write_copy(lab_copy(study, set_name), folder / study.notebook):
            print(f"{FOLDER}/{study.notebook}: kept, as it is edited; rename it to get the new one")
    print(f"{FOLDER}: notebooks with the set {set_name}, whose Run All ends in minutes")
    print("notebooks: their sources, with the values for publication")


if __name__ == "__main__":
    main()
