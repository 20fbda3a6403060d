"""Every notebook runs, small; a run is a pure function, whichever way a reader starts it."""

import functools
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from cxrstudy.data.registry import dataset
from cxrstudy.paths import project_root
from cxrstudy.runs import run_study, studies


@pytest.fixture(scope="module")
def tables_of(tmp_path_factory, request):
    """Run a study's notebook once, as a reader does who opens it where it lies."""

    @functools.cache
    def run(name: str) -> tuple[nbformat.NotebookNode, Path]:
        study = studies()[name]
        # Tier 0 ships with the book; the rest has to be at hand.
        if any(dataset(data).tier for data in study.data):
            request.getfixturevalue("mirror")
        folder = tmp_path_factory.mktemp(name)
        small = {**study.parameters("test"), "results": str(folder)}
        notebook = parameterize_notebook(load_notebook_node(str(study.notebook_path)), small)
        options = {"kernel_name": "python3", "startup_timeout": 600}
        resources = {"metadata": {"path": str(study.notebook_path.parent)}}
        NotebookClient(notebook, resources=resources, **options).execute()
        return notebook, folder

    return run


@pytest.mark.parametrize("name", list(studies()))
def test_notebook_runs_from_its_own_folder(name, tables_of):
    """It writes tables, and each cell ends in one exhibit."""
    notebook, folder = tables_of(name)
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type != "code" or tags & {"parameters", "injected-parameters"}:
            continue
        exhibits = [
            output.metadata["cxrstudy"]["kind"]
            for output in cell.outputs
            if "cxrstudy" in output.get("metadata", {})
        ]
        # A note stands where a table or figure would if its numbers had been recorded.
        shown = [kind for kind in exhibits if kind not in {"caption", "finding"}]
        assert shown in (["table"], ["figure"], ["note"], ["answer"])
    assert list(folder.glob("*.csv"))


def test_plain_papermill_gives_the_same_tables(tables_of, tmp_path):
    """`papermill notebook out.ipynb -p n_bootstrap 60` in the project's folder; to the byte."""
    _, expected = tables_of("nih_labels_vs_experts")
    papermill = Path(sys.executable).with_name("papermill")
    command = [papermill, "notebooks/02c_nih_labels_vs_experts.ipynb", tmp_path / "out.ipynb"]
    command += ["-p", "n_bootstrap", "60", "-p", "results", tmp_path / "results"]
    command += ["--start-timeout", "600"]
    subprocess.run(command, cwd=project_root(), check=True, capture_output=True, text=True)
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (expected, tmp_path / "results")
    ]
    assert contents[0] == contents[1]


@pytest.mark.usefixtures("mirror")
def test_own_tables_are_checked_and_scored(tmp_path):
    """Study 02 on two own tables names their displaced block and says nothing of CheXpert's."""
    import numpy as np
    import pandas as pd

    source = dataset("chexpert_test_set_labels")
    truth = pd.read_csv(source.path("groundtruth.csv"))[["Study", "Edema", "Pleural Effusion"]]
    truth.loc[0, "Study"] = "<script>document.title='owned'</script>"
    labels = truth.assign(Edema=truth["Edema"].where(truth.index % 7 > 0, 1)).iloc[:400].copy()
    # The ids of rows 100 to 199 are pushed down by one row.
    labels.loc[100:199, "Study"] = np.roll(labels.loc[100:199, "Study"], 1)
    truth.to_csv(tmp_path / "truth.csv", index=False)
    labels.to_parquet(tmp_path / "labels.parquet")
    paths = {"truth": str(tmp_path / "truth.csv"), "labels": str(tmp_path / "labels.parquet")}
    study = studies()["report_vs_image_agreement"]
    folders = run_study(study, "test", paths | {"n_bootstrap": 60}, build=tmp_path / "build")
    findings = pd.read_csv(folders.results / "integrity.csv").set_index("kind")
    displaced = findings.loc["displaced block"]
    assert displaced["severity"] == "error"
    assert "in rows 100 to 199 stand 1 row too early" in displaced["what_was_found"]
    assert "move all other cells of these rows down by 1" in displaced["repair"]
    assert pd.read_csv(folders.results / "left_out.csv")["count"].tolist() == [100]
    scored = pd.read_csv(folders.results / "table4.csv")["observation"]
    assert scored.tolist()[:2] == ["Edema", "Pleural Effusion"]
    of_the_paper = ("table4_", "table1_", "odds_ratios", "reconstructed", "radiologist")
    names = [path.name for path in folders.results.iterdir()]
    names.remove("table4_by_alignment.csv")  # the block is scored with and without its repair
    assert not [name for name in names if name.startswith(of_the_paper)]
    assert "claims" not in names
    assert not any("radiologist" in name for name in _columns(folders.results))
    page = folders.executed.read_text("utf-8")
    assert page.count('"kind": "note"') == 3
    assert "<script>document.title" not in page


def _columns(results: Path) -> set[str]:
    tables = results.glob("*.csv")
    return {name for path in tables for name in path.read_text("utf-8").split("\n")[0].split(",")}
