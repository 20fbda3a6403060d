"""What a run is made of, and what its page says of it: source, data, versions, commit, duration.

A change of one module should re-run the studies that import it, directly or not, and no others.
Every build asks this first, so the notebook is read as plain JSON: nbformat takes two seconds to
import.
"""

import ast
import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from cxrstudy.data.registry import dataset
from cxrstudy.imports import PACKAGE, source_file, upstream_modules
from cxrstudy.paths import project_root
from cxrstudy.recorded import recorded_path
from cxrstudy.runs.catalogue import Study

_REPORTED = ("numpy", "pandas", "scipy", "scikit-learn", "numba")
_REPORTED_IF_HERE = ("torch", "transformers")


def notebook_dependencies(notebook: str | Path) -> list[Path]:
    """List the package's modules and data files that can change a notebook's results, sorted."""
    modules = set().union(*map(upstream_modules, _imported_names(notebook)))
    own = (module for module in modules if module.split(".")[0] == PACKAGE)
    return sorted({file for module in own for file in _files_of(module)})


def study_sources(study: Study) -> list[Path]:
    """List what can change a study's page: notebook, package files and recorded tables."""
    recorded = recorded_path(study.name)
    tables = [recorded] * recorded.exists() + sorted(recorded.with_suffix("").glob("*.csv"))
    return [study.notebook_path, *notebook_dependencies(study.notebook_path), *tables]


def parsed_notebook(notebook: str | Path) -> ast.Module:
    """Parse a notebook's code cells as one module."""
    cells = json.loads(Path(notebook).read_text("utf-8"))["cells"]
    code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return ast.parse("\n".join(code))


def provenance(study: Study, parameters: Mapping[str, object], seconds: float) -> dict:
    """Describe a run so that a reader can repeat it; what depends on files is a hash."""
    return {
        "parameters": dict(parameters),
        "source": _digest(path.read_bytes() for path in study_sources(study)),
        "data": _own_tables(parameters) or _data_sets(study),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("cxrstudy", *_REPORTED)},
            **{name: version(name) for name in _REPORTED_IF_HERE if find_spec(name)},
        },
        "commit": _commit(project_root()),
        "seconds": round(seconds, 1),
    }


def _imported_names(notebook: str | Path) -> set[str]:
    names = set()
    for node in ast.walk(parsed_notebook(notebook)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == PACKAGE}


def _files_of(module: str) -> set[Path]:
    source = source_file(module)
    data = {path for path in source.parent.iterdir() if path.suffix in {".yaml", ".csv"}}
    return {source} | data


def _data_sets(study: Study) -> dict[str, str]:
    return {
        name: _digest(sha256.encode() for sha256 in dataset(name).files.values())
        for name in study.data
    }


def _own_tables(parameters: Mapping[str, object]) -> dict[str, str]:
    """Find the parameters that name a file: those are the data then."""
    paths = [Path(value) for value in parameters.values() if isinstance(value, str)]
    return {path.name: _digest([path.read_bytes()]) for path in paths if path.is_file()}


def _digest(parts) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:12]


def _commit(root: Path) -> str:
    """Name the commit, marked if the tree has changes; empty outside a git checkout."""
    command = ["git", "describe", "--always", "--dirty=+changes", "--abbrev=12", "--exclude=*"]
    try:
        described = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return described.stdout.strip()
