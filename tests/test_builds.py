"""Whole builds give the same tables: killed at any moment and taken up, or on a cluster."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cxrstudy.paths import project_root
from cxrstudy.runs import studies

BUILDS = 10


def _checkout(folder: Path) -> Path:
    """Copy what git tracks, and what is new, into an empty folder."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=project_root(), capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (project_root() / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project_root() / name, folder / name)
    return folder


def _start_build(checkout: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "cxrstudy.cli", "book", "--set", "test", *options],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _tables(checkout: Path) -> dict[str, bytes]:
    results = checkout / "_build" / "results"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(mirror, tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """Tables of a build of this machine that nothing disturbs, and its seconds."""
    checkout = _checkout(tmp_path_factory.mktemp("undisturbed"))
    start = time.monotonic()
    assert _start_build(checkout).wait() == 0
    tables = _tables(checkout)
    assert tables
    return tables, time.monotonic() - start


@pytest.mark.slow
def test_ten_killed_builds_leave_the_same_tables(undisturbed, tmp_path):
    """Kill -9 at random moments, in turn the parent alone and the whole group, then build."""
    expected, duration = undisturbed
    chance = random.Random(20261122)
    disturbed = _checkout(tmp_path / "disturbed")
    killed, orphans = 0, False
    while killed < BUILDS:
        # Children that outlived a killed parent may still write: then nothing is taken away.
        for study in chance.sample(sorted(studies()), 0 if orphans else len(studies()) // 2):
            shutil.rmtree(disturbed / "_build" / "results" / study, ignore_errors=True)
        process = _start_build(disturbed)
        try:
            assert process.wait(chance.uniform(0.02, 0.5) * duration) == 0
            orphans = False
        except subprocess.TimeoutExpired:
            killed += 1
            orphans = killed % 2 == 1
            if orphans:
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert _start_build(disturbed).wait() == 0
    assert _tables(disturbed) == expected
    assert (disturbed / "_build" / "html" / "index.html").is_file()


@pytest.fixture
def slurm(tmp_path):
    """A SLURM of one node, this machine."""
    if os.geteuid() or not shutil.which("slurmctld"):
        pytest.skip("needs root and SLURM: apt-get install slurm-wlm munge")
    script = project_root() / "scripts" / "one_node_slurm.sh"
    subprocess.run([script, "start", tmp_path / "slurm"], check=True)
    yield
    subprocess.run([script, "stop", tmp_path / "slurm"], check=True)


@pytest.mark.slow
def test_slurm_gives_the_same_tables(undisturbed, slurm, tmp_path):
    """With the profile of the page On a cluster; its log folder has a log for each job."""
    checkout = _checkout(tmp_path / "checkout")
    assert _start_build(checkout, "--profile", "profiles/slurm").wait() == 0
    assert _tables(checkout) == undisturbed[0]
    assert len(list((checkout / "_build" / "log" / "slurm").rglob("*.log"))) == len(studies())
