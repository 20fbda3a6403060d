"""Count metrics of all replicates on a GPU, and both families registered with `agree`.

A chunk of replicates is drawn as multiplicities by the kernel in `resample`. Their 2x2 tables are
then one matrix product of multiplicities and indicators, and metrics and averages are worked out
where the product lies. Float64 adds whole numbers exactly and sampling weights as the CPU does.

Importing this module lets `cxrstudy.agreement` use the GPU where there is one and the work is
large. Both functions take the arguments of the CPU engine's and return the same array.
"""

from __future__ import annotations

import numpy as np
import torch

from cxrstudy.agreement import accelerators
from cxrstudy.agreement.counts import COUNT_METRICS, FORMULAS, CountTable
from cxrstudy.agreement.resampling import ResamplingUnits
from cxrstudy.kernels.dispatch import HAS_TRITON, kernel_device
from cxrstudy.kernels.ranking import ranked_replicates, with_averages
from cxrstudy.kernels.resample import multiplicities

CHUNK_BYTES = 1 << 28
"""Multiplicities and counts that exist at one time, in float64."""

FEWEST_DRAWS = 10**9
"""Drawn units times cells from which the GPU is used: seconds on two CPU cores, about as long as
the GPU and its kernels take to start."""


def counted_replicates(
    counted: CountTable,
    units: ResamplingUnits,
    metrics: np.ndarray,
    averaged: np.ndarray,
    zero_undefined: bool,
    n_replicates: int,
    seed: int,
) -> np.ndarray:
    """Compute what `cxrstudy.agreement.counts.replicate_counts` does, by matrix products."""
    device = kernel_device()
    table = torch.from_numpy(counted.table).to(device, torch.float64)
    columns, averaged = (torch.from_numpy(part).to(device) for part in (counted.columns, averaged))
    n_methods, n_observations, _ = columns.shape
    values = np.empty((len(metrics), n_methods, n_observations + 2, n_replicates))
    chunk = max(CHUNK_BYTES // 8 // (sum(table.shape) + columns.numel()), 1)
    for first in range(0, n_replicates, chunk):
        size = min(chunk, n_replicates - first)
        drawn = multiplicities(units, size, seed, first, device).double()
        # Four counts of every cell: [4, n_methods, n_observations, size].
        counts = (drawn @ table).T[columns.movedim(-1, 0)]
        part = torch.stack([FORMULAS[COUNT_METRICS[code]](*counts) for code in metrics])
        positives = counts[1].expand_as(part)
        part = with_averages(part, positives, averaged, zero_undefined)
        values[..., first : first + size] = part.cpu().numpy()
    return values


def _is_large(n_cells: int, units: ResamplingUnits, n_replicates: int) -> bool:
    on_gpu = HAS_TRITON and torch.cuda.is_available()
    return on_gpu and n_cells * units.n_units * n_replicates >= FEWEST_DRAWS


def _many_counts(counted, units, metrics, averaged, zero_undefined, n_replicates, seed) -> bool:
    return _is_large(counted.columns[..., 0].size, units, n_replicates)


def _many_rankings(program, units, averaged, zero_undefined, n_replicates, seed) -> bool:
    return _is_large(program.bounds[..., 0].size, units, n_replicates)


accelerators.register("replicate_counts", counted_replicates, _many_counts)
accelerators.register("replicate_rankings", ranked_replicates, _many_rankings)
