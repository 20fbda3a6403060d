"""A bare GPU machine: torch and the scientific stack, no more, and no installation."""

import os
import subprocess
import sys

import pytest

from cxrstudy.paths import project_root

ABSENT = (
    *("diskcache", "grimp", "hypothesis", "nbformat", "openai", "papermill", "platformdirs"),
    *("pooch", "pydicom", "torchxrayvision", "transformers", "typer"),
)

WITHOUT = f"""
import sys
from importlib import metadata

class Finder:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *where):
        absent = name.partition(".")[0] in {ABSENT!r}
        return None if absent else self.finder.find_spec(name, *where)

    def __getattr__(self, name):
        return getattr(self.finder, name)

known = metadata.version
def version(name):
    if name in {("cxrstudy", *ABSENT)!r}:
        raise metadata.PackageNotFoundError(name)
    return known(name)

metadata.version = version
sys.meta_path[:] = [Finder(finder) for finder in sys.meta_path]
"""


def run_there(program: str) -> subprocess.CompletedProcess:
    """Run a program in the checkout, without the absent packages and without a GPU."""
    # A plug-in of pytest's that is itself absent there.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", WITHOUT + program]
    options = {"cwd": project_root(), "env": environment, "capture_output": True, "text": True}
    return subprocess.run(command, check=False, **options)


def test_kernel_tests_for_a_gpu_are_found():
    options = "['-m', 'gpu', '--collect-only', '-p', 'no:cacheprovider', 'tests/kernels']"
    done = run_there(f"import pytest; sys.exit(pytest.main({options}))")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpu" in done.stdout and "error" not in done.stdout.lower(), done.stdout


WITHOUT_TRITON = """
import warnings
warnings.simplefilter("ignore")
sys.modules["triton"] = None
import torch
from cxrstudy.agreement.resampling import resampling_units
from cxrstudy.kernels import replicates
from cxrstudy.kernels.augment import Augmentation, augment_views
from cxrstudy.kernels.bce import masked_bce
from cxrstudy.kernels.dispatch import watch_paths
from cxrstudy.kernels.distill import distillation_loss
from cxrstudy.kernels.resample import multiplicities
with watch_paths() as paths:
    masked_bce(torch.zeros(2, 14), torch.zeros(2, 14))
    distillation_loss(torch.zeros(2, 13, 3), torch.ones(2, 13, 3) / 3, 0.5, 2.0)
    augment_views(torch.zeros(1, 8, 8, dtype=torch.uint8), torch.tensor([0]), Augmentation(), 0)
    assert multiplicities(resampling_units(5), 3, 0).sum() == 15
assert {family for family, _ in paths} == {"bce", "distill", "augment", "resample"}
assert {path for _, path in paths} == {"reference"}, paths
"""


def test_everything_runs_without_triton():
    done = run_there(WITHOUT_TRITON)
    assert done.returncode == 0, done.stderr


def test_the_benchmark_is_imported_and_knows_its_commit(monkeypatch):
    """Where git tells nothing the environment does."""
    pytest.importorskip("triton")
    monkeypatch.setenv("CXRSTUDY_COMMIT", "0123abc")
    done = run_there(
        "import torch, benchmarks.kernels.__main__ as kernels\n"
        "made = kernels.provenance(torch.device('cpu'))\n"
        "print(made['commit'], made['versions'], sep='; ')"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0123abc; python 3."), done.stdout
