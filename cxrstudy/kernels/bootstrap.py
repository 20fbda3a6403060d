"""Percentile intervals of count metrics for millions of bootstrap replicates.

A chunk of replicates is drawn as multiplicities, small enough to stay in the GPU's L2 cache. A
replicate's 2x2 tables are then whole-number products of multiplicities and indicators, which
tensor cores add up exactly; metrics and averages are worked out where the products lie, and
quantiles come from histograms. Neither resampled rows nor multiplicities of all replicates exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cxrstudy.agreement.counts import CountTable, replicate_counts
from cxrstudy.agreement.intervals import percentile_interval
from cxrstudy.agreement.metrics import COUNT_METRICS
from cxrstudy.agreement.philox import as_key
from cxrstudy.agreement.resampling import ResamplingUnits
from cxrstudy.kernels.compiler import cdiv, jit, next_power_of_2, tl
from cxrstudy.kernels.dispatch import kernel_device, on_device_of, takes_kernel
from cxrstudy.kernels.quantiles import column_quantiles
from cxrstudy.kernels.resample import empty_multiplicities, fill_multiplicities, strata_on

BLOCK_UNITS = 64
WARPS = 8
FEWEST_COLUMNS = 16
MOST_OBSERVATIONS = 64
CHUNK_BYTES = 1 << 25
"""Multiplicities that exist at one time; an H200 has 50 MB of L2 cache."""

_DOWN_TO_MINUS_ONE = ("kappa", "mcc", "youden")
_CODE_BITS = 4


@dataclass(frozen=True, eq=False)
class CountIntervals:
    """Percentile limits of every metric of every method and contrast.

    Attributes
    ----------
    low, high : numpy.ndarray of float64, shape (n_metrics, n_rows, n_observations + 2)
        Rows are the methods and then the contrasts; the last two observations are the macro and
        the prevalence-weighted average.
    undefined : numpy.ndarray of int64, same shape
        Replicates without a value.
    """

    low: np.ndarray
    high: np.ndarray
    undefined: np.ndarray


@jit
def _metric(n, p, q, tp, CODE: tl.constexpr):
    """Evaluate the metric whose place in `COUNT_METRICS` is CODE; 0 / 0 is NaN, undefined."""
    if CODE == 0:
        value = 2.0 * tp / (p + q)
    elif CODE == 1:
        value = tp / q
    elif CODE == 2:
        value = tp / p
    elif CODE == 3:
        value = (n - p - q + tp) / (n - p)
    elif CODE == 4:
        value = 1.0 - n * (p + q - 2.0 * tp) / (p * (n - q) + q * (n - p))
    elif CODE == 5:
        value = (n * tp - p * q) / (tl.sqrt(p * (n - p)) * tl.sqrt(q * (n - q)))
    elif CODE == 6:
        value = tp / p + (n - p - q + tp) / (n - p) - 1.0
    else:
        value = (n - p - q + 2.0 * tp) / n
    return value


@jit(do_not_specialize=["n_chunk", "first"])
def counts_kernel(
    weights_ptr,  # [n_chunk, width] int8
    table_ptr,  # [4, n_methods, PADDED, width] int8
    averaged_ptr,  # [PADDED] float64, 1 where an observation enters the averages
    values_ptr,  # [N_METRICS, n_methods, N_OBSERVATIONS + 2, n_replicates] float32
    n_chunk,
    first,
    n_replicates,
    width,
    n_methods,
    N_OBSERVATIONS: tl.constexpr,
    PADDED: tl.constexpr,
    CODES: tl.constexpr,
    N_METRICS: tl.constexpr,
    ZERO_UNDEFINED: tl.constexpr,
    BLOCK_REPLICATES: tl.constexpr,
    BLOCK_UNITS: tl.constexpr,
):
    """Add up one method's tables for a block of replicates and evaluate every metric of them."""
    method = tl.program_id(1)
    replicate = tl.program_id(0) * BLOCK_REPLICATES + tl.arange(0, BLOCK_REPLICATES)
    observation = tl.arange(0, PADDED)
    plane = n_methods * PADDED * width
    table_ptr += method * PADDED * width
    weights_ptr += replicate.to(tl.int64)[:, None] * width
    n = tl.zeros([BLOCK_REPLICATES, PADDED], tl.int32)
    p = tl.zeros([BLOCK_REPLICATES, PADDED], tl.int32)
    q = tl.zeros([BLOCK_REPLICATES, PADDED], tl.int32)
    tp = tl.zeros([BLOCK_REPLICATES, PADDED], tl.int32)
    for begin in range(0, width, BLOCK_UNITS):
        unit = begin + tl.arange(0, BLOCK_UNITS)
        weights = tl.load(weights_ptr + unit[None, :], replicate[:, None] < n_chunk, other=0)
        at = table_ptr + observation[None, :] * width + unit[:, None]
        n = tl.dot(weights, tl.load(at), n, out_dtype=tl.int32)
        p = tl.dot(weights, tl.load(at + plane), p, out_dtype=tl.int32)
        q = tl.dot(weights, tl.load(at + 2 * plane), q, out_dtype=tl.int32)
        tp = tl.dot(weights, tl.load(at + 3 * plane), tp, out_dtype=tl.int32)

    # Whole numbers stay exact in float64 through products of counts.
    n, p, q, tp = n.to(tl.float64), p.to(tl.float64), q.to(tl.float64), tp.to(tl.float64)
    averaged = tl.load(averaged_ptr + observation)[None, :] > 0
    weight = tl.where(averaged, p, 0.0)
    members = tl.sum(tl.load(averaged_ptr + observation), 0)
    total = tl.sum(weight, 1)
    column = values_ptr + (first + replicate.to(tl.int64))
    real = replicate < n_chunk
    for i in tl.static_range(N_METRICS):
        value = _metric(n, p, q, tp, (CODES >> (4 * i)) & 15)
        row = ((i * n_methods + method) * (N_OBSERVATIONS + 2)).to(tl.int64)
        at = column[:, None] + (row + observation[None, :]) * n_replicates
        tl.store(at, value, real[:, None] & (observation[None, :] < N_OBSERVATIONS))
        if ZERO_UNDEFINED:
            value = tl.where(value == value, value, 0.0)
        macro = tl.sum(tl.where(averaged, value, 0.0), 1) / members
        weighted = tl.sum(tl.where(weight > 0, weight * value, 0.0), 1) / total
        tl.store(column + (row + N_OBSERVATIONS) * n_replicates, macro, real)
        tl.store(column + (row + N_OBSERVATIONS + 1) * n_replicates, weighted, real)


