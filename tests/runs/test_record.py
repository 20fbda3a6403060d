"""Recorded runs: whole, with their provenance, never replaced by a smaller one, as good as own."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, writes

from cxrstudy import recorded
from cxrstudy.agreement import Estimate
from cxrstudy.book import site
from cxrstudy.claims import record
from cxrstudy.display import METADATA_KEY
from cxrstudy.paths import recorded_folder as folder_of_the_project
from cxrstudy.recorded import load_recorded
from cxrstudy.runs import RecordError, RunFolders, catalogue, record_benchmark, record_run, study
from cxrstudy.runs.shown import ledger_of_runs, set_size, shown_run

TESTED, COUNTED = "deberta_rad.student_beats_teacher", "visualchexbert.table4"
TRAINED, LABELS = study("distillation"), study("reader_panel")
ID = "CheXpert-v1.0/test/patient00001/study1"


@pytest.fixture
def recorded_folder(tmp_path, monkeypatch):
    folder = tmp_path / "recorded"
    for module in (recorded, catalogue):
        monkeypatch.setattr(module, "recorded_folder", lambda: folder)
    return folder


def _page(set_name: str) -> str:
    figure = {"kind": "figure", "name": "arms", "caption": "Arms", "alt": "Two"}
    finding = {"kind": "finding", "sentence": f"Arms differ in {set_name}"}
    texts = {"sentence": f"It is {set_name}.", "means": "Mind.", "changes": "More."}
    answer = {"kind": "answer", "name": "answer", "figure": "arms", **texts}
    picture, plain = {"image/svg+xml": "<svg/>", "text/plain": ID}, {"text/plain": ""}
    drawn, found, answered = (
        new_output("display_data", data, metadata={METADATA_KEY: shown})
        for data, shown in ((picture, figure), (plain, finding), (plain, answer))
    )
    warning = new_output("stream", name="stderr", text="a folder of this machine")
    code = new_code_cell("draw()", outputs=[warning, found, drawn])
    last = new_code_cell("answer()", outputs=[answered])
    cells = [new_markdown_cell(text) for text in ("# Title\nText", "## Arms\n\nCompared.")]
    return writes(new_notebook(cells=[*cells, code, last]))


def _finished_run(a_study, build, set_name: str, value: float = 0.25):
    """Write what a run leaves: page, stamp, table and measurements of both kinds."""
    folders = RunFolders.of(a_study.name, build)
    folders.results.mkdir(parents=True, exist_ok=True)
    folders.stamp.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"arm": ["a", ID], "estimate": [value, 0.5]})
    table.to_csv(folders.results / "arms.csv", index=False)
    folders.executed.write_text(_page(set_name), "utf-8")
    rng = np.random.default_rng(0)
    spread, left_out = rng.normal(value, 0.01, 400), rng.normal(value, 1e-4, 100)
    estimate = Estimate(value, spread, n=100, positives=40, jackknife=left_out)
    record(folders.results, TESTED, estimate, data="made up", n=100, seeds=5)
    record(folders.results, COUNTED, data="made up", n=100, cells=20, matching=19)
    stamp = {"study": a_study.name, "set": set_name, "missing": [], "commit": "abc", "source": "0",
             "parameters": {}, "versions": {"numpy": "2"}, "data": {"made up": "0123"},
             "seconds": 1.0}  # fmt: skip
    folders.stamp.write_text(json.dumps(stamp), "utf-8")
    return a_study


def _run_without_data(a_study, build) -> None:
    folders = RunFolders.of(a_study.name, build)
    folders.results.mkdir(parents=True)
    folders.stamp.parent.mkdir(parents=True)
    stamp = {"study": a_study.name, "set": "quick", "missing": ["chexpert_test_set_labels"]}
    folders.stamp.write_text(json.dumps(stamp), "utf-8")


def test_a_record_alone_gives_the_ledger_of_the_run(tmp_path, recorded_folder):
    """Every field of every row, to the digit, of counted claims too."""
    record_run(_finished_run(LABELS, tmp_path / "open", "full"), tmp_path / "open")
    _run_without_data(LABELS, tmp_path / "closed")
    rows = ledger_of_runs(tmp_path / "open")
    assert ledger_of_runs(tmp_path / "closed") == rows
    found = {row.id: row for row in rows if row.measured}
    assert found[COUNTED].measured == "19 of 20 cells" and found[TESTED].low is not None
    assert ledger_of_runs(tmp_path / "none") == rows


def test_a_page_without_data_is_the_recorded_one(tmp_path, recorded_folder):
    record_run(_finished_run(LABELS, tmp_path / "open", "full"), tmp_path / "open")
    _run_without_data(LABELS, tmp_path / "closed")
    site._assemble_study(LABELS, tmp_path / "pages", tmp_path / "closed", [])
    page = (tmp_path / "pages" / "reader_panel.ipynb").read_text("utf-8")
    assert "with set `full`" in page and "image/svg+xml" in page
    assert (tmp_path / "pages" / "reader_panel" / "reader_panel_arms.csv").is_file()


def test_a_recorded_run_names_no_study_of_chexpert(tmp_path, recorded_folder):
    record_run(_finished_run(LABELS, tmp_path, "full"), tmp_path)
    kept = RunFolders.recorded(LABELS.name)
    for path in (kept.executed, kept.results / "arms.csv"):
        assert "withheld" in path.read_text("utf-8") and ID not in path.read_text("utf-8")
    page = json.loads(kept.executed.read_text("utf-8"))
    kinds = [output["output_type"] for output in page["cells"][2]["outputs"]]
    assert kinds == ["display_data", "display_data"]
    assert not list(kept.stamp.parent.glob("tmp*"))


def test_what_is_recorded_in_the_repository_is_whole_small_and_aggregate():
    files = [path for path in folder_of_the_project().glob("**/*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8e6
    texts = [path.read_text("utf-8") for path in files if path.suffix != ".npz"]
    assert not [text for text in texts if re.search(r"patient\d{4}|site-packages", text)]
    for stamp in folder_of_the_project().glob("*/stamp.json"):
        kept = RunFolders.recorded(stamp.parent.name)
        assert kept.executed.is_file() and list(kept.results.glob("*.csv"))


def test_a_smaller_run_does_not_replace_a_larger_one(tmp_path, recorded_folder):
    record_run(_finished_run(TRAINED, tmp_path, "cpu", 0.25), tmp_path)
    with pytest.raises(RecordError, match=r"larger set 'cpu'.*delete that"):
        record_run(_finished_run(TRAINED, tmp_path, "quick", 0.1), tmp_path)
    results = RunFolders.recorded(TRAINED.name).results
    assert pd.read_csv(results / "arms.csv")["estimate"].iloc[0] == 0.25
    record_run(_finished_run(TRAINED, tmp_path, "full", 0.3), tmp_path)
    assert pd.read_csv(results / "arms.csv")["estimate"].iloc[0] == 0.3


def test_only_a_finished_run_of_a_named_set_is_recorded(tmp_path, recorded_folder):
    with pytest.raises(RecordError, match="no finished run"):
        record_run(LABELS, tmp_path)
    with pytest.raises(RecordError, match="complete run of a named set"):
        record_run(_finished_run(LABELS, tmp_path, "cpu, overridden"), tmp_path)
    _run_without_data(TRAINED, tmp_path)
    with pytest.raises(RecordError, match="lacks.*chexpert"):
        record_run(TRAINED, tmp_path)


@pytest.mark.parametrize(
    ("own_set", "decides"),
    [(None, "recorded"), ("quick", "recorded"), ("cpu, overridden", "recorded"), ("cpu", "own"),
     ("full", "own")],
)  # fmt: skip
def test_the_larger_run_decides_and_is_shown(own_set, decides, tmp_path, recorded_folder):
    """Ledger and page are of one run, in either direction; the smaller one's page says no more."""
    record_run(_finished_run(TRAINED, tmp_path / "long", "cpu"), tmp_path / "long")
    build, pages = tmp_path / "own", tmp_path / "pages"
    if own_set:
        _finished_run(TRAINED, build, own_set, -0.25)
    own, kept = RunFolders.of(TRAINED.name, build), RunFolders.recorded(TRAINED.name)
    assert shown_run(TRAINED, build) == (own if decides == "own" else kept)
    rows = ledger_of_runs(build)
    measured = {row.id: row.measured for row in rows}[TESTED]
    assert measured == ("-0.250" if decides == "own" else "+0.250")
    site._assemble_study(TRAINED, pages, build, rows)
    page = (pages / "distillation.ipynb").read_text("utf-8")
    set_name = own_set if decides == "own" else "cpu"
    assert f"It is {set_name}." in page and f"## Arms differ in {set_name}" in page
    assert measured.replace("-", "\N{MINUS SIGN}") in page
    table = pd.read_csv(pages / "distillation" / "distillation_arms.csv")
    assert f"{table['estimate'].iloc[0]:+.3f}" == measured
    small = pages / "distillation_run.ipynb"
    assert small.exists() == (own_set is not None and decides == "recorded")
    assert ("recorded run (set `cpu`" in page) == (decides == "recorded")
    assert ("distillation_run.ipynb" in page) == small.exists()
    if small.exists():
        text = small.read_text("utf-8")
        assert f"Set `{own_set}`" in text and "distillation_run/distillation_run_arms.csv" in text
        assert "## Arms\\n" in text and "image/svg+xml" in text
        said = ("cxr-chips", "Arms differ", f"It is {own_set}", "cxr-decided", "cxr-answer")
        assert not [words for words in said if words in text]
        table = pd.read_csv(pages / "distillation_run" / "distillation_run_arms.csv")
        assert table["estimate"].iloc[0] == -0.25


