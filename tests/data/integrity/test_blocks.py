"""The search over blocks, against brute force and hand-checked permutations."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrstudy.data.integrity.association import Association
from cxrstudy.data.integrity.blocks import (
    Block,
    block_gain,
    blocks_of_permutation,
    id_order_permutation,
    n_candidates,
)
from cxrstudy.data.integrity.scan import best_block


def _all_blocks(n_rows: int, min_rows: int) -> list[Block]:
    limits = itertools.combinations(range(n_rows + 1), 2)
    return [
        block
        for start, stop in limits
        if stop - start >= min_rows
        for block in (
            *(Block.rotation(start, stop, shift) for shift in range(1, stop - start)),
            Block("reversal", start, stop),
        )
    ]


def test_rotation_by_one_takes_values_from_the_next_row():
    """Shift 1: row i's values stand one row down, the last row's at the block's beginning."""
    assert Block.rotation(2, 6, 1).permutation(7).tolist() == [0, 1, 3, 4, 5, 2, 6]
    assert Block.rotation(400, 500, 99) == Block("rotation", 400, 500, -1)
    assert Block.rotation(0, 4, 2).shift == Block.rotation(0, 4, -2).shift == 2


@pytest.mark.parametrize("seed", range(8))
def test_best_block_equals_brute_force(seed):
    """Of so few rows the scan compares every block; a gain is a sum of differences of scores."""
    scores = np.random.default_rng(seed).normal(size=(11, 11))
    rows = np.arange(11, dtype=np.int8)[:, None]
    association = Association(rows, rows, scores[None])
    blocks = _all_blocks(11, 3)
    assert n_candidates(11, 3) == len(blocks)
    best = max(block_gain(association, block) for block in blocks)
    found = best_block(association, 3)
    assert block_gain(association, found) == pytest.approx(best)
    changed = association.matrix(np.arange(11), found.permutation(11))
    assert best == pytest.approx(np.trace(changed) - np.trace(scores))


def test_rotated_ids_and_rotated_values_are_opposite():
    """Ids pushed down by one row in a file make values joined by id stand one row too early."""
    ids = pd.Index(list("abcdefgh"))
    file_ids = list("abhcdefg")
    reference, table = pd.DataFrame(index=ids), pd.DataFrame(index=file_ids)
    permutation = id_order_permutation(reference, table)
    assert blocks_of_permutation(permutation) == [Block("rotation", 2, 8, -1)]


@given(st.integers(0, 9), st.integers(3, 9), st.integers(1, 8), st.booleans(), st.integers(0, 6))
def test_blocks_are_read_off_a_permutation(start, length, shift, reverse, gap):
    first = Block.rotation(start, start + length, 1 + shift % (length - 1))
    begin = first.stop + gap
    second = Block("reversal", begin, begin + length)
    second = second if reverse and length > 2 else Block.rotation(begin, begin + length, 1)
    n_rows = second.stop + 3
    permutation = first.permutation(n_rows)[second.permutation(n_rows)]
    assert blocks_of_permutation(permutation) == [first, second]
    assert blocks_of_permutation(np.array([0, 2, 4, 1, 3])) == []
