"""Where a kernel runs: under Triton's interpreter in a process of its own, or on a GPU.

`test_interpreter.py` starts that process; ``pytest -m gpu`` runs the same tests on a GPU.
"""

from importlib.util import find_spec

import pytest
import torch

# A bare GPU machine may lack it; the module has no test for a GPU.
collect_ignore = [] if find_spec("hypothesis") else ["test_distill.py"]


@pytest.fixture(
    params=[
        pytest.param("cpu", marks=pytest.mark.interpreter, id="interpreter"),
        pytest.param("cuda", marks=pytest.mark.gpu, id="gpu"),
    ]
)
def device(request) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def poisoned(monkeypatch):
    """Fill every buffer that torch leaves uninitialised, so that an unwritten cell shows."""

    def filled(allocate):
        def poison(*arguments, **options):
            buffer = allocate(*arguments, **options)
            return buffer.fill_(float("nan") if buffer.is_floating_point() else 77)

        return poison

    for name in ("empty", "empty_like"):
        monkeypatch.setattr(torch, name, filled(getattr(torch, name)))
