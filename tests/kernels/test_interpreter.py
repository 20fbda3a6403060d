"""Kernels on the CPU: their tests, run in a process in which Triton interprets them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cxrstudy.paths import project_root


def test_kernels_under_the_interpreter():
    triton = pytest.importorskip("triton")
    if triton.__version__ < "3.7" and np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        pytest.skip("Triton 3.6 reads a loop's bounds in a way that NumPy 2.4 no longer allows")
    files = sorted(Path(__file__).parent.glob("test_*_kernel.py"))
    pytest_on = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "interpreter"]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    options = {"cwd": project_root(), "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([*pytest_on, *files], check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and " skipped" not in done.stdout, done.stdout
