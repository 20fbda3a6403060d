"""What a build hands to Snakemake, and what it says when Snakemake cannot begin."""

import json

import pytest

from cxrstudy.runs import RunFolders, catalogue, graph

UNUSABLE = {
    "__main__.py: error: argument --executor/-e: invalid choice: 'slurm' (choose from 'local')": (
        "invalid choice: 'slurm'",
        "pip install -e '.[cluster]'",
    ),
    "Error: profile directory given (none), but no profile.yaml found.": ("no profile.yaml found",),
}


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Arguments of each call of Snakemake, which finds a project without studies."""
    monkeypatch.setattr(graph, "project_root", lambda: tmp_path)
    monkeypatch.setattr(graph, "studies", dict)
    monkeypatch.setattr(graph, "print_summary", lambda stamps_before: None)
    made = []
    monkeypatch.setattr(graph, "_snakemake", lambda lock, *arguments: made.append(arguments) or 0)
    return made


def test_a_profile_is_handed_through_and_else_each_study_takes_one_core(calls, tmp_path):
    (tmp_path / "own").mkdir()
    for profile, handed in ((str(tmp_path / "own"), str(tmp_path / "own")), ("named", "named")):
        assert graph.build_book("full", profile=profile) == 0
        assert calls[-1][1:3] == ("--profile", handed)
        assert "--cores" not in calls[-1] and "--set-threads" not in calls[-1]
    graph.build_book("full", cores=3)
    assert calls[-1][1:5] == ("--set-threads", "run=1", "--cores", "3")


@pytest.mark.parametrize("said", UNUSABLE)
def test_a_profile_that_cannot_be_used_is_said_so(said, calls, tmp_path, monkeypatch, capsys):
    def fail(lock, *arguments):
        (tmp_path / graph._LOG).write_text(f"usage: snakemake\n{said}\n", "utf-8")
        return 2

    monkeypatch.setattr(graph, "_snakemake", fail)
    assert graph.build_book(profile="none") == 2
    told = capsys.readouterr().err
    assert all(part in told for part in UNUSABLE[said])


def test_a_study_without_data_runs_anew_only_when_its_data_came(tmp_path, monkeypatch):
    stamps = {
        "kept": {"set": "quick", "missing": []},
        "other_set": {"set": "quick, overridden", "missing": []},
        "tables_deleted": {"set": "quick", "missing": []},
        "still_closed": {"set": "quick", "missing": ["gone"]},
        "data_came": {"set": "quick", "missing": ["gone", "here"]},
    }
    for module in (catalogue, graph):
        monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    monkeypatch.setattr(graph, "studies", lambda: [*stamps, "never_run"])
    for name, stamp in stamps.items():
        folders = RunFolders.of(name)
        folders.stamp.parent.mkdir(parents=True)
        folders.stamp.write_text(json.dumps(stamp), "utf-8")
        folders.results.mkdir(parents=True)
    RunFolders.of("tables_deleted").results.rmdir()
    stale = [path.split("/")[2] for path in graph._stale_stamps("quick", ["gone"])]
    assert stale == ["other_set", "tables_deleted", "data_came", "never_run"]
