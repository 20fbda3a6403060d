"""AUROC and average precision of all replicates, models and observations at once.

Every cell is sorted once, see `cxrstudy.agreement.visits`. A program walks one cell's rows from
the highest score down for hundreds of replicates side by side. No replicate is sorted, ties are
exact, and a row of multiplicities is read from cache by every cell.
"""

from __future__ import annotations

import numpy as np
import torch

from cxrstudy.agreement.resampling import ResamplingUnits
from cxrstudy.agreement.visits import Programs
from cxrstudy.kernels.dispatch import cdiv, jit, kernel_device, on_device_of, takes_kernel, tl
from cxrstudy.kernels.resample import multiplicities

BLOCK_REPLICATES = 256
WARPS = 2
UNROLLED = 8
"""Visits whose loads are under way together."""

ALIGNED = 16
"""Multiplicities of a row come in multiples of this, so that a thread loads four at once."""

CHUNK_BYTES = 1 << 26
"""Multiplicities that exist at one time."""

_NARROW_LIMIT = 65_535
"""Rows up to which twice the pairs fit in 32 bits."""


@jit
def _visit(
    visits_ptr, sampling_ptr, multiplicities_ptr, at, end, replicate, stride,
    SAMPLED: tl.constexpr, ACCUMULATOR: tl.constexpr,
):  # fmt: skip
    """Load a visit's kind, 3 beyond the end, and its row's weight in each replicate."""
    visit = tl.load(visits_ptr + at, at < end, other=3)
    row = multiplicities_ptr + (visit >> 2).to(tl.int64) * stride
    weights = tl.load(row + replicate, replicate < stride, other=0).to(ACCUMULATOR)
    if SAMPLED:
        weights *= tl.load(sampling_ptr + at, at < end, other=0.0)
    return visit & 3, weights


@jit(do_not_specialize=["first", "n_replicates"])
def auroc_kernel(
    visits_ptr,  # [n_visits] int32, unit << 2 | kind
    sampling_ptr,  # [n_visits] float64, or anything unless SAMPLED
    bounds_ptr,  # [n_cells, 2] int64
    multiplicities_ptr,  # [n_units, stride] uint8
    values_ptr,  # [n_cells, n_replicates] float64
    positives_ptr,  # [n_cells, n_replicates] float64
    stride,
    first,
    n_replicates,
    SAMPLED: tl.constexpr,
    ACCUMULATOR: tl.constexpr,
    UNROLLED: tl.constexpr,
    BLOCK_REPLICATES: tl.constexpr,
):
    """Twice the won pairs over twice all pairs; the parts of a tied positive enclose its ties."""
    cell = tl.program_id(0).to(tl.int64)
    replicate = tl.program_id(1) * BLOCK_REPLICATES + tl.arange(0, BLOCK_REPLICATES)
    begin, end = tl.load(bounds_ptr + 2 * cell), tl.load(bounds_ptr + 2 * cell + 1)
    doubled = tl.zeros([BLOCK_REPLICATES], ACCUMULATOR)
    negatives = tl.zeros([BLOCK_REPLICATES], ACCUMULATOR)
    pairs = tl.zeros([BLOCK_REPLICATES], ACCUMULATOR)
    for step in range(begin, end, UNROLLED):
        for i in tl.static_range(UNROLLED):
            kind, weights = _visit(
                visits_ptr, sampling_ptr, multiplicities_ptr, step + i, end, replicate, stride,
                SAMPLED, ACCUMULATOR,
            )  # fmt: skip
            lost = weights * (kind == 0).to(ACCUMULATOR)
            doubled += weights * (2 * (kind == 1).to(tl.int32) + (kind == 2)).to(ACCUMULATOR)
            negatives += lost
            pairs += lost * doubled
    out = cell * n_replicates + first + replicate
    wanted = (replicate < stride) & (first + replicate < n_replicates)
    all_pairs = doubled.to(tl.float64) * negatives.to(tl.float64)
    tl.store(values_ptr + out, pairs.to(tl.float64) / all_pairs, wanted)
    tl.store(positives_ptr + out, 0.5 * doubled.to(tl.float64), wanted)


