"""The order in which a ranking metric visits the rows of a cell, worked out once.

A visit is ``unit << 2 | kind`` and scores descend.  For AUROC a positive counts in full, or in
two parts that enclose the negatives tied with it.  For average precision the negatives of a tie
come first and its positives are parts but for the last, which closes the threshold.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cxrstudy.compiled import numba

RANKING_METRICS = ("auroc", "average_precision")
"""Metrics of scores; the position of a name is its code inside compiled kernels."""

NEGATIVE, POSITIVE, PART = 0, 1, 2
KIND_BITS, KIND_MASK = 2, 3


@dataclass(frozen=True, eq=False)
class Programs:
    """Visits of all cells, by ranking metric."""

    visits: np.ndarray  # int32, (total,)
    weights: np.ndarray  # sampling weight of each visit: float64, or int8 ones where there is none
    # First visit and end of each cell, (n_metrics, n_methods, n_observations, 2).
    bounds: np.ndarray
    metrics: np.ndarray  # positions in RANKING_METRICS, (n_metrics,)
    largest: int  # no replicate has more rows


def _auroc_visits(positive: np.ndarray, group: np.ndarray):
    """Sequence and kind of the visits to rows in falling order, given their tie groups."""
    # Scores 3 2 2 1 of a positive, a positive, a negative, a negative: rows 0, 1, 2, 1, 3 of kinds
    # POSITIVE, PART, NEGATIVE, PART, NEGATIVE.
    has_negative = np.bincount(group, weights=~positive) > 0
    parted = positive & has_negative[group]
    again = np.flatnonzero(parted)
    row = np.concatenate([np.arange(positive.size), again])
    turn = 3 * group[row]
    turn[: positive.size] += ~parted
    turn[positive.size :] += 2
    kind = np.where(positive, np.where(parted, PART, POSITIVE), NEGATIVE)[row]
    sequence = np.argsort(turn, kind="stable")
    return row[sequence], kind[sequence]


def _average_precision_visits(positive: np.ndarray, group: np.ndarray):
    """Sequence and kind of the visits to rows in falling order, given their tie groups."""
    # In the same example: rows 0, 2, 1, 3 of kinds POSITIVE, NEGATIVE, POSITIVE, NEGATIVE.
    row = np.argsort(2 * group + positive, kind="stable")
    kind = np.where(positive[row], PART, NEGATIVE)
    last = np.cumsum(np.bincount(group)) - 1
    kind[last] = np.where(positive[row[last]], POSITIVE, NEGATIVE)
    return row, kind


_VISITS = dict(zip(RANKING_METRICS, (_auroc_visits, _average_precision_visits), strict=True))


def _encode(scores, labels, unit_of_row, metrics) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sort one cell; return its visits and the rows behind them for each metric."""
    known = np.flatnonzero(~np.isnan(scores + labels))
    order = known[np.argsort(-scores[known])]
    falling = scores[order]
    group = np.cumsum(np.diff(falling, prepend=falling[:1]) != 0)
    positive = labels[order] == 1
    encoded = []
    for metric in metrics:
        sequence, kind = _VISITS[metric](positive, group)
        rows = order[sequence]
        encoded.append(((unit_of_row[rows] << KIND_BITS | kind).astype(np.int32), rows))
    return encoded


def programs(truth, predictions, weights, units, metrics) -> Programs:
    """Sort every cell once and write its visits for every ranking metric."""
    n_methods, _, n_observations = predictions.shape
    shape = (len(metrics), n_methods, n_observations)

    def encode(cell: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
        method, observation = cell
        scores = predictions[method, :, observation]
        return _encode(scores, truth[:, observation], units.unit_of_row, metrics)

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        encoded = list(pool.map(encode, np.ndindex(shape[1:])))
    visits, rows = zip(*(cell[i] for i in range(shape[0]) for cell in encoded), strict=True)
    ends = np.cumsum([len(part) for part in visits])
    begins = np.concatenate([[0], ends[:-1]])
    return Programs(
        visits=np.concatenate(visits),
        weights=(np.ones(ends[-1], np.int8) if weights is None else weights[np.concatenate(rows)]),
        bounds=np.stack([begins, ends], axis=-1).reshape(*shape, 2),
        metrics=np.array([RANKING_METRICS.index(metric) for metric in metrics]),
        largest=units.n_units * int(np.bincount(units.unit_of_row).max()),
    )
