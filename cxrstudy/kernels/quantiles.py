"""Quantiles of millions of bootstrap values by two histograms in place of a sort.

Sorting 192 columns of a million values takes longer than drawing the resamples. A quantile needs
two neighbouring order statistics: a first histogram over the metric's whole range finds the bin
of each, a second one divides that bin again. What is left of the value's place is half a step,
``range / 2**23``, which for the widest range, the difference of two kappas, is below 5e-7.
"""

from __future__ import annotations

import torch

from cxrstudy.kernels.compiler import cdiv, jit, tl
from cxrstudy.kernels.dispatch import on_device_of

BITS = 11
BLOCK = 1024
STRETCH = 32 * BLOCK
"""Entries that one program counts before it adds to the common histogram."""

CROWDED = 16
"""A bin with more than this part of the entries is counted by a histogram of its own.

In memory its additions would wait for each other; those of a bin with few entries are so few that
they cost less than a histogram, whose price is that of all entries.
"""


@jit
def _steps(values_ptr, row_ptr, minus_ptr, low_ptr, scale_ptr, at, n_entries, BITS: tl.constexpr):
    """Count each entry's steps above the lowest possible value; NaN is undefined."""
    row = tl.load(row_ptr).to(tl.int64)
    minus = tl.load(minus_ptr).to(tl.int64)
    values = tl.load(values_ptr + row * n_entries + at, at < n_entries, other=float("nan"))
    # A row without a subtrahend reads none of its entries.
    n_subtracted = tl.where(minus >= 0, n_entries, 0)
    values -= tl.load(values_ptr + minus * n_entries + at, at < n_subtracted, other=0.0)
    defined = values == values
    steps = tl.where(defined, (values - tl.load(low_ptr)) * tl.load(scale_ptr), 0.0)
    last: tl.constexpr = (1 << (2 * BITS)) - 1
    return tl.minimum(tl.maximum(steps, 0.0), last).to(tl.int32), defined


@jit(do_not_specialize=["n_entries"])
def coarse_kernel(
    values_ptr,  # [n_columns, n_entries] float32
    row_ptr,  # [n_rows] int32
    minus_ptr,  # [n_rows] int32
    low_ptr,  # [n_rows] float32
    scale_ptr,  # [n_rows] float32
    histogram_ptr,  # [n_rows, 2**BITS] int32, zero on entry
    n_entries,
    BITS: tl.constexpr,
    BLOCK: tl.constexpr,
    STRETCH: tl.constexpr,
):
    """Count a stretch of a row's entries by the upper bits of their step."""
    i = tl.program_id(0)
    counts = tl.zeros([1 << BITS], tl.int32)
    first = tl.program_id(1) * STRETCH
    for begin in range(first, tl.minimum(first + STRETCH, n_entries), BLOCK):
        at = begin + tl.arange(0, BLOCK)
        steps, defined = _steps(
            values_ptr, row_ptr + i, minus_ptr + i, low_ptr + i, scale_ptr + i, at, n_entries, BITS
        )
        counts += tl.histogram(steps >> BITS, 1 << BITS, mask=defined)
    tl.atomic_add(histogram_ptr + (i << BITS) + tl.arange(0, 1 << BITS), counts, sem="relaxed")


@jit(do_not_specialize=["n_entries"])
def sparse_kernel(
    values_ptr,  # [n_columns, n_entries] float32
    row_ptr,  # [n_rows] int32
    minus_ptr,  # [n_rows] int32
    low_ptr,  # [n_rows] float32
    scale_ptr,  # [n_rows] float32
    bin_ptr,  # [n_rows, N_RANKS] int32, -1 for none
    histogram_ptr,  # [n_rows, N_RANKS, 2**BITS] int32, zero on entry
    n_entries,
    N_RANKS: tl.constexpr,
    BITS: tl.constexpr,
    BLOCK: tl.constexpr,
    STRETCH: tl.constexpr,
):
    """Add each entry of the wanted bins where its lower bits belong."""
    i = tl.program_id(0)
    first = tl.program_id(1) * STRETCH
    for begin in range(first, tl.minimum(first + STRETCH, n_entries), BLOCK):
        at = begin + tl.arange(0, BLOCK)
        steps, defined = _steps(
            values_ptr, row_ptr + i, minus_ptr + i, low_ptr + i, scale_ptr + i, at, n_entries, BITS
        )
        lower = steps & ((1 << BITS) - 1)
        for rank in tl.static_range(N_RANKS):
            wanted = i * N_RANKS + rank
            hit = defined & (steps >> BITS == tl.load(bin_ptr + wanted))
            tl.atomic_add(histogram_ptr + (wanted << BITS) + lower, 1, hit, sem="relaxed")