@jit(do_not_specialize=["first", "n_replicates"])
def average_precision_kernel(
    visits_ptr,  # [n_visits] int32, unit << 2 | kind
    sampling_ptr,  # [n_visits] float64, or anything unless SAMPLED
    bounds_ptr,  # [n_cells, 2] int64
    multiplicities_ptr,  # [n_units, stride] uint8
    values_ptr,  # [n_cells, n_replicates] float64
    positives_ptr,  # [n_cells, n_replicates] float64
    stride,
    first,
    n_replicates,
    SAMPLED: tl.constexpr,
    ACCUMULATOR: tl.constexpr,
    UNROLLED: tl.constexpr,
    BLOCK_REPLICATES: tl.constexpr,
):
    """Precision at each threshold, times the positives found since the threshold before."""
    # Counts below 2**24 are exact in float32, whose division is several times faster.
    QUOTIENT: tl.constexpr = tl.float64 if SAMPLED else tl.float32
    cell = tl.program_id(0).to(tl.int64)
    replicate = tl.program_id(1) * BLOCK_REPLICATES + tl.arange(0, BLOCK_REPLICATES)
    begin, end = tl.load(bounds_ptr + 2 * cell), tl.load(bounds_ptr + 2 * cell + 1)
    found = tl.zeros([BLOCK_REPLICATES], ACCUMULATOR)
    group = tl.zeros([BLOCK_REPLICATES], ACCUMULATOR)
    negatives = tl.zeros([BLOCK_REPLICATES], ACCUMULATOR)
    area = tl.zeros([BLOCK_REPLICATES], tl.float64)
    for step in range(begin, end, UNROLLED):
        gained = tl.zeros([BLOCK_REPLICATES], QUOTIENT)
        for i in tl.static_range(UNROLLED):
            kind, weights = _visit(
                visits_ptr, sampling_ptr, multiplicities_ptr, step + i, end, replicate, stride,
                SAMPLED, ACCUMULATOR,
            )  # fmt: skip
            negatives += weights * (kind == 0).to(ACCUMULATOR)
            group += weights * ((kind == 1) | (kind == 2)).to(ACCUMULATOR)
            closing = group * (kind == 1).to(ACCUMULATOR)
            found += closing
            group -= closing
            flagged = (found + negatives).to(QUOTIENT)
            precision = found.to(QUOTIENT) / tl.where(flagged > 0, flagged, 1.0)
            gained += closing.to(QUOTIENT) * precision
        area += gained.to(tl.float64)
    out = cell * n_replicates + first + replicate
    wanted = (replicate < stride) & (first + replicate < n_replicates)
    tl.store(values_ptr + out, area / found.to(tl.float64), wanted)
    tl.store(positives_ptr + out, found.to(tl.float64), wanted)


def with_averages(
    values: torch.Tensor, positives: torch.Tensor, averaged: torch.Tensor, zero_undefined: bool
) -> torch.Tensor:
    """Append the macro and the prevalence-weighted average along the observations (axis -2)."""
    counted = values[..., averaged, :]
    if zero_undefined:
        counted = counted.nan_to_num(nan=0.0)
    weights = positives[..., averaged, :]
    weighted = torch.where(weights > 0, weights * counted, 0.0).sum(-2) / weights.sum(-2)
    return torch.cat([values, counted.mean(-2, keepdim=True), weighted.unsqueeze(-2)], dim=-2)


def _accumulator(program: Programs):
    """Choose the narrowest type that holds every sum exactly."""
    if program.weights.dtype == np.float64:
        return tl.float64
    return tl.int32 if program.largest <= _NARROW_LIMIT else tl.int64


def ranked_replicates(
    program: Programs,
    units: ResamplingUnits,
    averaged: np.ndarray,
    zero_undefined: bool,
    n_replicates: int,
    seed: int,
) -> np.ndarray:
    """Compute what `cxrstudy.agreement.ranking.replicate_rankings` does, by the kernels.

    AUROC is exact to rounding, average precision to that of float32.
    """
    device = kernel_device()
    if not takes_kernel("ranking", device):
        raise RuntimeError("the ranking kernels need a GPU and Triton")
    n_metrics, n_methods, n_observations, _ = program.bounds.shape
    n_cells = n_methods * n_observations
    visits, bounds, averaged = (
        torch.from_numpy(np.ascontiguousarray(part)).to(device)
        for part in (program.visits, program.bounds.reshape(-1, 2), averaged)
    )
    sampled = program.weights.dtype == np.float64
    sampling = torch.from_numpy(program.weights).to(device) if sampled else visits
    shape = (n_metrics, n_methods, n_observations, n_replicates)
    values = torch.empty(shape, dtype=torch.float64, device=device)
    positives = torch.empty_like(values)
    chunk = max(CHUNK_BYTES // units.n_units // ALIGNED, 1) * ALIGNED
    for first in range(0, n_replicates, chunk):
        stride = min(chunk, cdiv(n_replicates - first, ALIGNED) * ALIGNED)
        drawn = multiplicities(units, stride, seed, first, device, by_unit=True)
        for i, code in enumerate(program.metrics):
            kernel = (auroc_kernel, average_precision_kernel)[code]
            with on_device_of(values):
                kernel[(n_cells, cdiv(stride, BLOCK_REPLICATES))](
                    visits,
                    sampling,
                    bounds[i * n_cells :],
                    drawn,
                    values[i],
                    positives[i],
                    stride,
                    first,
                    n_replicates,
                    SAMPLED=sampled,
                    ACCUMULATOR=_accumulator(program),
                    UNROLLED=UNROLLED,
                    BLOCK_REPLICATES=BLOCK_REPLICATES,
                    num_warps=WARPS,
                )
    return with_averages(values, positives, averaged, zero_undefined).cpu().numpy()
