"""Blocks of rows that were rotated or reversed, and what repairing them would gain."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.compiled import numba
from cxrstudy.data.integrity.association import Association, score_change


@dataclass(frozen=True)
class Block:
    """A contiguous block of rows, rotated or reversed, and the permutation that repairs it.

    Shift 1: the values of row i stand one row further down, those of the last row at the block's
    beginning. If the ids of the block were pushed down by k rows in the file, values joined by id
    stand k rows too early: ``shift == -k``.
    """

    kind: Literal["rotation", "reversal"]
    start: int  # rows count from 0; half-open, so 400 to 500 are rows 400 to 499
    stop: int
    shift: int = 0  # of a rotation: -length / 2 < shift <= length / 2

    @classmethod
    def rotation(cls, start: int, stop: int, shift: int) -> "Block":
        """Return a rotation with any integer shift brought into its canonical range."""
        length = stop - start
        shift %= length
        return cls("rotation", start, stop, shift - length if 2 * shift > length else shift)

    @property
    def length(self) -> int:
        """The number of rows."""
        return self.stop - self.start

    def sources(self) -> NDArray[np.intp]:
        """Return, for each row of the block, the row that holds its values (shape (length,))."""
        rows = np.arange(self.start, self.stop)
        return rows[::-1] if self.kind == "reversal" else np.roll(rows, -self.shift)

    def permutation(self, n_rows: int) -> NDArray[np.intp]:
        """Return the repair of a whole table: repaired row i takes the values of row p[i]."""
        permutation = np.arange(n_rows)
        permutation[self.start : self.stop] = self.sources()
        return permutation


def shared_ids(reference: pd.DataFrame, table: pd.DataFrame) -> pd.Index:
    """Return the ids that two tables share, in the reference's order; a repeated id is an error."""
    for name, frame in (("reference", reference), ("table", table)):
        if not frame.index.is_unique:
            first = frame.index[frame.index.duplicated()][0]
            raise ValueError(
                f"the {name} has more than one row for id {first!r}; keep one row per study"
            )
    return reference.index[reference.index.isin(table.index)]


def id_order_permutation(reference: pd.DataFrame, table: pd.DataFrame) -> NDArray[np.intp]:
    """Return the repair that would hold if the tables' rows, not their ids, corresponded."""
    ids = shared_ids(reference, table)
    return ids.get_indexer(table.index[table.index.isin(ids)])


def blocks_of_permutation(permutation: NDArray[np.intp]) -> list[Block]:
    """Find the blocks of a permutation that gives row i the values of ``permutation[i]``."""
    # A part ends wherever all rows seen so far have been mapped among themselves.
    rows = np.arange(len(permutation))
    stops = np.flatnonzero(np.maximum.accumulate(permutation) == rows) + 1
    starts = np.r_[0, stops[:-1]]
    blocks = (
        _block_of_part(permutation[start:stop], int(start), int(stop))
        for start, stop in zip(starts, stops, strict=True)
        if stop - start > 1
    )
    return [block for block in blocks if block is not None]


def _block_of_part(sources: NDArray[np.intp], start: int, stop: int) -> Block | None:
    rotation = Block.rotation(start, stop, int(sources[0]) - start)
    candidates = rotation, Block("reversal", start, stop)
    return next((block for block in candidates if np.array_equal(block.sources(), sources)), None)


def block_gain(association: Association, block: Block) -> float:
    """Return how much repairing a block raises the sum of matched scores (nats)."""
    tables = association.reference, association.table, association.ratios
    return _gain(*tables, block.start, block.sources())


def n_candidates(n_rows: int, min_rows: int) -> int:
    """Return the number of rotations and reversals of blocks of at least so many rows."""
    lengths = np.arange(min_rows, n_rows + 1)
    return int(np.sum((n_rows - lengths + 1) * lengths))


def similar_blocks(block: Block, n_rows: int, reach: int = 25) -> Iterator[Block]:
    """Yield blocks of one kind with limits near; a rotation keeps one of its two diagonals."""
    offsets = {block.shift, block.shift - block.length, block.shift + block.length}
    for start in range(max(0, block.start - reach), block.start + reach + 1):
        for stop in range(block.stop - reach, min(n_rows, block.stop + reach) + 1):
            if stop - start < 2:
                continue
            if block.kind == "reversal":
                yield Block("reversal", start, stop)
                continue
            for shift in {offset % (stop - start) for offset in offsets} - {0}:
                yield Block.rotation(start, stop, shift)


@numba.njit(cache=True)
def _gain(reference, table, ratios, start, sources):
    gain = 0.0
    for i in range(sources.size):
        gain += score_change(reference, table, ratios, start + i, sources[i])
    return gain
