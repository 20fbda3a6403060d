"""The order of study ids in two tables, and the block permutation it may amount to."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.data.integrity.blocks import Block


def shared_ids(reference: pd.DataFrame, table: pd.DataFrame) -> pd.Index:
    """Return the ids that two tables share, in the reference's order.

    Raises
    ------
    ValueError
        If an id is duplicated in either table.
    """
    for name, frame in (("reference", reference), ("table", table)):
        if not frame.index.is_unique:
            first = frame.index[frame.index.duplicated()][0]
            raise ValueError(
                f"the {name} has more than one row for id {first!r}; keep one row per study"
            )
    return reference.index[reference.index.isin(table.index)]


def id_order_permutation(reference: pd.DataFrame, table: pd.DataFrame) -> NDArray[np.intp]:
    """Return the repair that would hold if the tables' rows, not their ids, corresponded.

    Parameters
    ----------
    reference, table : pandas.DataFrame
        Label tables indexed by study id.

    Returns
    -------
    ndarray of int, shape (n_shared,)
        Row of the reference that carries the id of the table's k-th shared row; the identity if
        both tables share one id order.
    """
    ids = shared_ids(reference, table)
    return ids.get_indexer(table.index[table.index.isin(ids)])


def blocks_of_permutation(permutation: NDArray[np.intp]) -> tuple[Block, ...]:
    """Return the rotated and reversed blocks of which a permutation consists.

    Parameters
    ----------
    permutation : ndarray of int, shape (n_rows,)
        Repaired row i takes the values of row ``permutation[i]``.

    Returns
    -------
    tuple of Block
        One per part that the permutation maps onto itself and that is a rotation or a reversal;
        parts permuted in any other way are left out.
    """
    # A part ends wherever all rows seen so far have been mapped among themselves.
    rows = np.arange(len(permutation))
    stops = np.flatnonzero(np.maximum.accumulate(permutation) == rows) + 1
    starts = np.r_[0, stops[:-1]]
    blocks = (
        _block_of_part(permutation[start:stop], int(start), int(stop))
        for start, stop in zip(starts, stops, strict=True)
        if stop - start > 1
    )
    return tuple(block for block in blocks if block is not None)


def _block_of_part(sources: NDArray[np.intp], start: int, stop: int) -> Block | None:
    candidates = (
        Block.rotation(start, stop, int(sources[0]) - start),
        Block("reversal", start, stop),
    )
    return next((block for block in candidates if np.array_equal(block.sources(), sources)), None)
