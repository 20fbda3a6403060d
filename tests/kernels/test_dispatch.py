"""Which path runs, and that the package works where Triton is not installed."""

import subprocess
import sys

import torch

from cxrstudy.kernels.checks import CHECKS, check_table
from cxrstudy.kernels.dispatch import KERNEL, REFERENCE, takes_kernel, watch_paths
from cxrstudy.paths import project_root

WITHOUT_TRITON = """
import sys
sys.modules["triton"] = None
from cxrstudy.kernels.checks import check_table
from cxrstudy.kernels import augment, bce, bootstrap, distill, quantiles, ranking, resample
table = check_table()
assert set(table["path"]) == {"reference"}, table
assert (table["error"] <= table["allowed"]).all(), table
"""


def test_everything_runs_without_triton():
    """Every family imports and gives its reference's numbers, in a process without Triton."""
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_TRITON]
    done = subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_gpu_takes_the_kernel_and_a_cpu_the_reference(monkeypatch):
    monkeypatch.setattr("cxrstudy.kernels.dispatch.HAS_TRITON", True)
    with watch_paths() as paths:
        assert takes_kernel("a", torch.device("cuda"))
        assert not takes_kernel("b", torch.device("cuda"), supported=False)
        assert not takes_kernel("c", torch.device("cpu"))
        with watch_paths() as inner:
            takes_kernel("d", torch.device("cpu"))
    assert paths == [("a", KERNEL), ("b", REFERENCE), ("c", REFERENCE)]
    assert inner == [("d", REFERENCE)]


def test_checks_name_each_family_and_its_path():
    """On this machine's own path; kernels are checked under the interpreter and on a GPU."""
    table = check_table()
    assert table["family"].tolist() == list(CHECKS)
    assert (table["error"] <= table["allowed"]).all()
