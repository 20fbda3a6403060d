"""The random stream against published vectors and its own promises."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrstudy.agreement import Resampling
from cxrstudy.agreement.resampling import resampling_units
from cxrstudy.philox import as_key, draw_weights, philox4x32

FULL = 0xFFFFFFFF
# Random123 1.14, tests/kat_vectors, philox4x32 with 10 rounds: counter, key, output.
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((FULL,) * 4, (FULL,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@numba.njit
def _encrypt(c0, c1, c2, c3, k0, k1):
    return philox4x32(c0, c1, c2, c3, k0, k1)


def _reference(counter, key):
    """Ten rounds in Python integers, straight from the paper."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & FULL, p0 >> 32 ^ c[3] ^ k[1], p0 & FULL]
        k = [k[0] + 0x9E3779B9 & FULL, k[1] + 0xBB67AE85 & FULL]
    return c


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_known_vectors(counter, key, expected):
    assert tuple(map(int, _encrypt(*map(np.uint64, (*counter, *key))))) == expected


@pytest.mark.parametrize("replicate", [0, 3, 2**31])
def test_weights_follow_the_documented_counters(replicate):
    """Draw j is word j % 4 at offset replicate * ceil(n / 4) + j // 4, split over two words."""
    n, seed = 10, 0x123456789ABCDEF
    drawn = []
    for i in range(3):
        offset = replicate * 3 + i
        drawn += _reference((offset & FULL, offset >> 32, 0, 0), (seed & FULL, seed >> 32))
    units = [word * n >> 32 for word in drawn[:n]]
    weights = draw_weights(resampling_units(n), 1, as_key(seed), first_replicate=replicate)
    np.testing.assert_array_equal(weights[0], np.bincount(units, minlength=n))


@settings(max_examples=30)
@given(n=st.integers(1, 2000), split=st.integers(0, 12), seed=st.integers(0, 2**64 - 1))
def test_blocks_do_not_change_replicates(n, split, seed):
    """Drawing in two blocks gives the same replicates, and each draws n units."""
    whole, units, key = Resampling(12, seed).drawn(n), resampling_units(n), as_key(seed)
    parts = [draw_weights(units, split, key, 0), draw_weights(units, 12 - split, key, split)]
    np.testing.assert_array_equal(whole, np.vstack(parts))
    assert (whole.sum(axis=1, dtype=int) == n).all()


def test_multiplicities_are_multinomial():
    """Counts have mean 1 and variance 1 - 1/n, and units are uncorrelated but for -1/n."""
    weights = Resampling(40_000, seed=5).drawn(50).astype(float)
    assert np.abs(weights.mean(axis=0) - 1).max() < 5 * np.sqrt(0.98 / 40_000)
    covariance = np.cov(weights, rowvar=False)
    expected = np.eye(50) - 1 / 50
    assert np.abs(covariance - expected).max() < 6 * np.sqrt(3 / 40_000)


def test_seed_outside_64_bits_is_refused():
    with pytest.raises(ValueError, match="seed"):
        as_key(2**64)
