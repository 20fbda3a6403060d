"""Search for the block whose repair the label values support best, and judge it."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.data.integrity.association import PairedObservation, pair_scores
from cxrstudy.data.integrity.blocks import Block, best_block, block_gain, similar_blocks
from cxrstudy.data.integrity.significance import log_p_value, tail_rate

_MAX_REFITS = 8
#: Limits whose likelihood is at least this share of the best one's count as plausible.
_PLAUSIBLE_LIKELIHOOD_RATIO = 0.01


@dataclass(frozen=True)
class Misalignment:
    """A block of rows whose values belong to other studies of the same block.

    Rows are those of the ids that both tables share, in the reference's order.

    Attributes
    ----------
    block : Block
        Kind, limits and shift.
    first_id, last_id : object
        Study ids of the first and the last row of the block.
    gain : float
        Log-likelihood ratio (nats) of the repaired against the given alignment, with the
        association between the tables fitted on the rows outside the block.
    log_p_value : float
        Natural logarithm of an upper bound of the probability of such a gain, anywhere in the
        search, for tables without a misaligned block.
    plausible_start, plausible_stop : tuple of int
        Range (first, last) of limits that the values cannot tell from the best.
    limits_from : {"values", "values and id order"}
        Whether the table's own row order settled the limits within the plausible range.
    """

    block: Block
    first_id: object
    last_id: object
    gain: float
    log_p_value: float
    plausible_start: tuple[int, int]
    plausible_stop: tuple[int, int]
    limits_from: str = "values"


def search_block(
    observations: tuple[PairedObservation, ...],
    ids: pd.Index,
    min_rows: int,
    id_order_blocks: Collection[Block] = (),
) -> Misalignment:
    """Return the block whose repair is supported best, significant or not.

    Parameters
    ----------
    observations : tuple of PairedObservation
        The encoded tables.
    ids : pandas.Index
        Study ids of their rows.
    min_rows : int
        Shortest block considered.
    id_order_blocks : collection of Block
        Blocks suggested by the table's row order; one of them is preferred to the best block if
        the values cannot tell the two apart.

    Returns
    -------
    Misalignment
    """
    rows = np.arange(len(ids))
    # Fitting on the given alignment fails if most rows are misaligned; assuming moderate agreement
    # fails if observations agree in unusual ways. The better of both starts wins.
    starts = rows, rows[:0]
    blocks = dict.fromkeys(_refit_until_stable(observations, min_rows, start) for start in starts)
    judged = [_judge(observations, ids, min_rows, block, id_order_blocks) for block in blocks]
    return min(judged, key=lambda found: found.log_p_value)


def _refit_until_stable(
    observations: tuple[PairedObservation, ...], min_rows: int, start: NDArray[np.intp]
) -> Block:
    """Alternate between fitting the association and searching the block, from some rows on."""
    rows = np.arange(len(observations[0].reference))
    block = best_block(pair_scores(observations, start, start), min_rows)
    for _ in range(_MAX_REFITS):
        repaired = block.permutation(len(rows))
        scores = pair_scores(observations, rows, repaired)
        previous, block = block, best_block(scores, min_rows)
        if block == previous:
            break
    return block


def _judge(
    observations: tuple[PairedObservation, ...],
    ids: pd.Index,
    min_rows: int,
    block: Block,
    id_order_blocks: Collection[Block],
) -> Misalignment:
    plausible = _plausible_blocks(observations, block)
    supported = [other for other in id_order_blocks if other in plausible]
    block = supported[0] if supported else block
    outside = np.r_[: block.start, block.stop : len(ids)]
    # Rows of the block must not vouch for their own repair.
    held_out = pair_scores(observations, outside, outside)
    return Misalignment(
        block=block,
        first_id=ids[block.start],
        last_id=ids[block.stop - 1],
        gain=block_gain(held_out, block),
        log_p_value=log_p_value(observations, block, min_rows, held_out),
        plausible_start=(min(b.start for b in plausible), max(b.start for b in plausible)),
        plausible_stop=(min(b.stop for b in plausible), max(b.stop for b in plausible)),
        limits_from="values and id order" if supported else "values",
    )


def _plausible_blocks(observations: tuple[PairedObservation, ...], block: Block) -> set[Block]:
    """Return the blocks, the best one included, that the values can hardly tell from it."""
    rows = np.arange(len(observations[0].reference))
    repaired = block.permutation(len(rows))
    scores = pair_scores(observations, rows, repaired)
    rate = tail_rate([scores[:, repaired]])
    if rate == 0:
        return {block}
    enough = block_gain(scores, block) + np.log(_PLAUSIBLE_LIKELIHOOD_RATIO) / rate
    near = similar_blocks(block, len(rows))
    return {block} | {other for other in near if block_gain(scores, other) >= enough}
