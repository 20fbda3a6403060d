"""What a page says of its own making: source, parameters, data, versions, commit, duration."""

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from cxrstudy.data.registry import dataset
from cxrstudy.paths import project_root
from cxrstudy.runs.catalogue import Study
from cxrstudy.runs.imports import study_sources

REPORTED_PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "numba")
OPTIONAL_PACKAGES = ("torch", "transformers")


def provenance(study: Study, parameters: Mapping[str, object], seconds: float) -> dict:
    """Describe a run so that a reader can repeat it; what depends on files is a hash."""
    return {
        "parameters": dict(parameters),
        "source": _digest(path.read_bytes() for path in study_sources(study)),
        "data": _own_tables(parameters) or _data_sets(study),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("cxrstudy", *REPORTED_PACKAGES)},
            **{name: version(name) for name in OPTIONAL_PACKAGES if find_spec(name)},
        },
        "commit": _commit(project_root()),
        "seconds": round(seconds, 1),
    }


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
