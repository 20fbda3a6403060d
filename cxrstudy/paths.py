"""Where the project's folders are, from whatever folder a notebook runs in."""

from importlib.metadata import files
from pathlib import Path

CLAIMS_FOLDER = "claims"
"""Folder beside a study's tables that holds what it measured for the ledger."""


def project_root() -> Path:
    """Return the checkout that this package was installed from, which holds notebooks and book."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "notebooks" / "studies.yaml").is_file():
        raise FileNotFoundError(
            f"{root} holds no notebooks/studies.yaml: install cxrstudy from its checkout "
            "(pip install -e .), where the notebooks lie"
        )
    return root


def recorded_folder() -> Path:
    """Return the folder of the recorded runs."""
    return project_root() / "book" / "recorded"


def in_project(path: str | Path) -> Path:
    """Resolve a path as seen from the project's root; absolute paths stay as they are."""
    return Path(path) if Path(path).is_absolute() else project_root() / path


def shipped(path: str) -> Path:
    """Return a file that the package carries: the checkout's own, or what a wheel installed."""
    checkout = Path(__file__).resolve().parents[1] / path
    if checkout.is_file():
        return checkout
    name = Path(path).name
    found = [each.locate() for each in files("cxrstudy") or () if each.name == name]
    if not found:
        raise FileNotFoundError(f"cxrstudy was installed without {path}: install its wheel again")
    return Path(found[0])
