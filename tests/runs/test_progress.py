"""What a build shows, on a terminal and in a file, from Snakemake's events on."""

import io
import json
import re
import subprocess
import sys

import pytest
from rich.console import Console

from cxrstudy.paths import project_root
from cxrstudy.runs import RunFolders, Study
from cxrstudy.runs import progress as progress_module
from cxrstudy.runs.progress import BuildProgress, print_summary, stamp_times

SNAKEFILE = """
rule site:
    input: "published_tables.txt", "reader_panel.txt"
rule run:
    output: "{study}.txt"
    shell: "test {wildcards.study} = published_tables && touch {output}"
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Four studies: one took 100 s, one is recorded with 20 s, two have no data."""
    for module in ("paths", "runs.catalogue"):
        monkeypatch.setattr(f"cxrstudy.{module}.project_root", lambda: tmp_path)
    names = ("long", "short", "closed", "empty")
    listed = {name: Study(name, name.title(), "", (), {}, seconds=20.0) for name in names}
    monkeypatch.setattr(progress_module, "studies", lambda: listed)
    _stamp("long", set="quick", seconds=100.0, missing=[])
    for name in ("closed", "empty"):
        _stamp(name, study=name, set="quick", missing=["a data set"])
    kept = RunFolders.recorded("closed").stamp
    kept.parent.mkdir(parents=True)
    kept.touch()
    return tmp_path


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def _stamp(name: str, **content) -> None:
    path = RunFolders.of(name).stamp
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def _console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, _environ={})


def test_a_terminal_shows_the_cell_the_time_and_what_is_left(project, clock):
    cell = RunFolders.of("short").stamp.parent / "tmp1" / "cell.json"
    cell.parent.mkdir(parents=True)
    cell.write_text('{"cell": 2, "of": 9, "heading": "A [bold] step"}', "utf-8")
    progress = BuildProgress("quick", _console(terminal=True))
    progress.plan(3)
    progress.begin("long")
    progress.begin("short")
    clock[0] = 5.0
    shown = _console(terminal=False)
    shown.print(progress._living_lines())
    progress.close()
    assert [line.rstrip() for line in shown.file.getvalue().splitlines()] == [
        "Long   0:05 of about 1:40  starting",
        "Short  0:05 of about 0:20  cell 2 of 9, A [bold] step",
        # 95, 15 and 20 s, two at a time, but 95 s for the long one alone.
        "0 of 3 studies finished in 0:05, about 1:35 left",
    ]


def test_a_file_gets_lines_also_while_nothing_ends(project, clock, monkeypatch):
    progress = BuildProgress("full", console := _console(terminal=False))
    waits = iter([False, True])
    monkeypatch.setattr(progress._closed, "wait", lambda seconds: next(waits))
    progress._n_studies = 2
    progress.begin("long")
    clock[0] = 3661.0
    progress._speak_each_minute()
    (project / "_build" / "log").mkdir()
    (project / "_build" / "log" / "long.log").write_text("warning\nerror: no rows\nthe end\n")
    progress.fail("long")
    assert console.file.getvalue().splitlines() == [
        "   0:00  Long: begins",
        "1:01:01  Long: 1:01:01 starting",
        "1:01:01  0 of 2 studies finished in 1:01:01",
        "1:01:01  Long: FAILED after 1:01:01: no rows (log: _build/log/long.log)",
    ]


def test_the_last_table_says_what_was_done(project):
    before = stamp_times()
    _stamp("short", set="quick", seconds=20.0, missing=[])
    print_summary(before, console := _console(terminal=False))
    shown = console.file.getvalue()
    rows = ("Long +1:40 +kept", "Short +0:20 +run", "Closed +recorded", "Empty +no data")
    for row in (*rows, "There is no book"):
        assert re.search(row, shown)


def test_snakemake_finds_the_plugin_and_tells_it_each_job(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE, "utf-8")
    options = ["--cores", "1", "--keep-going", "--directory", tmp_path, "--logger", "cxrstudy"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", tmp_path / "Snakefile", *options]
    finished = subprocess.run(command, cwd=project_root(), capture_output=True, text=True)
    assert finished.returncode == 1
    said = finished.stdout
    assert len(re.findall(": begins", said)) == 2
    assert re.search(r"14 · The papers against themselves: done in .* of 2 studies", said)
    assert re.search(r"02b · Reader panel: FAILED after ", said)
    assert "Error in rule run" in finished.stderr and "Error in rule" not in said
