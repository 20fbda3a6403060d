"""Copies of the notebooks for JupyterLab: when they are written, and that one runs whole."""

import os
import runpy
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from cxrstudy.paths import project_root
from cxrstudy.runs import studies

SCRIPT = runpy.run_path(str(project_root() / "scripts" / "write_lab_copies.py"))
write_copy = SCRIPT["write_copy"]


def _copy(set_name: str, **changed) -> nbformat.NotebookNode:
    notebook = SCRIPT["lab_copy"](studies()["published_tables"], set_name)
    notebook.cells[2].source += "".join(f"\n{name} = {value!r}" for name, value in changed.items())
    return notebook


def _edit(path: Path, **changed) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1] |= changed
    nbformat.write(notebook, path)


def test_a_copy_has_the_set_and_a_results_folder_of_its_own():
    cells = _copy("test").cells
    assert "n_draws: int = 20000" in cells[1].source
    assert "The set test" in cells[2].source and "n_draws = 500\n" in cells[2].source
    assert 'results = "_build/scratch/lab/published_tables"' in cells[2].source


def test_a_copy_that_has_only_been_run_is_replaced_and_an_edited_one_is_kept(tmp_path):
    path = tmp_path / "copy.ipynb"
    assert write_copy(_copy("quick"), path)
    _edit(path, outputs=[nbformat.v4.new_output("stream", text="ran")])
    ran = path.read_bytes()
    assert write_copy(_copy("quick"), path) and path.read_bytes() == ran
    assert write_copy(_copy("test"), path) and path.read_bytes() != ran
    _edit(path, source="mine = 1")
    mine = path.read_bytes()
    # Edited, but no newer version: nothing to say.
    assert write_copy(_copy("test"), path)
    assert not write_copy(_copy("quick"), path)
    assert path.read_bytes() == mine


def test_a_copy_shows_first_what_a_larger_recorded_run_found(capsys, monkeypatch):
    study, shown = studies()["nlp_to_expert_gap"], []
    small, same = (SCRIPT["lab_copy"](study, name).cells[1] for name in ("test", "quick"))
    assert "parameters" in same.metadata["tags"]
    publish = lambda data, metadata: shown.append((data, metadata["cxrstudy"]))  # noqa: E731
    monkeypatch.setattr("cxrstudy.book.top.publish_display_data", publish)
    exec(small.source)
    assert capsys.readouterr().out.startswith("The recorded run: set full, 20")
    (figure, _), (_, answer) = shown
    assert "<svg" in figure["image/svg+xml"] and "AUROC" in answer["sentence"]


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on an empty folder, without a user's settings, which asks no network."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    options = ["--no-browser", "--allow-root", f"--port={address[1]}", f"--notebook-dir={tmp_path}"]
    options += ["--IdentityProvider.token=lab", "--LabApp.extension_manager=readonly"]
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / ".own" / name) for name in ("CONFIG", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", *options]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log)
    while "is running at" not in (said := (tmp_path / "log").read_text("utf-8")):
        assert server.poll() is None, said
        time.sleep(0.2)
    yield f"http://127.0.0.1:{address[1]}/lab/tree/copy.ipynb?token=lab"
    server.terminate()
    server.wait()


@pytest.mark.browser
def test_run_all_in_jupyterlab_shows_every_figure_and_no_error(open_page, lab, tmp_path):
    path = tmp_path / "copy.ipynb"
    notebook = _copy("test", results=str(tmp_path / "results"))
    write_copy(notebook, path)
    page = open_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(lab)
    # The menu has its words for a notebook once there is one.
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    # After an error the last cell would not run.
    page.get_by_text(f"[{len(code)}]:", exact=True).wait_for()
    outputs = page.locator(".jp-OutputArea-output")
    assert outputs.locator("table").count() >= 20
    assert outputs.locator("[data-mime-type*=error], [data-mime-type*=stderr]").count() == 0
    loaded = "images => images.map(image => image.complete && image.naturalWidth > 100)"
    shown = outputs.locator("img").evaluate_all(loaded)
    assert shown == [True] * sum("page.figure(" in cell for cell in code)