def padded_observations(n_observations: int) -> int:
    """Return how many columns a method's tables take: tensor cores want 16 or a power of two."""
    return max(next_power_of_2(n_observations), FEWEST_COLUMNS)


def block_replicates(padded: int) -> int:
    """Return how many replicates' tables fit in the registers of one program."""
    return 64 if padded <= 32 else 16


def _planes(counted: CountTable, padded: int, width: int) -> np.ndarray:
    """Lay the indicators out as [4, n_methods, padded, width] int8."""
    n_methods, n_observations, _ = counted.columns.shape
    planes = np.zeros((4, n_methods, padded, width), np.int8)
    by_column = counted.table.T[counted.columns]
    planes[:, :, :n_observations, : counted.table.shape[0]] = np.moveaxis(by_column, 2, 0)
    return planes


def _replicates_on(
    device, counted, units, codes, averaged, zero_undefined, n_replicates, seed
) -> torch.Tensor:
    """Evaluate all replicates into [n_metrics, n_methods, n_observations + 2, n_replicates]."""
    n_methods, n_observations, _ = counted.columns.shape
    padded = padded_observations(n_observations)
    block = block_replicates(padded)
    width = cdiv(units.n_units, BLOCK_UNITS) * BLOCK_UNITS
    table = torch.from_numpy(_planes(counted, padded, width)).to(device)
    enters = np.zeros(padded)
    enters[:n_observations] = averaged
    enters = torch.from_numpy(enters).to(device)
    shape = (len(codes), n_methods, n_observations + 2, n_replicates)
    values = torch.empty(shape, dtype=torch.float32, device=device)
    chunk = min(max(CHUNK_BYTES // width, block), n_replicates)
    weights = empty_multiplicities(chunk, width, device)
    strata = strata_on(units, device)
    for first in range(0, n_replicates, chunk):
        part = weights[: min(chunk, n_replicates - first)]
        fill_multiplicities(part, units.n_units, strata, seed, first)
        with on_device_of(values):
            counts_kernel[(cdiv(len(part), block), n_methods)](
                part.view(torch.int8),
                table,
                enters,
                values,
                len(part),
                first,
                n_replicates,
                width,
                n_methods,
                N_OBSERVATIONS=n_observations,
                PADDED=padded,
                CODES=sum(code << (_CODE_BITS * i) for i, code in enumerate(codes)),
                N_METRICS=len(codes),
                ZERO_UNDEFINED=zero_undefined,
                BLOCK_REPLICATES=block,
                BLOCK_UNITS=BLOCK_UNITS,
                num_warps=WARPS,
            )
    return values


def _intervals_on(values: torch.Tensor, metrics, contrasts, tails) -> CountIntervals:
    """Reduce each method's column, and the difference of two, to its limits."""
    n_metrics, n_methods, n_columns, n_replicates = values.shape
    pairs = [(method, -1) for method in range(n_methods)] + list(contrasts)
    rows, minus, low, high = [], [], [], []
    for i, metric in enumerate(metrics):
        lowest = -1.0 if metric in _DOWN_TO_MINUS_ONE else 0.0
        for first, second in pairs:
            for column in range(n_columns):
                rows.append((i * n_methods + first) * n_columns + column)
                minus.append(-1 if second < 0 else (i * n_methods + second) * n_columns + column)
                low.append(lowest if second < 0 else lowest - 1.0)
                high.append(1.0 if second < 0 else 1.0 - lowest)
    on = values.device
    quantiles, defined = column_quantiles(
        values.reshape(-1, n_replicates),
        *(torch.tensor(column, dtype=torch.int32, device=on) for column in (rows, minus)),
        *(torch.tensor(column, dtype=torch.float32, device=on) for column in (low, high)),
        tails,
    )
    shape = (n_metrics, len(pairs), n_columns)
    limits = quantiles.cpu().numpy().reshape(*shape, 2)
    undefined = n_replicates - defined.cpu().numpy().reshape(shape)
    return CountIntervals(limits[..., 0], limits[..., 1], undefined)


def count_intervals_reference(
    counted: CountTable,
    units: ResamplingUnits,
    metrics: Sequence[str],
    averaged: np.ndarray,
    zero_undefined: bool,
    n_replicates: int,
    seed: int,
    contrasts: Sequence[tuple[int, int]] = (),
    level: float = 0.95,
) -> CountIntervals:
    """Compute `count_intervals` with the compiled engine of `cxrstudy.agreement`."""
    codes = np.array([COUNT_METRICS.index(metric) for metric in metrics])
    values = replicate_counts(
        counted, units, codes, averaged, zero_undefined, n_replicates, as_key(seed)
    )
    differences = [values[:, first] - values[:, second] for first, second in contrasts]
    values = np.concatenate([values, *(part[:, None] for part in differences)], axis=1)
    low, high = percentile_interval(values, level)
    return CountIntervals(low, high, np.isnan(values).sum(axis=-1))


def count_intervals(
    counted: CountTable,
    units: ResamplingUnits,
    metrics: Sequence[str],
    averaged: np.ndarray,
    zero_undefined: bool,
    n_replicates: int,
    seed: int,
    contrasts: Sequence[tuple[int, int]] = (),
    level: float = 0.95,
) -> CountIntervals:
    """Return percentile intervals of count metrics, their averages and paired differences.

    On a GPU it stores one float32 for each replicate, method, metric and observation, and the
    limits agree with those of the CPU to 1e-6, since both draw the same resamples.

    Parameters
    ----------
    counted : CountTable
        From `cxrstudy.agreement.counts.count_table`.
    units : ResamplingUnits
    metrics : sequence of str
        Names from `COUNT_METRICS`.
    averaged : numpy.ndarray of bool, shape (n_observations,)
        Observations that enter the averages.
    zero_undefined : bool
        Whether an undefined value counts as 0 in an average.
    n_replicates : int
    seed : int
        64-bit key of the stream.
    contrasts : sequence of (int, int)
        Pairs of methods; the second is subtracted from the first, replicate by replicate.
    level : float, default 0.95

    Returns
    -------
    CountIntervals

    Raises
    ------
    ValueError
        If no replicate is asked for, the level is not between 0 and 1, or the seed is not of
        64 bits.
    """
    if n_replicates < 1 or not 0 < level < 1:
        raise ValueError(
            f"n_replicates must be at least 1 and level between 0 and 1, got {n_replicates} "
            f"and {level}"
        )
    device, key = kernel_device(), int(as_key(seed))
    # Other tables hold sampling weights or large clusters, which no byte can.
    fits = counted.table.dtype == np.uint8 and counted.columns.shape[1] <= MOST_OBSERVATIONS
    if not takes_kernel("bootstrap", device, fits):
        return count_intervals_reference(
            counted, units, metrics, averaged, zero_undefined, n_replicates, seed, contrasts, level
        )
    codes = [COUNT_METRICS.index(metric) for metric in metrics]
    settings = (codes, averaged, zero_undefined, n_replicates, key)
    values = _replicates_on(device, counted, units, *settings)
    alpha = (1 - level) / 2
    return _intervals_on(values, metrics, contrasts, (alpha, 1 - alpha))
