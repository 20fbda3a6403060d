"""Search, description and repair of rows that describe other studies than their ids say."""

import logging
from collections.abc import Iterable

import numpy as np
import pandas as pd

from cxrstudy.data.integrity.association import pair_observations
from cxrstudy.data.integrity.blocks import (
    Block,
    blocks_of_permutation,
    id_order_permutation,
    shared_ids,
)
from cxrstudy.data.integrity.search import Misalignment, cross_fitted_scores, search_block

logger = logging.getLogger(__name__)

# Shortest block considered.
_MIN_ROWS = 20
# Largest accepted probability of a false alarm (a union bound, hence conservative).
_ALPHA = 0.01


def find_misaligned_blocks(
    reference: pd.DataFrame, table: pd.DataFrame, *, max_blocks: int = 5, use_id_order: bool = True
) -> list[Misalignment]:
    """Find the blocks of rows whose values were rotated or reversed against the ids.

    Blocks of at least 20 rows compete, with every rotation and reversal of them that leaves a
    value within 2,000 rows of its place; nothing about place, length or shift need be known.
    Association between the tables is measured per observation over label values as categories,
    and refitted on the repaired rows until the block no longer changes. After each block the table
    is repaired and searched again.

    Parameters
    ----------
    reference, table : DataFrame
        Label tables indexed by study id, with observations in common. They are joined by id.
    max_blocks : int
        When to stop searching.
    use_id_order : bool
        Settle the limits by the table's row order when it differs from the reference's by just
        such a block as the values support. False: the values alone decide.

    Returns
    -------
    list of Misalignment
        In the order found, which is the order in which `repair` applies them. Empty if no block
        was found, which for unrelated tables says nothing.

    Raises
    ------
    ValueError
        If ids are duplicated, no column or too few ids are shared.
    """
    ids = shared_ids(reference, table)
    _check_size(len(ids))
    id_order = id_order_permutation(reference, table) if use_id_order else np.arange(len(ids))
    reference, values = reference.loc[ids], table.loc[ids]
    blocks: list[Misalignment] = []
    while len(blocks) < max_blocks:
        observations = pair_observations(reference, values)
        found = search_block(observations, ids, _MIN_ROWS, blocks_of_permutation(id_order))
        if found.log_p_value > np.log(_ALPHA):
            break
        blocks.append(found)
        values = _apply(values, found.block)
        id_order = np.argsort(found.block.permutation(len(ids)))[id_order]
    return blocks


def repair(
    reference: pd.DataFrame, table: pd.DataFrame, misalignments: Iterable[Misalignment]
) -> pd.DataFrame:
    """Give the values of blocks back to their studies, in the order found; each is logged."""
    ids = shared_ids(reference, table)
    repaired = table.loc[ids]
    for misalignment in misalignments:
        repaired = _apply(repaired, misalignment.block)
        logger.info("repaired: %s", describe(misalignment))
    return pd.concat([repaired, table.loc[~table.index.isin(ids)]])


def describe(misalignment: Misalignment) -> str:
    """Say in one sentence where and how the values of a block are misplaced."""
    block = misalignment.block
    return (
        f"joined by id, the values of rows {block.start} to {block.stop - 1} "
        f"({misalignment.first_id} to {misalignment.last_id}) stand {where_and_how(block)}"
    )


def where_and_how(block: Block, cyclic: bool = True) -> str:
    """Say how far and in which direction the values of a block stand from their studies."""
    if block.kind == "reversal":
        return "in reverse order"
    rows = "row" if abs(block.shift) == 1 else "rows"
    direction = "too early" if block.shift < 0 else "too late"
    return f"{abs(block.shift)} {rows} {direction}" + " (cyclically in the block)" * cyclic


def remedy(block: Block) -> str:
    """Say what to do to a block so that its values stand beside their studies."""
    if block.kind == "reversal":
        return "reverse the values of the block"
    where = "before" if block.shift < 0 else "after"
    rows = "row" if abs(block.shift) == 1 else "rows"
    return (
        f"give each row of the block the values {abs(block.shift)} {rows} {where} it, "
        "cyclically in the block"
    )


def association_per_row(reference: pd.DataFrame, table: pd.DataFrame) -> float:
    """Return how much better rows match by id than others (nats); near 0, values cannot tell."""
    ids = shared_ids(reference, table)
    observations = pair_observations(reference.loc[ids], table.loc[ids])
    differences = []
    for scores in cross_fitted_scores(observations, np.arange(len(ids))):
        matched = np.trace(scores) / len(scores)
        others = (scores.sum() - np.trace(scores)) / (scores.size - len(scores))
        differences.append(matched - others)
    return float(np.mean(differences))


def _check_size(n_rows: int) -> None:
    if n_rows < 2 * _MIN_ROWS:
        raise ValueError(
            f"the tables share {n_rows} ids; at least {2 * _MIN_ROWS} are needed to compare rows"
        )


def _apply(values: pd.DataFrame, block: Block) -> pd.DataFrame:
    return values.iloc[block.permutation(len(values))].set_axis(values.index)
