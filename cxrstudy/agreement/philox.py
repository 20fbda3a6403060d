"""Counter-based random resamples that any block, thread or device can reproduce.

Draw ``j`` of replicate ``r`` is word ``j % 4`` of Philox4x32-10 at counter
``r * ceil(n / 4) + j // 4`` under the 64-bit seed as key.  The counter is spread over the four
counter words as a GPU kernel calling Triton's ``randint4x(seed, offset)`` with an ``int64``
offset does, so both sides draw the same resamples and therefore report the same intervals.

References
----------
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
_CHUNK = 1024

WORDS = 4
"""Random words, and hence draws, that one counter yields."""


@numba.njit(cache=True, inline="always")
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Encrypt one 128-bit counter with a 64-bit key (Philox4x32-10).

    Parameters
    ----------
    c0, c1, c2, c3 : numpy.uint64
        Counter words, each below 2**32.
    k0, k1 : numpy.uint64
        Key words, each below 2**32.

    Returns
    -------
    tuple of four numpy.uint64
        Random words, uniform on [0, 2**32).
    """
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


@numba.njit(cache=True, error_model="numpy")
def draw_units(seed, replicate, first, words, start, size, drawn):
    """Draw the units at positions ``first`` to ``first + len(drawn)`` of one replicate.

    Position ``j`` draws uniformly from the ``size[j]`` units that begin at ``start[j]``: the
    stratum it belongs to.  A unit's probability is exact to ``size / 2**32``.

    Parameters
    ----------
    seed : numpy.uint64
    replicate : int
    first : int
        First position, a multiple of four.
    words : numpy.ndarray of uint64, shape (4, at least len(drawn) / 4)
        Scratch space.
    start, size : numpy.ndarray of uint64, shape (n_units,)
        Stratum of each position.
    drawn : numpy.ndarray of uint64
        Filled with the drawn units.
    """
    n_counters = (start.size + WORDS - 1) // WORDS
    n_words = (drawn.size + WORDS - 1) // WORDS
    offset = np.uint64(replicate * n_counters + first // WORDS)
    zero = np.uint64(0)
    k0 = seed & _WORD
    k1 = seed >> _SHIFT
    for i in range(n_words):
        counter = offset + np.uint64(i)
        words[0, i], words[1, i], words[2, i], words[3, i] = philox4x32(
            counter & _WORD, counter >> _SHIFT, zero, zero, k0, k1
        )
    for j in range(drawn.size):
        word = words[j & 3, j >> 2]
        drawn[j] = start[first + j] + ((word * size[first + j]) >> _SHIFT)


@numba.njit(cache=True)
def fill_weights(seed, first_replicate, start, size, weights):
    """Add each replicate's multiplicities to its row of ``weights``.

    Parameters
    ----------
    seed : numpy.uint64
    first_replicate : int
    start, size : numpy.ndarray of uint64, shape (n_units,)
        Stratum of each unit.
    weights : numpy.ndarray of uint8, shape (n_replicates, n_units)
        Zero on entry.
    """
    words = np.empty((WORDS, _CHUNK // WORDS), np.uint64)
    drawn = np.empty(_CHUNK, np.uint64)
    for row in range(weights.shape[0]):
        for first in range(0, start.size, _CHUNK):
            chunk = drawn[: min(_CHUNK, start.size - first)]
            draw_units(seed, first_replicate + row, first, words, start, size, chunk)
            for unit in chunk:
                weights[row, unit] += 1


def as_key(seed: int) -> np.uint64:
    """Return ``seed`` as the 64-bit Philox key.

    Raises
    ------
    ValueError
        If the seed does not fit in 64 bits.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must lie in [0, 2**64), got {seed}")
    return np.uint64(seed)


def resample_weights(n: int, n_replicates: int, seed: int, first_replicate: int = 0) -> np.ndarray:
    """Count how often each of ``n`` units is drawn in each bootstrap replicate.

    A replicate's weights depend on ``n``, ``seed`` and its own number only, so replicates may be
    computed in blocks, out of order or on another device.

    Parameters
    ----------
    n : int
        Number of units, drawn ``n`` times with replacement.
    n_replicates : int
    seed : int
        64-bit key of the stream.
    first_replicate : int, default 0
        Number of the first replicate returned.

    Returns
    -------
    numpy.ndarray of uint8, shape (n_replicates, n)
        Multinomial counts; every row sums to ``n``.  A count above 255 would need a unit drawn
        256 times, which has probability below 1e-500.
    """
    if n < 1:
        raise ValueError(f"cannot resample {n} units: at least one is needed")
    start = np.zeros(n, np.uint64)
    size = np.full(n, n, np.uint64)
    weights = np.zeros((n_replicates, n), np.uint8)
    fill_weights(as_key(seed), first_replicate, start, size, weights)
    return weights
