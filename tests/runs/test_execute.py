"""One run from start to end on a tiny study, and what a failure leaves."""

import importlib
import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cxrstudy.runs import ParameterError, RunFolders, Study, StudyFailedError, run_study
from cxrstudy.runs import execute as execute_module

PARAMETERS = (
    'n: int = 2  # rows\nfail: bool = False  # stop\nresults: str = "_build/scratch/tiny"  # to'
)
BODY = """\
from pathlib import Path
folder = Path(results)
folder.mkdir(parents=True, exist_ok=True)
(folder / "rows.csv").write_text("n\\n" + "1\\n" * n)
print(folder, Path.cwd())
print((folder.parent / "cell.json").read_text())
if fail:
    raise ValueError("<b>no</b> rows")
"""


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project folder with one tiny notebook, which every module of the runs believes in."""
    root = tmp_path / "project"
    (root / "notebooks").mkdir(parents=True)
    cells = [
        new_markdown_cell("# Tiny"),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new_code_cell(BODY),
    ]
    kernel = {"name": "python3", "display_name": "Python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = new_notebook(cells=cells, metadata=metadata)
    nbformat.write(notebook, root / "notebooks" / "tiny.ipynb")
    for module in ("execute", "catalogue", "stamp"):
        # Not by dotted name: the package exports functions under names of modules.
        loaded = importlib.import_module(f"cxrstudy.runs.{module}")
        monkeypatch.setattr(loaded, "project_root", lambda: root)
    return root


@pytest.fixture
def tiny() -> Study:
    return Study("tiny", "Tiny", "tiny.ipynb", data=(), sets={"quick": {}, "test": {"n": 1}})


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(folder.iterdir())}


def test_a_run_publishes_tables_notebook_and_stamp(project, tiny):
    folders = run_study(tiny, "quick", {"n": "3"})
    assert folders == RunFolders.of("tiny")
    assert folders.results == project / "_build" / "results" / "tiny"
    assert _files(folders.results) == {"rows.csv": "n\n1\n1\n1\n"}
    stamp = json.loads(folders.stamp.read_text("utf-8"))
    assert (stamp["set"], stamp["missing"], stamp["commit"]) == ("quick, overridden", [], "")
    assert stamp["parameters"] == {"n": 3, "fail": False}
    left = {path.name for path in folders.stamp.parent.iterdir()}
    assert left == {".lock", "executed.ipynb", "stamp.json"}
    text = folders.executed.read_text("utf-8")
    # It is free of this machine, and prints what its run told the build meanwhile: the third of
    # three code cells, as Papermill adds one with the parameters.
    assert str(project) not in text and "_build/results/tiny" in text
    said = text.replace("\\", "")
    assert '"cell": 3' in said and '"of": 3' in said and '"heading": "Tiny"' in said
    notebook = nbformat.reads(text, as_version=4)
    assert "papermill" not in notebook.metadata
    for cell in notebook.cells:
        assert not {"papermill", "execution"} & set(cell.metadata)


def _leave(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", "utf-8")


def test_a_run_replaces_what_others_left(project, tiny):
    """Tables, the note of a failure, and the scratch folder of a run that was killed."""
    folders = RunFolders.of("tiny")
    scratch = folders.stamp.parent / "tmpkilled"
    _leave(folders.results / "old.csv", folders.failure, scratch / "half.csv")
    run_study(tiny, "quick")
    assert _files(folders.results) == {"rows.csv": "n\n1\n1\n"}
    assert not folders.failure.exists() and not scratch.exists()


def test_a_failure_is_written_down_and_leaves_the_tables(project, tiny):
    folders = RunFolders.of("tiny")
    _leave(folders.results / "rows.csv", folders.stamp)
    with pytest.raises(StudyFailedError, match="tiny: ValueError: <b>no</b> rows"):
        run_study(tiny, "quick", {"fail": "true", "n": 9})
    failure = json.loads(folders.failure.read_text("utf-8"))
    assert (failure["study"], failure["error"]) == ("tiny", "tiny: ValueError: <b>no</b> rows")
    assert _files(folders.results) == {"rows.csv": "{}"}
    assert not folders.stamp.exists()
    assert not list(folders.stamp.parent.glob("tmp*"))


@pytest.mark.parametrize("overrides", [{"rows": 1}, {"n": "many"}])
def test_bad_parameters_start_no_kernel(project, tiny, monkeypatch, overrides):
    monkeypatch.setattr(execute_module.papermill, "execute_notebook", None)
    with pytest.raises(ParameterError):
        run_study(tiny, "quick", overrides)
    assert not (project / "_build").exists()


def test_missing_data_run_nothing_and_are_named(project, monkeypatch):
    monkeypatch.setattr(execute_module, "unavailable", list)
    monkeypatch.setattr(execute_module.papermill, "execute_notebook", None)
    study = Study("tiny", "Tiny", "tiny.ipynb", ("chexpert_test_set_labels",), {"quick": {}})
    folders = run_study(study, "quick")
    assert json.loads(folders.stamp.read_text("utf-8"))["missing"] == ["chexpert_test_set_labels"]
    assert not folders.executed.exists() and not list(folders.results.iterdir())
