"""The block of rows whose repair raises the scores most, in time linear in the number of rows.

A rotated block is two runs of rows that match at two offsets: its first rows ``shift`` rows further
down, its last ones as far up as the first run is long. The longer run alone gives the block away.
So every offset up to a reach is scanned for its best run, the best of these are completed to
blocks, and the limits of each block are moved until no move raises the scores.
"""

import numpy as np
from numpy.typing import NDArray

from cxrstudy.compiled import numba
from cxrstudy.data.integrity.association import Association, score_change
from cxrstudy.data.integrity.blocks import Block

# How far apart a row and its values may lie; tables of so many rows are scanned completely.
_REACH = 2000
# Offsets whose best run is completed to a block.
_CANDIDATES = 24
# Categories of observations joined to one: their table of ratios stays in a core's cache.
_MAX_CATEGORIES = 128
# Rows by which each limit may move at a time.
_MOVES = 30


def best_block(association: Association, min_rows: int) -> Block:
    """Return the block of at least ``min_rows`` rows whose repair raises matched scores most."""
    tables = _packed(association)
    n_rows = len(association.reference)
    reach = min(n_rows - 1, _REACH)
    runs = _best_runs(*tables, reach)
    best, best_gain = Block("reversal", 0, n_rows), -np.inf
    for candidate in np.argsort(-runs[:, 2])[:_CANDIDATES]:
        offset = int(candidate) - reach
        if offset == 0:
            continue
        first, last = int(runs[candidate, 0]), int(runs[candidate, 1])
        limits = (first, last + offset) if offset > 0 else (first + offset, last)
        start, stop, gain = _best_limits(tables, offset, *limits, min_rows)
        if gain > best_gain:
            shift = offset if offset > 0 else stop - start + offset
            best, best_gain = Block.rotation(start, stop, shift), gain
    start, stop, gain = _best_reversal(*tables, min_rows, reach)
    return best if best_gain >= gain else Block("reversal", int(start), int(stop))


def _packed(association: Association) -> tuple[NDArray, ...]:
    """Join neighbouring observations to one of all their categories, so that a score needs less."""
    size = association.ratios.shape[1:]
    together = max(1, int(np.log(_MAX_CATEGORIES) / np.log(max(2, *size))))
    parts = []
    for first in range(0, association.ratios.shape[0], together):
        chosen = slice(first, first + together)
        rows = columns = np.zeros(1, int)
        ratio = np.zeros((1, 1))
        for o, each in enumerate(association.ratios[chosen], start=first):
            ratio = (ratio[:, None, :, None] + each[None, :, None, :]).reshape(
                ratio.shape[0] * size[0], -1
            )
            rows = rows * size[0] + association.reference[:, o]
            columns = columns * size[1] + association.table[:, o]
        parts.append((rows, columns, ratio))
    shape = tuple(np.max([ratio.shape for *_, ratio in parts], axis=0))
    ratios = np.zeros((len(parts), *shape))
    for padded, (*_, ratio) in zip(ratios, parts, strict=True):
        padded[: ratio.shape[0], : ratio.shape[1]] = ratio
    codes = (np.column_stack(side).astype(np.int16) for side in list(zip(*parts, strict=True))[:2])
    return *codes, ratios


def _best_limits(
    tables: tuple[NDArray, ...], offset: int, start: int, stop: int, min_rows: int
) -> tuple[int, int, float]:
    """Move the limits of a block that keeps one offset until its gain rises no more."""
    n_rows = len(tables[0])
    stop = min(stop, n_rows)
    # Both runs hold a row at least.
    shortest = max(min_rows, abs(offset) + 1)
    stop = min(n_rows, max(stop, start + shortest))
    start = max(0, min(start, stop - shortest))
    gain = -np.inf
    while True:
        found = _best_near(*tables, offset, start, stop, shortest, _MOVES)
        if found[2] <= gain + 1e-9:
            return start, stop, gain
        start, stop, gain = int(found[0]), int(found[1]), float(found[2])


@numba.njit(cache=True)
def _matched(reference, table, ratios):
    scores = np.zeros(reference.shape[0])
    for i in range(scores.size):
        for o in range(ratios.shape[0]):
            scores[i] += ratios[o, reference[i, o], table[i, o]]
    return scores


@numba.njit(cache=True)
def _best_runs(reference, table, ratios, reach):
    """Return start, stop and gain of the best run of rows at every offset from -reach on."""
    n = reference.shape[0]
    matched = _matched(reference, table, ratios)
    runs = np.zeros((2 * reach + 1, 3))
    for offset in range(-reach, reach + 1):
        begin, total = 0, 0.0
        run = runs[offset + reach]
        for i in range(max(0, -offset), min(n, n - offset)):
            if total <= 0.0:
                begin, total = i, 0.0
            score = -matched[i]
            for o in range(ratios.shape[0]):
                score += ratios[o, reference[i, o], table[i + offset, o]]
            total += score
            if total > run[2]:
                run[0], run[1], run[2] = begin, i + 1, total
    return runs


@numba.njit(cache=True)
def _best_near(reference, table, ratios, offset, start, stop, shortest, moves):
    """Return the best limits within some rows of the given ones, one offset being kept."""
    n = reference.shape[0]
    low, high = max(0, start - moves), min(n, stop + moves)
    kept = np.zeros(high - low + 1)
    for i in range(low, high):
        change = 0.0
        if 0 <= i + offset < n:
            change = score_change(reference, table, ratios, i, i + offset)
        kept[i - low + 1] = kept[i - low] + change
    turned = np.zeros(high - low + 1)
    best_start, best_stop, best = start, stop, -np.inf
    shorter = max(shortest, stop - start - 2 * moves)
    for length in range(shorter, min(n, stop - start + 2 * moves) + 1):
        # The run that keeps the offset has `length - |offset|` rows, the other one the rest.
        other = offset - length if offset > 0 else offset + length
        first_low = max(low, stop - moves - length)
        first_high = min(start + moves, high - length)
        if first_high < first_low:
            continue
        begin = first_low + (length - offset if offset > 0 else 0)
        end = first_high + (length if offset > 0 else -offset)
        for i in range(begin, end):
            change = score_change(reference, table, ratios, i, i + other)
            turned[i - low + 1] = change + (turned[i - low] if i > begin else 0.0)
        turned[begin - low] = 0.0
        for first in range(first_low, first_high + 1):
            if offset > 0:
                turn = first + length - offset
                gain = kept[turn - low] - kept[first - low]
                gain += turned[first + length - low] - turned[turn - low]
            else:
                turn = first - offset
                gain = kept[first + length - low] - kept[turn - low]
                gain += turned[turn - low] - turned[first - low]
            if gain > best:
                best_start, best_stop, best = first, first + length, gain
    return best_start, best_stop, best


@numba.njit(cache=True)
def _best_reversal(reference, table, ratios, min_rows, reach):
    n = reference.shape[0]
    matched = _matched(reference, table, ratios)
    best_start, best_stop, best = 0, n, -np.inf
    for total in range(2 * n - 1):
        a = total // 2
        b = total - a
        gain = 0.0
        while a >= 0 and b < n and b - a <= reach:
            if a != b:
                gain -= matched[a] + matched[b]
                for o in range(ratios.shape[0]):
                    gain += ratios[o, reference[a, o], table[b, o]]
                    gain += ratios[o, reference[b, o], table[a, o]]
            if b - a + 1 >= min_rows and gain > best:
                best_start, best_stop, best = a, b + 1, gain
            a -= 1
            b += 1
    return best_start, best_stop, best
