"""How often each unit is drawn in each bootstrap replicate, on the CPU engine's random stream.

Draw ``j`` of replicate ``r`` is word ``j % 4`` of Philox at counter ``r * ceil(n / 4) + j // 4``,
see `cxrstudy.agreement.philox`. Triton's ``randint4x`` spreads an int64 counter over the cipher's
words in the same way, so a replicate has the same units on any device.
"""

from __future__ import annotations

import numpy as np
import torch

from cxrstudy.agreement.philox import WORDS, as_key, fill_weights
from cxrstudy.agreement.units import ResamplingUnits
from cxrstudy.kernels.compiler import cdiv, jit, next_power_of_2, tl
from cxrstudy.kernels.dispatch import kernel_device, on_device_of, takes_kernel

STEP = 128
"""Counters per iteration: 512 draws."""

MOST_BINS = 1024
"""Units that one program counts; more units take more programs, each with all draws."""

_FEWEST_BINS = 64


@jit(do_not_specialize=["seed", "first", "n_units", "n_counters"])
def multiplicities_kernel(
    weights_ptr,  # [n_replicates, width] uint8 or int8, any strides
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
    """Count one replicate's draws of a block of units; cells beyond the last unit become 0."""
    replicate = tl.program_id(0).to(tl.int64)
    lowest = tl.program_id(1) * BINS
    offset = (replicate + first) * n_counters
    counts = tl.zeros([BINS], tl.int32)
    for step in range(0, n_counters, STEP):
        counter = step + tl.arange(0, STEP)
        w0, w1, w2, w3 = tl.randint4x(seed, offset + counter)
        words = tl.join(tl.join(w0, w2), tl.join(w1, w3)).reshape(4 * STEP)
        position = step * 4 + tl.arange(0, 4 * STEP)
        drawn = position < n_units
        if HAS_STRATA:
            start = tl.load(start_ptr + position, drawn, other=0)
            size = tl.load(size_ptr + position, drawn, other=0)
            unit = start + tl.umulhi(words, size.to(tl.uint32)).to(tl.int32)
        else:
            unit = tl.umulhi(words, n_units.to(tl.uint32)).to(tl.int32)
        # The histogram reads only the low bits, so what lies outside must be masked.
        here = drawn & (unit >= lowest) & (unit < lowest + BINS)
        counts += tl.histogram(unit - lowest, BINS, mask=here)
    unit = lowest + tl.arange(0, BINS)
    at = replicate * replicate_stride + unit.to(tl.int64) * unit_stride
    tl.store(weights_ptr + at, counts.to(tl.uint8), unit < width)


def bins_for(n_units: int) -> int:
    """Return how many units one program counts."""
    return min(max(next_power_of_2(n_units), _FEWEST_BINS), MOST_BINS)


def strata_on(units: ResamplingUnits, device: torch.device) -> tuple[torch.Tensor, ...] | None:
    """Move strata to a device, where there is more than one."""
    if len(units.stratum_sizes) == 1:
        return None
    return tuple(
        torch.from_numpy(bounds.astype(np.int32)).to(device) for bounds in (units.start, units.size)
    )


def fill_multiplicities(
    weights: torch.Tensor,
    n_units: int,
    strata: tuple[torch.Tensor, ...] | None,
    seed: int,
    first_replicate: int,
) -> None:
    """Launch the kernel into a buffer that may be wider than the units.

    Parameters
    ----------
    weights : Tensor of uint8, shape (n_replicates, at least n_units)
        Of any strides.
    n_units : int
    strata : pair of Tensor of int32, shape (n_units,), or None
        From `strata_on`.
    seed, first_replicate : int
    """
    bins = bins_for(n_units)
    with on_device_of(weights):
        multiplicities_kernel[(len(weights), cdiv(weights.shape[1], bins))](
            weights,
            *(strata or (weights, weights)),
            seed,
            first_replicate,
            n_units,
            cdiv(n_units, WORDS),
            weights.shape[1],
            *weights.stride(),
            HAS_STRATA=strata is not None,
            BINS=bins,
            STEP=STEP,
        )


def multiplicities(
    units: ResamplingUnits,
    n_replicates: int,
    seed: int,
    first_replicate: int = 0,
    device: torch.device | None = None,
) -> torch.Tensor:
    """Count how often each unit is drawn in each replicate.

    Parameters
    ----------
    units : ResamplingUnits
    n_replicates : int
    seed : int
        64-bit key of the stream.
    first_replicate : int
        Number of the first replicate returned.
    device : torch.device, optional
        The GPU where there is one unless given.

    Returns
    -------
    Tensor of uint8, shape (n_replicates, n_units)
    """
    device = kernel_device() if device is None else device
    key = as_key(seed)
    if not takes_kernel("resample", device, n_replicates > 0):
        counted = np.zeros((n_replicates, units.n_units), np.uint8)
        fill_weights(key, first_replicate, units.start, units.size, counted)
        return torch.from_numpy(counted).to(device)
    weights = torch.empty(n_replicates, units.n_units, dtype=torch.uint8, device=device)
    strata = strata_on(units, device)
    fill_multiplicities(weights, units.n_units, strata, int(key), first_replicate)
    return weights
