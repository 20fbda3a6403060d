"""The repository as a whole: versions agree, notebooks are clean, nothing leaks."""

import ast
import itertools
import runpy
import subprocess
import tomllib

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

import cxrstudy
from cxrstudy.paths import project_root

ROOT = project_root()
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_environment_has_the_versions_of_the_lock():
    environment = runpy.run_path(str(ROOT / "scripts" / "write_environment.py"))["environment"]
    written = (ROOT / "environment.yml").read_text("utf-8")
    assert written == environment(LOCK)
    pip = yaml.safe_load(written)["dependencies"][-1]["pip"]
    pins = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    assert len(pip) == len(pins) + 1 and "-e ." in pip


def test_every_direct_dependency_is_locked_and_jupyter_book_stays_below_2():
    named = [*PROJECT["dependencies"], *itertools.chain(*PROJECT["optional-dependencies"].values())]
    pins = [Requirement(line) for line in LOCK.splitlines() if "==" in line]
    locked = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}
    for requirement in map(Requirement, named):
        assert locked[requirement.name.lower()] in requirement.specifier, requirement
        assert requirement.name != "jupyter-book" or "2.0" not in requirement.specifier


def test_one_version_everywhere():
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
    assert PROJECT["version"] == cxrstudy.__version__ == config["release"] == config["version"]
    citation = ROOT / "CITATION.cff"
    if citation.exists():
        assert yaml.safe_load(citation.read_text("utf-8"))["version"] == cxrstudy.__version__
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert changes.startswith(f"# Changelog\n\n## {cxrstudy.__version__} ")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code) == 1
    assert notebook.metadata["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_cells_are_short_and_define_nothing(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert len(lines) <= 20, cell.source
            assert not [line for line in lines if len(line) > 100]
            kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
            assert not kinds & {ast.FunctionDef, ast.ClassDef}, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cell_says_what_to_expect(path):
    """Title, question, data, and a table of sets with time and memory."""
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert "**Question.**" in first.source and "**Data.**" in first.source
    header = next(line for line in first.source.splitlines() if line.startswith("| set |"))
    assert "time" in header and "memory" in header
    assert all(f"`{name}`" in first.source for name in ("quick", "full", "test"))


def _tracked() -> list[str]:
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [name for name in listed.stdout.split("\0") if name]


def test_no_absolute_path_of_a_machine_is_in_the_repository():
    names = _tracked()
    if not names:
        pytest.skip("needs a git checkout: a release archive has no list of tracked files")
    # Written in two parts, so that this file does not hold them.
    forbidden = ["/" + "work/", "/" + "root/", "/" + "tmp/bash"]
    found = [
        (name, part)
        for name in names
        if (ROOT / name).is_file()
        for part in forbidden
        if part in (ROOT / name).read_bytes().decode("utf-8", "ignore")
    ]
    assert not found


def test_nothing_generated_is_tracked():
    generated = ("_build/", "book/studies/", "book/_generated/", ".venv/")
    assert not [name for name in _tracked() if name.startswith(generated)]
