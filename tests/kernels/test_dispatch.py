"""Which path runs."""

from types import SimpleNamespace

import numpy as np
import torch

from cxrstudy.agreement import accelerators
from cxrstudy.kernels import ranking, replicates
from cxrstudy.kernels.dispatch import KERNEL, REFERENCE, takes_kernel, watch_paths


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


def test_agreement_gets_the_kernels_for_large_work_on_a_gpu(monkeypatch):
    """Here 1,000 units, 4 cells; a replicate draws each unit once for each cell."""
    monkeypatch.setattr(replicates, "HAS_TRITON", True)
    units = SimpleNamespace(n_units=1_000)
    counted = SimpleNamespace(columns=np.zeros((2, 2, 4)))
    program = SimpleNamespace(bounds=np.zeros((1, 2, 2, 2)))
    enough = replicates.FEWEST_DRAWS // 4_000

    def offered(n_replicates):
        common = (units, None, False, n_replicates, 0)
        return (
            accelerators.accelerated("replicate_counts", counted, units, [0], *common[1:]),
            accelerators.accelerated("replicate_rankings", program, *common),
        )

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert offered(enough) == (replicates.counted_replicates, ranking.ranked_replicates)
    assert offered(enough - 1) == (None, None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert offered(enough) == (None, None)
