"""Which runs a build makes anew although Snakemake sees no change."""

import json

from cxrstudy.runs import RunFolders, catalogue, graph


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
