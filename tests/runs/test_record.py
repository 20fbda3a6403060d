"""Recorded runs: with their provenance, never replaced by a smaller one, used by the ledger."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxrstudy import recorded
from cxrstudy.agreement import Estimate
from cxrstudy.claims import build_ledger, record
from cxrstudy.recorded import PROVENANCE, load_recorded, provenance_in_words
from cxrstudy.runs import RecordError, RunFolders, record_benchmark, record_run, study
from cxrstudy.runs.execute import studies_run_in_full

CLAIM = "deberta_rad.student_beats_teacher"


@pytest.fixture
def recorded_folder(tmp_path, monkeypatch):
    folder = tmp_path / "recorded"
    monkeypatch.setattr(recorded, "recorded_folder", lambda: folder)
    monkeypatch.setattr("cxrstudy.runs.record.recorded_folder", lambda: folder)
    return folder


def _estimate(value: float) -> Estimate:
    spread = np.random.default_rng(0).normal(value, 0.001, 400)
    return Estimate(value, spread, n=100, positives=40, jackknife=spread[:50])


def _finished_run(build, set_name: str, value: float):
    """Write what a run of a study leaves: stamp, table and a measurement."""
    a_study = replace(study("published_tables"), recorded="arms")
    folders = RunFolders.of(a_study.name, build)
    folders.results.mkdir(parents=True, exist_ok=True)
    folders.stamp.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"arm": ["a", "b"], "estimate": [value, 0.5]}).to_csv(
        folders.results / "arms.csv", index=False
    )
    record(folders.results, CLAIM, _estimate(value), data="made up", n=100, seeds=5)
    stamp = {"study": a_study.name, "set": set_name, "missing": [], "commit": "abc",
             "versions": {"numpy": "2"}, "data": {"made up": "0123"}}  # fmt: skip
    folders.stamp.write_text(json.dumps(stamp), "utf-8")
    return a_study


def test_a_recorded_run_carries_its_provenance(tmp_path, recorded_folder):
    path = record_run(_finished_run(tmp_path, "cpu", 0.25), tmp_path)
    assert path == recorded_folder / "published_tables.csv"
    table = load_recorded("published_tables")
    assert table["estimate"].tolist() == [0.25, 0.5]
    assert table[list(PROVENANCE)].notna().all(axis=None)
    assert "set cpu" in provenance_in_words(table)


def test_a_smaller_run_does_not_replace_a_larger_one(tmp_path, recorded_folder):
    record_run(_finished_run(tmp_path, "cpu", 0.25), tmp_path)
    quick = _finished_run(tmp_path, "quick", 0.1)
    with pytest.raises(RecordError, match=r"larger set 'cpu'.*delete that file"):
        record_run(quick, tmp_path)
    assert load_recorded("published_tables")["estimate"].iloc[0] == 0.25
    assert record_run(_finished_run(tmp_path, "full", 0.3), tmp_path).exists()
    assert load_recorded("published_tables")["estimate"].iloc[0] == 0.3


@pytest.mark.parametrize("set_name", ["quick, overridden", "cpu, overridden"])
def test_a_run_of_overridden_parameters_is_not_recorded(tmp_path, recorded_folder, set_name):
    with pytest.raises(RecordError, match="complete run of a named set"):
        record_run(_finished_run(tmp_path, set_name, 0.1), tmp_path)


def test_a_study_without_a_run_or_a_table_to_record_is_refused(tmp_path, recorded_folder):
    with pytest.raises(RecordError, match="names no table"):
        record_run(study("published_tables"), tmp_path)
    with pytest.raises(RecordError, match="no finished run"):
        record_run(replace(study("published_tables"), recorded="arms"), tmp_path)


def test_the_ledger_prefers_the_recorded_measurement_to_a_smaller_run(tmp_path, recorded_folder):
    record_run(_finished_run(tmp_path / "long", "cpu", 0.25), tmp_path / "long")
    _finished_run(tmp_path / "own", "quick", -0.25)

    def measured(**options) -> str:
        rows = build_ledger(tmp_path / "own" / "results", recorded=recorded_folder, **options)
        return next(row for row in rows if row.id == CLAIM).measured

    assert measured() == "+0.250"
    assert measured(full_studies={"distillation"}) == "-0.250"


@pytest.mark.parametrize(
    ("recorded_set", "own_set", "counts"),
    [
        (None, "quick", True),
        ("cpu", "quick", False),
        ("cpu", "cpu", True),
        ("cpu", "full", True),
        ("benchmark", "quick", True),
    ],
)
def test_the_ledger_takes_the_larger_run(recorded_set, own_set, counts, tmp_path, recorded_folder):
    """What a benchmark recorded under a study's name is no run of it."""
    name = _finished_run(tmp_path, own_set, 0.25).name
    if recorded_set:
        recorded_folder.mkdir()
        pd.DataFrame({"set": [recorded_set]}).to_csv(recorded_folder / f"{name}.csv")
    assert (name in studies_run_in_full(tmp_path)) == counts


def test_a_benchmark_is_recorded_with_its_provenance(recorded_folder):
    table = pd.DataFrame({"labeler": ["rules"], "reports per second": [9]})
    path = record_benchmark(table, "speed", study("published_tables"), "one thread")
    table = load_recorded("speed")
    assert path == recorded_folder / "speed.csv" and list(recorded_folder.iterdir()) == [path]
    assert table["set"].tolist() == ["benchmark, one thread"]
    assert table["versions"].str.contains("numpy").all()