@jit(do_not_specialize=["n_entries"])
def crowded_kernel(
    values_ptr,  # [n_columns, n_entries] float32
    row_ptr,  # [n_rows] int32
    minus_ptr,  # [n_rows] int32
    low_ptr,  # [n_rows] float32
    scale_ptr,  # [n_rows] float32
    bin_ptr,  # [n_rows, N_RANKS] int32, -1 for none
    histogram_ptr,  # [n_rows, N_RANKS, 2**BITS] int32, zero on entry
    n_entries,
    N_RANKS: tl.constexpr,
    BITS: tl.constexpr,
    BLOCK: tl.constexpr,
    STRETCH: tl.constexpr,
):
    """Count the entries of one wanted bin by their lower bits."""
    wanted = tl.program_id(0)
    i, coarse = wanted // N_RANKS, tl.load(bin_ptr + wanted)
    if coarse >= 0:
        counts = tl.zeros([1 << BITS], tl.int32)
        first = tl.program_id(1) * STRETCH
        for begin in range(first, tl.minimum(first + STRETCH, n_entries), BLOCK):
            at = begin + tl.arange(0, BLOCK)
            steps, defined = _steps(
                values_ptr,
                row_ptr + i,
                minus_ptr + i,
                low_ptr + i,
                scale_ptr + i,
                at,
                n_entries,
                BITS,
            )
            lower = steps & ((1 << BITS) - 1)
            counts += tl.histogram(lower, 1 << BITS, mask=defined & (steps >> BITS == coarse))
        at = (wanted << BITS) + tl.arange(0, 1 << BITS)
        tl.atomic_add(histogram_ptr + at, counts, sem="relaxed")


def _find(histogram: torch.Tensor, rank: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the bin of each rank, and the rank's place among the bin's own entries."""
    total = histogram.cumsum(-1)
    found = torch.searchsorted(total, rank[..., None], right=True)[..., 0]
    found = found.clamp(max=histogram.shape[-1] - 1)
    below = torch.gather(total - histogram, -1, found[..., None])[..., 0]
    return found, rank - below


def column_quantiles(
    values: torch.Tensor,
    rows: torch.Tensor,
    minus: torch.Tensor,
    low: torch.Tensor,
    high: torch.Tensor,
    probabilities: tuple[float, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Interpolate quantiles as ``numpy.quantile(..., method="linear")`` does, NaN left out.

    Parameters
    ----------
    values : Tensor of float32, shape (n_columns, n_entries)
        On a GPU, or anywhere under the interpreter.
    rows : Tensor of int32, shape (n_rows,)
        Column of each row.
    minus : Tensor of int32, shape (n_rows,)
        Column that is subtracted from it; -1 for none.
    low, high : Tensor of float32, shape (n_rows,)
        What the values of a row lie between.
    probabilities : tuple of float
        Rising.

    Returns
    -------
    quantiles : Tensor of float64, shape (n_rows, n_probabilities)
        Within ``(high - low) / 2**23`` and the rounding of float32; NaN where nothing is defined.
    defined : Tensor of int64, shape (n_rows,)
        Entries that are not NaN.
    """
    n_rows, n_entries = len(rows), values.shape[1]
    bins, n_ranks = 1 << BITS, 2 * len(probabilities)
    scale = (1 << (2 * BITS)) / (high - low)
    sources = (values, rows, minus, low, scale)
    slices = cdiv(n_entries, STRETCH)
    sizes = {"BITS": BITS, "BLOCK": BLOCK, "STRETCH": STRETCH}
    counts = {"dtype": torch.int32, "device": values.device}
    coarse = torch.zeros(n_rows, bins, **counts)
    with on_device_of(values):
        coarse_kernel[(n_rows, slices)](*sources, coarse, n_entries, **sizes, num_warps=8)
    defined = coarse.sum(-1, dtype=torch.int64)
    last = (defined - 1).clamp(min=0)[:, None]
    position = last * torch.tensor(probabilities, dtype=torch.float64, device=values.device)
    below = position.floor().to(torch.int64)
    ranks = torch.stack([below, torch.minimum(below + 1, last)], -1).flatten(1)
    upper, rank_in_bin = _find(coarse[:, None].expand(-1, n_ranks, -1), ranks)

    # Ranks rise, so that those with the same bin are neighbours; the first counts for all.
    fresh = torch.ones_like(upper, dtype=torch.bool)
    fresh[:, 1:] = upper[:, 1:] != upper[:, :-1]
    crowded = CROWDED * torch.gather(coarse, 1, upper).long() > n_entries
    fine = torch.zeros(n_rows, n_ranks, bins, **counts)
    for kernel, grid, chosen in (
        (sparse_kernel, (n_rows, slices), fresh & ~crowded),
        (crowded_kernel, (n_rows * n_ranks, slices), fresh & crowded),
    ):
        wanted = torch.where(chosen, upper, -1).to(torch.int32)
        with on_device_of(values):
            kernel[grid](*sources, wanted, fine, n_entries, N_RANKS=n_ranks, **sizes, num_warps=8)
    counted = torch.where(fresh, torch.arange(n_ranks, device=values.device), 0).cummax(-1).values
    counted = torch.gather(fine, 1, counted[..., None].expand(-1, -1, bins))
    lower, _ = _find(counted, rank_in_bin)
    step = (upper * bins + lower).double() + 0.5
    found = low.double()[:, None] + step / scale.double()[:, None]

    lower_value, upper_value = found.unflatten(1, (-1, 2)).unbind(-1)
    quantiles = lower_value + (position - below) * (upper_value - lower_value)
    return torch.where(defined[:, None] > 0, quantiles, float("nan")), defined
