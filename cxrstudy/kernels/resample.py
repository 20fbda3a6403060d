"""How often each unit is drawn in each bootstrap replicate, on the CPU engine's random stream.

Draw ``j`` of replicate ``r`` is word ``j % 4`` of Philox at counter ``r * ceil(n / 4) + j // 4``,
see `cxrstudy.philox`. Triton's ``randint4x`` spreads an int64 counter over the cipher's
words in the same way, so a replicate has the same units on any device.
"""

from __future__ import annotations

import numpy as np
import torch

from cxrstudy.agreement.resampling import ResamplingUnits
from cxrstudy.kernels.compiler import cdiv, jit, next_power_of_2, tl
from cxrstudy.kernels.dispatch import kernel_device, on_device_of, takes_kernel
from cxrstudy.philox import WORDS, as_key, fill_weights

STEP = 128
"""Counters per iteration: 512 draws."""

MOST_BINS = 1024
"""Units up to which one program counts a replicate; beyond, draws are added in memory."""

_FEWEST_BINS = 64


@jit
def _draw(
    start_ptr, size_ptr, seed, offset, begin, n_units,
    HAS_STRATA: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """Draw the units of STEP counters, four each; beyond the last position nothing is drawn."""
    w0, w1, w2, w3 = tl.randint4x(seed, offset + begin + tl.arange(0, STEP))
    words = tl.join(tl.join(w0, w2), tl.join(w1, w3)).reshape(4 * STEP)
    position = begin * 4 + tl.arange(0, 4 * STEP)
    drawn = position < n_units
    if HAS_STRATA:
        start = tl.load(start_ptr + position, drawn, other=0)
        size = tl.load(size_ptr + position, drawn, other=0)
        unit = start + tl.umulhi(words, size.to(tl.uint32)).to(tl.int32)
    else:
        unit = tl.umulhi(words, n_units.to(tl.uint32)).to(tl.int32)
    return unit, drawn


@jit(do_not_specialize=["seed", "first", "n_units", "n_counters"])
def multiplicities_kernel(
    weights_ptr,  # [n_replicates, width] uint8, any strides
    start_ptr,  # [n_units] int32, or anything unless HAS_STRATA
    size_ptr,  # [n_units] int32, or anything unless HAS_STRATA
    seed,
    first,
    n_units,
    n_counters,
    width,
    replicate_stride,
    unit_stride,
    HAS_STRATA: tl.constexpr,
    BINS: tl.constexpr,
    STEP: tl.constexpr,
):
    """Count one replicate's draws; cells beyond the last unit become 0."""
    replicate = tl.program_id(0).to(tl.int64)
    offset = (replicate + first) * n_counters
    counts = tl.zeros([BINS], tl.int32)
    for begin in range(0, n_counters, STEP):
        unit, drawn = _draw(start_ptr, size_ptr, seed, offset, begin, n_units, HAS_STRATA, STEP)
        counts += tl.histogram(unit, BINS, mask=drawn)
    unit = tl.arange(0, BINS)
    at = replicate * replicate_stride + unit.to(tl.int64) * unit_stride
    tl.store(weights_ptr + at, counts.to(tl.uint8), unit < width)


@jit(do_not_specialize=["seed", "first", "n_units", "n_counters"])
def scatter_kernel(
    weights_ptr,  # [n_replicates, width] uint8 in whole words, any strides, 0 on entry
    start_ptr,  # [n_units] int32, or anything unless HAS_STRATA
    size_ptr,  # [n_units] int32, or anything unless HAS_STRATA
    seed,
    first,
    n_units,
    n_counters,
    replicate_stride,
    unit_stride,
    HAS_STRATA: tl.constexpr,
    STEP: tl.constexpr,
):
    """Add some of one replicate's draws to their bytes; whole numbers add up in any order."""
    replicate = tl.program_id(0).to(tl.int64)
    offset = (replicate + first) * n_counters
    begin = tl.program_id(1) * STEP
    unit, drawn = _draw(start_ptr, size_ptr, seed, offset, begin, n_units, HAS_STRATA, STEP)
    at = replicate * replicate_stride + unit.to(tl.int64) * unit_stride
    # Memory adds up whole words, whose first byte is the lowest. No byte carries into the next:
    # that a unit is drawn 256 times in a replicate has probability below 1 / 256!, or 1e-506.
    one = 1 << (8 * (at & 3)).to(tl.int32)
    words_ptr = weights_ptr.to(tl.pointer_type(tl.int32), bitcast=True)
    tl.atomic_add(words_ptr + (at >> 2), one, drawn, sem="relaxed")


def bins_for(n_units: int) -> int:
    """Return how many units `multiplicities_kernel` counts."""
    return max(next_power_of_2(n_units), _FEWEST_BINS)


def multiplicities(
    units: ResamplingUnits,
    n_replicates: int,
    seed: int,
    first_replicate: int = 0,
    device: torch.device | None = None,
    by_unit: bool = False,
) -> torch.Tensor:
    """Count how often each unit is drawn in each replicate: bytes, (n_replicates, n_units).

    The GPU is used where there is one unless a device is given. With ``by_unit`` the replicates of
    one unit are neighbours in memory, not the units of one replicate.
    """
    device, key = kernel_device() if device is None else device, as_key(seed)
    if not takes_kernel("resample", device, n_replicates > 0):
        counted = np.zeros((n_replicates, units.n_units), np.uint8)
        fill_weights(key, first_replicate, units.start, units.size, counted)
        return torch.from_numpy(counted).to(device)
    weights = _whole_words(n_replicates * units.n_units, device)
    shape = (n_replicates, units.n_units)
    weights = weights.view(shape[::-1]).T if by_unit else weights.view(shape)
    _fill(weights, _strata_on(units, device), int(key), first_replicate)
    return weights


def _whole_words(size: int, device: torch.device) -> torch.Tensor:
    """Allocate bytes; `scatter_kernel` adds to the four of a word, so the last word is whole."""
    return torch.empty(4 * cdiv(size, 4), dtype=torch.uint8, device=device)[:size]


def _strata_on(units: ResamplingUnits, device: torch.device) -> tuple[torch.Tensor, ...] | None:
    if len(units.stratum_sizes) == 1:
        return None
    return tuple(
        torch.from_numpy(bounds.astype(np.int32)).to(device) for bounds in (units.start, units.size)
    )


def _fill(weights, strata, seed: int, first_replicate: int) -> None:
    """Launch the kernel that suits the number of units."""
    n_replicates, n_units = weights.shape
    n_counters = cdiv(n_units, WORDS)
    stream = (seed, first_replicate, n_units, n_counters)
    options = {"HAS_STRATA": strata is not None, "STEP": STEP}
    bounds = strata or (weights, weights)  # any pointers: a kernel without strata reads neither
    with on_device_of(weights):
        if n_units <= MOST_BINS:
            multiplicities_kernel[(n_replicates,)](
                weights, *bounds, *stream, n_units, *weights.stride(), BINS=bins_for(n_units),
                **options,
            )  # fmt: skip
            return
        weights.zero_()
        scatter_kernel[(n_replicates, cdiv(n_counters, STEP))](
            weights, *bounds, *stream, *weights.stride(), **options
        )
