"""Which of the package's files a notebook depends on, from its import graph.

A change of one module should re-run the studies that import it, directly or not, and no others.
Every build asks this first, so the notebook is read as plain JSON: nbformat takes two seconds to
import.
"""

import ast
import json
from pathlib import Path

from cxrstudy.imports import PACKAGE, source_file, upstream_modules
from cxrstudy.recorded import recorded_path
from cxrstudy.runs.catalogue import Study


def notebook_dependencies(notebook: str | Path) -> list[Path]:
    """List the package files whose content can change a notebook's results, sorted.

    These are the modules that it imports, directly or not, the ``__init__`` files that run on
    the way, and the data files that lie beside them.
    """
    modules: set[str] = set()
    for name in _imported_names(notebook):
        modules |= upstream_modules(name)
    files: set[Path] = set()
    for module in modules:
        if module.split(".")[0] == PACKAGE:
            files |= _files_of(module)
    return sorted(files)


def study_sources(study: Study) -> list[Path]:
    """List what can change a study's page: notebook, package files and its recorded run."""
    recorded = [path for path in [recorded_path(study.name)] if path.exists()]
    recorded += sorted(recorded_path(study.name).with_suffix("").glob("*.csv"))
    return [study.notebook_path, *notebook_dependencies(study.notebook_path), *recorded]


def _imported_names(notebook: str | Path) -> set[str]:
    names = set()
    for cell in json.loads(Path(notebook).read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == PACKAGE}


def _files_of(module: str) -> set[Path]:
    source = source_file(module)
    data = {path for path in source.parent.iterdir() if path.suffix in {".yaml", ".csv"}}
    return {source} | data
