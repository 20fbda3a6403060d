"""A build that is killed at any moment is taken up by the next one, with the same tables."""

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


def _start_build(checkout: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "cxrstudy.cli", "book", "--set", "test"],
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


@pytest.mark.slow
def test_ten_killed_builds_leave_the_same_tables(mirror, tmp_path):
    """Kill -9 at random moments, once the parent alone and once the whole group, then build."""
    undisturbed = _checkout(tmp_path / "undisturbed")
    start = time.monotonic()
    assert _start_build(undisturbed).wait() == 0
    duration = time.monotonic() - start
    expected = _tables(undisturbed)
    assert expected

    chance = random.Random(20261122)
    disturbed = _checkout(tmp_path / "disturbed")
    for build in range(BUILDS):
        process = _start_build(disturbed)
        time.sleep(chance.uniform(0.05, 0.9) * duration)
        if build % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        if build % 3 == 2:
            shutil.rmtree(disturbed / "_build" / "results", ignore_errors=True)
    assert _start_build(disturbed).wait() == 0
    assert _tables(disturbed) == expected
    assert (disturbed / "_build" / "html" / "index.html").is_file()
