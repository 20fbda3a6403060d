"""Search for the block whose repair the label values support best, and its false-alarm bound.

The search compares millions of blocks, so chance alone yields some gain. Its probability is
bounded under both ways in which no block may be misaligned: rows match by id, or the tables are
not related at all. All bounds are Chernoff bounds over the observed scores, times the number of
blocks compared.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from cxrstudy.data.integrity.association import Association, PairedObservation
from cxrstudy.data.integrity.blocks import Block, block_gain, n_candidates, similar_blocks
from cxrstudy.data.integrity.scan import best_block

_MAX_REFITS = 8
# Limits whose likelihood is at least this share of the best one's count as plausible.
_PLAUSIBLE_LIKELIHOOD_RATIO = 0.01
_LARGEST_RATE = 3.0
# Of more rows, so many at even distances stand for all where every pair of rows is looked at.
_MAX_PAIRED_ROWS = 2000
# In more rows than this a tenth of a nat per row tells which start of the search will do.
_MANY_ROWS, _RELATED = 20_000, 0.1


@dataclass(frozen=True)
class Misalignment:
    """A block of rows of the shared ids whose values belong to other studies of that block."""

    block: Block
    first_id: object
    last_id: object
    # Log-likelihood ratio (nats) of the repaired against the given alignment, with the association
    # between the tables fitted on the rows outside the block.
    gain: float
    # Upper bound of the probability of such a gain, anywhere in the search, without such a block.
    log_p_value: float
    # First and last of the limits that the values cannot tell from the best.
    plausible_start: tuple[int, int]
    plausible_stop: tuple[int, int]
    limits_from: str = "values"  # or "values and id order", if the row order settled the limits


def search_block(
    observations: list[PairedObservation],
    ids: pd.Index,
    min_rows: int,
    id_order_blocks: Collection[Block] = (),
) -> Misalignment:
    """Return the best block, or one that the row order suggests and values cannot tell from it."""
    rows = np.arange(len(ids))
    # Fitting on the given alignment fails if most rows are misaligned; assuming moderate agreement
    # fails if observations agree in unusual ways. The better of both starts wins.
    starts = [rows, rows[:0]]
    if len(rows) > _MANY_ROWS:
        as_given = Association.fit(observations, rows, rows)
        starts = starts[:1] if as_given.scores(rows, rows).mean() > _RELATED else starts[1:]
    blocks = dict.fromkeys(_refit_until_stable(observations, min_rows, start) for start in starts)
    judged = [_judge(observations, ids, min_rows, block, id_order_blocks) for block in blocks]
    return min(judged, key=lambda found: found.log_p_value)


def _refit_until_stable(
    observations: list[PairedObservation], min_rows: int, start: NDArray[np.intp]
) -> Block:
    """Alternate between fitting the association and searching the block, from some rows on."""
    rows = np.arange(len(observations[0].reference))
    block = best_block(Association.fit(observations, start, start), min_rows)
    for _ in range(_MAX_REFITS):
        refitted = Association.fit(observations, rows, block.permutation(len(rows)))
        previous, block = block, best_block(refitted, min_rows)
        if block == previous:
            break
    return block


def _judge(
    observations: list[PairedObservation],
    ids: pd.Index,
    min_rows: int,
    block: Block,
    id_order_blocks: Collection[Block],
) -> Misalignment:
    def judged(block: Block) -> tuple[float, float]:
        outside = np.r_[: block.start, block.stop : len(ids)]
        # Rows of the block must not vouch for their own repair.
        held_out = Association.fit(observations, outside, outside)
        return block_gain(held_out, block), log_p_value(observations, block, min_rows, held_out)

    gain, log_p = judged(block)
    # Of what chance explains, nobody asks for the limits.
    matters = log_p < 0 or id_order_blocks
    plausible = _plausible_blocks(observations, block) if matters else {block}
    supported = [other for other in id_order_blocks if other in plausible]
    if supported:
        block = supported[0]
        gain, log_p = judged(block)
    return Misalignment(
        block=block,
        first_id=ids[block.start],
        last_id=ids[block.stop - 1],
        gain=gain,
        log_p_value=log_p,
        plausible_start=(min(b.start for b in plausible), max(b.start for b in plausible)),
        plausible_stop=(min(b.stop for b in plausible), max(b.stop for b in plausible)),
        limits_from="values and id order" if supported else "values",
    )


def _plausible_blocks(observations: list[PairedObservation], block: Block) -> set[Block]:
    """Return the blocks, the best one included, that the values can hardly tell from it."""
    rows = np.arange(len(observations[0].reference))
    repaired = block.permutation(len(rows))
    association = Association.fit(observations, rows, repaired)
    paired = spaced(rows)
    rate = _tail_rate([association.matrix(paired, repaired[paired])])
    if rate == 0:
        return {block}
    enough = block_gain(association, block) + np.log(_PLAUSIBLE_LIKELIHOOD_RATIO) / rate
    near = similar_blocks(block, len(rows))
    return {block} | {other for other in near if block_gain(association, other) >= enough}


def log_p_value(
    observations: list[PairedObservation], block: Block, min_rows: int, association: Association
) -> float:
    """Return the logarithm of a bound of the false-alarm probability of a search's best block.

    The association is fitted on the rows outside the block. Either the gain is improbable even for
    unrelated tables; or the rows outside the block are demonstrably related, and the gain is
    improbable for rows matched as those are.

    The tail of a maximal segment score is exponential, with the positive root of
    E exp(rate * score) = 1 as its rate: Karlin and Altschul 1990, PNAS 87:2264-2268.
    """
    n_rows = len(association.reference)
    gain = block_gain(association, block)
    # One of two tests, of so many blocks.
    compared = np.log(2.0) + np.log(n_candidates(n_rows, min_rows))
    if compared >= _LARGEST_RATE * gain:
        return 0.0  # no bound below can be smaller
    inside = spaced(np.arange(block.length))
    repaired = association.matrix(block.start + inside, block.sources()[inside])
    outside = np.r_[: block.start, block.stop : n_rows]
    halves = cross_fitted_scores(observations, outside)
    if_unrelated = _log_tail_of_difference(repaired, gain, block.length / len(inside))
    if_matched = max(-_tail_rate(halves) * gain, _log_tail_of_matching(halves))
    return float(min(0.0, compared + min(if_unrelated, if_matched)))


def _tail_rate(matched: list[NDArray[np.float64]]) -> float:
    """Return r such that the gain of a wrong repair exceeds g with probability below exp(-r g).

    Matched pairs stand on the diagonals of the score matrices. For an exact likelihood ratio r is
    1; summing over correlated observations overstates the evidence and makes r smaller; without
    evidence it is 0.
    """
    # Change of score when a matched row is given the values of another study.
    changes = [
        (scores - np.diag(scores)[:, None])[~np.eye(len(scores), dtype=bool)] for scores in matched
    ]
    change = np.concatenate(changes)
    if not len(change) or change.mean() >= 0:
        return 0.0

    def log_moment(rate: float) -> float:
        return float(np.log(np.exp(rate * change).mean()))

    return 1.0 if log_moment(1.0) <= 0 else brentq(log_moment, 1e-6, 1.0)


def cross_fitted_scores(
    observations: list[PairedObservation], rows: NDArray[np.intp]
) -> list[NDArray[np.float64]]:
    """Return scores among either half of some rows, fitted on the other half."""
    halves = rows[::2], rows[1::2]
    return [
        Association.fit(observations, fitted, fitted).matrix(spaced(scored), spaced(scored))
        for fitted, scored in (halves, halves[::-1])
    ]


def spaced(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Choose rows at even distances if there are too many to look at every pair."""
    if len(rows) <= _MAX_PAIRED_ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _MAX_PAIRED_ROWS).astype(int)]


def _log_tail_of_matching(matched: list[NDArray[np.float64]]) -> float:
    """Return a bound of the log probability that random pairs score as high as the matched."""
    centred = [_centre(scores) for scores in matched if len(scores)]
    total = sum(np.trace(scores) for scores in centred)
    return _chernoff(lambda rate: sum(_log_moments(scores, rate) for scores in centred), total)


def _log_tail_of_difference(repaired: NDArray[np.float64], gain: float, times: float) -> float:
    """Return a bound of the log probability that two random matchings differ by the gain.

    The rows at hand stand for ``times`` as many.
    """
    centred = _centre(repaired)
    return _chernoff(lambda r: times * (_log_moments(centred, r) + _log_moments(centred, -r)), gain)


def _centre(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Remove row and column means, which are the same for every matching."""
    return scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()


def _log_moments(scores: NDArray[np.float64], rate: float) -> float:
    return float(np.log(np.exp(rate * scores).mean(axis=1)).sum())


def _chernoff(cumulant: Callable[[float], float], total: float) -> float:
    result = minimize_scalar(
        lambda rate: cumulant(rate) - rate * total, bounds=(0.0, _LARGEST_RATE), method="bounded"
    )
    return min(0.0, float(result.fun))
