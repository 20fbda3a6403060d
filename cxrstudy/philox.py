"""Counter-based random resamples that any block, thread or device can reproduce.

Draw ``j`` of replicate ``r`` is word ``j % 4`` of Philox4x32-10 at counter
``r * ceil(n / 4) + j // 4`` under the 64-bit seed as key.  The counter is spread over the four
counter words as a GPU kernel calling Triton's ``randint4x(seed, offset)`` with an ``int64``
offset does, so both sides draw the same resamples and therefore report the same intervals.

Salmon, Moraes, Dror and Shaw (2011). Parallel random numbers: as easy as 1, 2, 3. SC '11.
"""

import numpy as np

from cxrstudy.compiled import numba

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_KEY_STEP_0 = np.uint64(0x9E3779B9)
_KEY_STEP_1 = np.uint64(0xBB67AE85)
_WORD = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ROUNDS = 10

WORDS = 4
"""Random words, and hence draws, that one counter yields."""


@numba.njit(cache=True, inline="always")
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Encrypt four counter words with two key words, all below 2**32, into four random words."""
    for _ in range(_ROUNDS):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0 = (product_1 >> _SHIFT) ^ c1 ^ k0
        c1 = product_1 & _WORD
        c2 = (product_0 >> _SHIFT) ^ c3 ^ k1
        c3 = product_0 & _WORD
        k0 = (k0 + _KEY_STEP_0) & _WORD
        k1 = (k1 + _KEY_STEP_1) & _WORD
    return c0, c1, c2, c3


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fill_weights(seed, first_replicate, start, size, weights):
    """Add up how often each replicate draws each unit, in ``weights`` (n_replicates, n_units).

    Position ``j`` draws from its stratum: the ``size[j]`` units that begin at ``start[j]``.  A
    unit's probability is exact to ``size / 2**32``.
    """
    zero, low_key, high_key = np.uint64(0), seed & _WORD, seed >> _SHIFT
    n_counters = (start.size + WORDS - 1) // WORDS
    for row in range(weights.shape[0]):
        words = np.empty((WORDS, n_counters), np.uint64)
        offset = np.uint64((first_replicate + row) * n_counters)
        for i in range(n_counters):
            counter = offset + np.uint64(i)
            words[0, i], words[1, i], words[2, i], words[3, i] = philox4x32(
                counter & _WORD, counter >> _SHIFT, zero, zero, low_key, high_key
            )
        for j in range(start.size):
            drawn = start[j] + ((words[j % WORDS, j // WORDS] * size[j]) >> _SHIFT)
            weights[row, drawn] += 1


def as_key(seed: int) -> np.uint64:
    """Return ``seed`` as the 64-bit Philox key."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must lie in [0, 2**64), got {seed}")
    return np.uint64(seed)


def draw_weights(units, n_replicates: int, seed: np.uint64, first_replicate: int) -> np.ndarray:
    """Count how often each unit is drawn: uint8, shape (n_replicates, n_units).

    A replicate depends on the units, the seed and its own number only, so replicates may be
    computed in blocks, out of order or on another device.
    A count above 255 would need a unit drawn 256 times, which has probability below 1e-500.
    """
    weights = np.zeros((n_replicates, units.n_units), np.uint8)
    fill_weights(seed, first_replicate, units.start, units.size, weights)
    return weights
