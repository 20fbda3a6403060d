"""Kernels on the CPU: their tests, run in a process in which Triton interprets them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxrstudy.paths import project_root

FAMILIES = sorted(path.name for path in Path(__file__).parent.glob("test_*_kernel.py"))


@pytest.mark.parametrize("family", FAMILIES)
def test_kernel_under_the_interpreter(family):
    """Every test of the family passes; Triton must be told before it is imported."""
    pytest.importorskip("triton")
    path = Path(__file__).with_name(family)
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(path),
        "-m",
        "interpreter",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        command,
        cwd=project_root(),
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and " skipped" not in done.stdout, done.stdout
