"""Probability that the best block's gain arises by chance, no block being misaligned.

The search compares millions of blocks, so chance alone yields some gain. It is bounded under both
ways in which no block may be misaligned: rows match by id, or the tables are not related at all.
All bounds are Chernoff bounds over the observed scores, times the number of blocks compared.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from cxrstudy.data.integrity.association import PairedObservation, pair_scores
from cxrstudy.data.integrity.blocks import Block, n_candidates

_LARGEST_RATE = 3.0


def log_p_value(
    observations: tuple[PairedObservation, ...],
    block: Block,
    min_rows: int,
    scores: NDArray[np.float64],
) -> float:
    """Return the logarithm of a bound of the false-alarm probability of a block.

    Parameters
    ----------
    observations : tuple of PairedObservation
        The encoded tables.
    block : Block
        The best block of a search.
    min_rows : int
        Shortest block of that search.
    scores : ndarray of float, shape (n_rows, n_rows)
        Scores fitted on the rows outside the block.

    Returns
    -------
    float
        At most 0. Either the gain is improbable even for unrelated tables; or the rows outside the
        block are demonstrably related, and the gain is improbable for rows matched as those are.

    References
    ----------
    Karlin S, Altschul SF (1990), PNAS 87:2264-2268, for the exponential tail of a maximal segment
    score, whose rate is the positive root of E exp(rate * score) = 1.
    """
    rows = np.arange(block.start, block.stop)
    repaired = scores[np.ix_(rows, block.sources())]
    gain = np.trace(repaired) - scores[rows, rows].sum()
    outside = np.r_[: block.start, block.stop : len(scores)]
    halves = _cross_fitted(observations, outside)
    if_unrelated = _log_tail_of_difference(repaired, gain)
    if_matched = max(-tail_rate(halves) * gain, _log_tail_of_matching(halves))
    either_test = np.log(2.0)
    compared = np.log(n_candidates(len(scores), min_rows))
    return float(min(0.0, either_test + compared + min(if_unrelated, if_matched)))


def tail_rate(matched: list[NDArray[np.float64]]) -> float:
    """Return r such that the gain of a wrong repair exceeds g with probability below exp(-r g).

    For an exact likelihood ratio r is 1. Summing over correlated observations overstates the
    evidence and makes r smaller; without evidence it is 0.

    Parameters
    ----------
    matched : list of ndarray of float, shape (n, n)
        Scores of pairs of rows, matched pairs on the diagonal.

    Returns
    -------
    float
        Between 0 and 1.
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


def _cross_fitted(
    observations: tuple[PairedObservation, ...], rows: NDArray[np.intp]
) -> list[NDArray[np.float64]]:
    """Return scores among either half of some rows, fitted on the other half."""
    halves = rows[::2], rows[1::2]
    return [
        pair_scores(observations, fitted, fitted)[np.ix_(scored, scored)]
        for fitted, scored in (halves, halves[::-1])
    ]


def _log_tail_of_matching(matched: list[NDArray[np.float64]]) -> float:
    """Return a bound of the log probability that random pairs score as high as the matched."""
    centred = [_centre(scores) for scores in matched if len(scores)]
    total = sum(np.trace(scores) for scores in centred)
    return _chernoff(lambda rate: sum(_log_moments(scores, rate) for scores in centred), total)


def _log_tail_of_difference(repaired: NDArray[np.float64], gain: float) -> float:
    """Return a bound of the log probability that two random matchings differ by the gain."""
    centred = _centre(repaired)
    return _chernoff(lambda r: _log_moments(centred, r) + _log_moments(centred, -r), gain)


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
