"""The random stream in Triton, bit for bit that of the CPU engine."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cxrstudy.agreement.resampling import resampling_units
from cxrstudy.kernels.dispatch import KERNEL, jit, tl, watch_paths
from cxrstudy.kernels.resample import MOST_BINS, multiplicities
from cxrstudy.philox import as_key, draw_weights, philox4x32

N_COUNTERS = 10
FULL = np.uint64(0xFFFFFFFF)


@jit(do_not_specialize=["seed"])
def words_kernel(replicate_ptr, words_ptr, seed, N: tl.constexpr, PADDED: tl.constexpr):
    """Write the four words of each counter of N replicates of N_COUNTERS = 10 counters."""
    i = tl.arange(0, N)
    j = tl.arange(0, PADDED)[None, :]
    counter = tl.load(replicate_ptr + i)[:, None] * 10 + j
    w0, w1, w2, w3 = tl.randint4x(seed, counter)
    at = words_ptr + (i[:, None] * 10 + j) * 4
    tl.store(at + 0, w0.to(tl.int64), j < 10)
    tl.store(at + 1, w1.to(tl.int64), j < 10)
    tl.store(at + 2, w2.to(tl.int64), j < 10)
    tl.store(at + 3, w3.to(tl.int64), j < 10)


def test_a_thousand_seeds_and_replicates_give_the_same_words(device, poisoned):
    """16 seeds x 64 replicates; half of the counters lie beyond 2**32."""
    generator = np.random.default_rng(0)
    seeds = [0, 1, 2**31, 2**63, 2**64 - 1, *map(int, generator.integers(0, 2**63, 11))]
    for seed in seeds:
        replicates = np.concatenate(
            [generator.integers(0, 2**32 // 10, 32), generator.integers(2**32 // 10, 2**58, 32)]
        )
        words = torch.empty(64, N_COUNTERS, 4, dtype=torch.int64, device=device)
        words_kernel[(1,)](torch.from_numpy(replicates).to(device), words, seed, 64, 16)
        counters = (replicates[:, None] * N_COUNTERS + np.arange(N_COUNTERS)).astype(np.uint64)
        assert ((counters >> np.uint64(32)) > 0).sum() >= 32 * N_COUNTERS
        zeros = np.zeros(counters.size, np.uint64)
        flat, key = counters.ravel(), as_key(seed)
        expected = philox4x32(
            flat & FULL, flat >> np.uint64(32), zeros, zeros, key & FULL, key >> np.uint64(32)
        )
        expected = np.stack(expected, -1).astype(np.int64).reshape(words.shape)
        np.testing.assert_array_equal(words.cpu().numpy(), expected)


@pytest.mark.parametrize(
    ("n", "seed", "first"),
    [
        (1, 0, 0),
        (5, 1, 7),
        (150, 2**64 - 1, 2**33),
        (512, 3, 2**31 - 2),
        (513, 3, 0),
        (1024, 3, 2**33),
        (1025, 2**64 - 1, 0),
        (1030, 2**40, 2**32),
        (2051, 5, 2**62 // 513),
    ],
)
def test_multiplicities_are_those_of_the_cpu(device, poisoned, n, seed, first):
    """Sizes at the edges of a step, of a program's bins and of a word; counters beyond 2**32."""
    units = resampling_units(n)
    with watch_paths() as paths:
        drawn = multiplicities(units, 3, seed, first, device)
    assert paths == [("resample", KERNEL)]
    np.testing.assert_array_equal(drawn.cpu().numpy(), draw_weights(units, 3, as_key(seed), first))


def test_strata_keep_their_sizes(device, poisoned):
    stratum = np.arange(90) % 7 % 3
    units = resampling_units(90, strata=stratum)
    drawn = multiplicities(units, 4, 11, 5, device).cpu().numpy()
    np.testing.assert_array_equal(drawn, draw_weights(units, 4, as_key(11), 5))
    ends = np.cumsum(units.stratum_sizes)[:-1]
    for part, size in zip(np.split(drawn, ends, axis=1), units.stratum_sizes, strict=True):
        assert (part.sum(axis=1) == size).all()


@pytest.mark.parametrize("n", [90, MOST_BINS + 90])
@pytest.mark.parametrize("by_unit", [False, True])
def test_both_orders_in_memory(device, poisoned, n, by_unit):
    units = resampling_units(n, strata=np.arange(n) % 5 // 3)
    drawn = multiplicities(units, 16, 7, 2**33, device, by_unit)
    assert drawn.stride() == ((1, 16) if by_unit else (n, 1))
    np.testing.assert_array_equal(drawn.cpu().numpy(), draw_weights(units, 16, as_key(7), 2**33))


@pytest.mark.parametrize("n", [1, MOST_BINS + 1])
def test_every_count_has_its_own_byte(device, poisoned, n):
    """Of as many strata as units each is drawn once; a carry or a lost draw would show."""
    units = resampling_units(n, strata=np.arange(n))
    assert (multiplicities(units, 5, 0, device=device) == 1).all()
    assert multiplicities(units, 0, 0, device=device).shape == (0, n)