def test_a_failed_run_is_told_beside_the_recorded_one(tmp_path, recorded_folder):
    record_run(_finished_run(TRAINED, tmp_path / "long", "cpu"), tmp_path / "long")
    failed = RunFolders.of(TRAINED.name, tmp_path / "own").failure
    failed.parent.mkdir(parents=True)
    failed.write_text(json.dumps({"error": "ValueError: no"}), "utf-8")
    site._assemble_study(TRAINED, tmp_path / "pages", tmp_path / "own", [])
    assert "It is cpu." in (tmp_path / "pages" / "distillation.ipynb").read_text("utf-8")
    assert "ValueError: no" in (tmp_path / "pages" / "distillation_run.ipynb").read_text("utf-8")


def test_sets_with_the_same_parameters_are_the_same_size():
    """A study whose quick set is its full one decides by its own quick run."""
    sizes = [set_size(LABELS, {"set": name}) for name in ("test", "quick", "full")]
    assert sizes[0] < sizes[1] == sizes[2]
    unranked = ({}, {"set": "full, overridden"}, {"set": "full", "missing": ["x"]})
    assert {set_size(LABELS, stamp) for stamp in unranked} == {-1}


def test_a_benchmark_is_recorded_with_its_provenance(recorded_folder):
    table = pd.DataFrame({"labeler": ["rules"], "reports per second": [9]})
    path = record_benchmark(table, "speed", LABELS, "one thread")
    table = load_recorded("speed")
    assert path == recorded_folder / "speed.csv" and list(recorded_folder.iterdir()) == [path]
    assert table["set"].tolist() == ["benchmark, one thread"]
    assert table["versions"].str.contains("numpy").all()
