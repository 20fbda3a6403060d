"""Search, description and repair of rows that describe other studies than their ids say."""

import logging
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from cxrstudy.data.integrity.association import pair_observations, pair_scores
from cxrstudy.data.integrity.blocks import Block
from cxrstudy.data.integrity.id_order import blocks_of_permutation, id_order_permutation, shared_ids
from cxrstudy.data.integrity.search import Misalignment, search_block

logger = logging.getLogger(__name__)

#: The search is cubic in the number of rows: 0.3 s for 500, up to a minute for this many.
MAX_ROWS = 2000
MIN_ROWS = 20
_MAX_BLOCKS = 5


def find_misaligned_block(
    reference: pd.DataFrame,
    table: pd.DataFrame,
    *,
    min_rows: int = MIN_ROWS,
    alpha: float = 0.01,
    use_id_order: bool = True,
) -> Misalignment | None:
    """Find the block of rows whose values were rotated or reversed against the ids, if any.

    Every block and every rotation or reversal of it competes; nothing about the place, the length
    or the shift need be known. Association between the tables is measured per observation over
    label values as categories, and refitted on the repaired rows until the block no longer changes.

    Parameters
    ----------
    reference, table : pandas.DataFrame
        Label tables indexed by study id, with observations in common. They are joined by id.
    min_rows : int
        Shortest block considered.
    alpha : float
        Largest accepted probability of a false alarm (a union bound, hence conservative).
    use_id_order : bool
        Settle the limits by the table's row order when it differs from the reference's by just
        such a block as the values support. False: the values alone decide.

    Returns
    -------
    Misalignment or None
        None means that no block was found, which for unrelated tables says nothing: see
        :func:`association_per_row`.

    Raises
    ------
    ValueError
        If ids are duplicated, no column or too few ids are shared, or there are too many rows.
    """
    return next(_misalignments(reference, table, min_rows, alpha, use_id_order), None)


def find_misaligned_blocks(
    reference: pd.DataFrame,
    table: pd.DataFrame,
    *,
    min_rows: int = MIN_ROWS,
    alpha: float = 0.01,
    use_id_order: bool = True,
) -> tuple[Misalignment, ...]:
    """Find several blocks: repair the table for each block found and search again.

    Parameters and errors are those of :func:`find_misaligned_block`.

    Returns
    -------
    tuple of Misalignment
        In the order found, which is the order in which :func:`repair` applies them; at most five.
    """
    return tuple(_misalignments(reference, table, min_rows, alpha, use_id_order))


def repair(
    reference: pd.DataFrame, table: pd.DataFrame, misalignments: Iterable[Misalignment]
) -> pd.DataFrame:
    """Return the table with the values of misaligned blocks given back to their studies.

    Parameters
    ----------
    reference, table : pandas.DataFrame
        The tables in which the misalignments were found.
    misalignments : iterable of Misalignment
        Applied in their order.

    Returns
    -------
    pandas.DataFrame
        Shared ids in the reference's order, then the table's other rows, unchanged. Each repair
        is logged at level INFO.
    """
    ids = shared_ids(reference, table)
    others = table.loc[~table.index.isin(ids)]
    repaired = table.loc[ids]
    for misalignment in misalignments:
        repaired = _apply(repaired, misalignment.block)
        logger.info("repaired: %s", describe(misalignment))
    return pd.concat([repaired, others])


def describe(misalignment: Misalignment) -> str:
    """Return one sentence saying where and how the values of a block are misplaced."""
    block = misalignment.block
    how = "in reverse order"
    if block.kind == "rotation":
        rows = "row" if abs(block.shift) == 1 else "rows"
        how = f"{abs(block.shift)} {rows} {'too early' if block.shift < 0 else 'too late'}"
        how += " (cyclically in the block)"
    return (
        f"joined by id, the values of rows {block.start} to {block.stop - 1} "
        f"({misalignment.first_id} to {misalignment.last_id}) stand {how}"
    )


def association_per_row(reference: pd.DataFrame, table: pd.DataFrame) -> float:
    """Return how much better rows match by id than pairs of different studies match (nats).

    Near zero, the values cannot tell whether rows are aligned. Scores are fitted on odd rows and
    measured on even ones, and the reverse.

    Parameters
    ----------
    reference, table : pandas.DataFrame
        Label tables indexed by study id; joined by id.

    Returns
    -------
    float
        Mean score of matched rows minus mean score of all other pairs.
    """
    ids = shared_ids(reference, table)
    observations = pair_observations(reference.loc[ids], table.loc[ids])
    rows = np.arange(len(ids))
    differences = []
    for fitted, measured in ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])):
        scores = pair_scores(observations, fitted, fitted)[np.ix_(measured, measured)]
        matched = np.trace(scores) / len(measured)
        others = (scores.sum() - np.trace(scores)) / (scores.size - len(measured))
        differences.append(matched - others)
    return float(np.mean(differences))


def _misalignments(
    reference: pd.DataFrame, table: pd.DataFrame, min_rows: int, alpha: float, use_id_order: bool
) -> Iterator[Misalignment]:
    ids = shared_ids(reference, table)
    _check_size(len(ids), min_rows)
    reference_values, values = reference.loc[ids], table.loc[ids]
    id_order = id_order_permutation(reference, table) if use_id_order else np.arange(len(ids))
    for _ in range(_MAX_BLOCKS):
        observations = pair_observations(reference_values, values)
        found = search_block(observations, ids, min_rows, blocks_of_permutation(id_order))
        if found.log_p_value > np.log(alpha):
            return
        yield found
        values = _apply(values, found.block)
        id_order = np.argsort(found.block.permutation(len(ids)))[id_order]


def _check_size(n_rows: int, min_rows: int) -> None:
    if n_rows < 2 * min_rows:
        raise ValueError(
            f"the tables share {n_rows} ids; at least {2 * min_rows} are needed to compare rows"
        )
    if n_rows > MAX_ROWS:
        raise ValueError(
            f"the tables share {n_rows} ids, the search takes at most {MAX_ROWS}; "
            "search consecutive parts of the tables"
        )


def _apply(values: pd.DataFrame, block: Block) -> pd.DataFrame:
    return values.iloc[block.permutation(len(values))].set_axis(values.index)
