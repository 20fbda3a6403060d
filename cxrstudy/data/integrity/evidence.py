"""Evidence for and against the repair of a block, against every other shift of that block."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrstudy.data.integrity.association import pair_observations, pair_scores
from cxrstudy.data.integrity.blocks import Block
from cxrstudy.data.integrity.id_order import shared_ids
from cxrstudy.data.integrity.search import Misalignment


@dataclass(frozen=True)
class ShiftComparison:
    """How a block's repair stands out among all other arrangements of the block's rows.

    Attributes
    ----------
    rank : int
        1 if neither the alignment by id, nor another rotation, nor the reversal scores as high.
    n_alternatives : int
        Number of those other arrangements.
    z_score : float
        Distance of the repair's score from the alternatives' mean, in their standard deviations.
    permutation_p_value : float
        Share of random arrangements scoring at least as high as the repair, itself counted once.
    n_permutations : int
        Number of random arrangements.
    """

    rank: int
    n_alternatives: int
    z_score: float
    permutation_p_value: float
    n_permutations: int


def alignment_evidence(
    reference: pd.DataFrame, table: pd.DataFrame, misalignment: Misalignment
) -> pd.DataFrame:
    """Compare agreement inside and outside a block under every shift of its rows.

    If the block is misaligned, the repair raises agreement inside to what it is outside, and the
    same arrangement applied outside destroys it. The association behind the log-likelihood ratio is
    fitted on rows outside the block, so that the block does not vouch for its own repair.

    Parameters
    ----------
    reference, table : pandas.DataFrame
        Label tables indexed by study id.
    misalignment : Misalignment
        A block found in these tables.

    Returns
    -------
    pandas.DataFrame
        One row per ``region`` ("inside", "outside") and ``arrangement`` ("by id", "repaired",
        "other shift", "reversal") of its rows: ``shift`` (missing for a reversal), ``n_rows``,
        ``log_likelihood_ratio`` per row (nats), and ``kappa``, the mean Cohen kappa of value 1
        against any other over the observations that vary in both tables. Outside, rows before
        and after the block count as one sequence, and only two arrangements are compared.
    """
    reference, table, outside, scores = _held_out(reference, table, misalignment.block)
    block = misalignment.block
    inside = np.arange(block.start, block.stop)
    moved = outside[::-1] if block.kind == "reversal" else np.roll(outside, -block.shift)
    arrangements = [
        *(("inside", inside, other, other.sources()) for other in _arrangements(block)),
        ("outside", outside, Block.rotation(block.start, block.stop, 0), outside),
        ("outside", outside, block, moved),
    ]
    return pd.DataFrame(
        {
            "region": region,
            "arrangement": _name(arrangement, block),
            "shift": arrangement.shift if arrangement.kind == "rotation" else pd.NA,
            "n_rows": len(rows),
            "log_likelihood_ratio": scores[rows, sources].mean() if len(rows) else np.nan,
            "kappa": _mean_kappa(reference.iloc[rows], table.iloc[sources]),
        }
        for region, rows, arrangement, sources in arrangements
    ).astype({"shift": "Int64"})


def compare_with_other_shifts(
    reference: pd.DataFrame,
    table: pd.DataFrame,
    misalignment: Misalignment,
    *,
    n_permutations: int = 9999,
    seed: int = 0,
) -> ShiftComparison:
    """Test whether a block's repair stands out among all arrangements of its rows.

    Parameters
    ----------
    reference, table : pandas.DataFrame
        Label tables indexed by study id.
    misalignment : Misalignment
        A block found in these tables.
    n_permutations : int
        Number of random arrangements.
    seed : int
        Seed of the random arrangements.

    Returns
    -------
    ShiftComparison
    """
    _, _, _, scores = _held_out(reference, table, misalignment.block)
    block = misalignment.block
    rows = np.arange(block.start, block.stop)
    score = scores[rows, block.sources()].sum()
    others = np.array(
        [
            scores[rows, other.sources()].sum()
            for other in _arrangements(block)
            if not np.array_equal(other.sources(), block.sources())
        ]
    )
    generator = np.random.default_rng(seed)
    random_scores = np.array(
        [scores[rows, generator.permutation(rows)].sum() for _ in range(n_permutations)]
    )
    return ShiftComparison(
        rank=1 + int((others >= score).sum()),
        n_alternatives=len(others),
        z_score=float((score - others.mean()) / others.std(ddof=1)),
        permutation_p_value=float((1 + (random_scores >= score).sum()) / (1 + n_permutations)),
        n_permutations=n_permutations,
    )


def _held_out(
    reference: pd.DataFrame, table: pd.DataFrame, block: Block
) -> tuple[pd.DataFrame, pd.DataFrame, NDArray[np.intp], NDArray[np.float64]]:
    """Return the joined tables, the rows outside the block, and scores fitted on those rows."""
    ids = shared_ids(reference, table)
    reference, table = reference.loc[ids], table.loc[ids]
    outside = np.r_[: block.start, block.stop : len(ids)]
    scores = pair_scores(pair_observations(reference, table), outside, outside)
    return reference, table, outside, scores


def _arrangements(block: Block) -> list[Block]:
    start, stop = block.start, block.stop
    rotations = [Block.rotation(start, stop, shift) for shift in range(block.length)]
    return [*rotations, Block("reversal", start, stop)]


def _name(arrangement: Block, block: Block) -> str:
    if arrangement == block:
        return "repaired"
    if arrangement.kind == "reversal":
        return "reversal"
    return "by id" if arrangement.shift == 0 else "other shift"


def _mean_kappa(reference: pd.DataFrame, table: pd.DataFrame) -> float:
    shared = [column for column in reference.columns if column in table.columns]
    if reference.empty:
        return np.nan
    x, y = (reference[shared] == 1).to_numpy(), (table[shared] == 1).to_numpy()
    p, q = x.mean(axis=0), y.mean(axis=0)
    varies = (p > 0) & (p < 1) & (q > 0) & (q < 1)
    if not varies.any():
        return np.nan
    chance = (p * q + (1 - p) * (1 - q))[varies]
    observed = (x == y).mean(axis=0)[varies]
    return float(np.mean((observed - chance) / (1 - chance)))
