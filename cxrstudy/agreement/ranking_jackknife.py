"""Exact leave-one-out AUROC and average precision from one sorted cell."""

import numpy as np

from .metrics import fill_averages
from .ranking import left_out_rankings
from .visits import KIND_BITS, KIND_MASK, NEGATIVE, POSITIVE, Programs

_HALVES = np.array([0, 2, 1])  # of a positive in a visit: NEGATIVE, POSITIVE, PART


def _auroc_without(unit: np.ndarray, kind: np.ndarray, n_units: int):
    """AUROC and truth positives without each unit, and last on the full sample.

    ``unit`` and ``kind`` are those of the visits.  A positive is two halves and wins two points
    from each negative below it, one by each half.
    """

    def by_unit(points: np.ndarray) -> np.ndarray:
        return np.bincount(unit, points, n_units + 1)

    negative = kind == NEGATIVE
    halves = _HALVES[kind]
    halves_above = np.cumsum(halves)
    negatives_below = negative.sum() - np.cumsum(negative)
    won = np.where(negative, halves_above, halves * negatives_below)
    positives = 0.5 * (halves.sum() - by_unit(halves))
    negatives = negative.sum() - by_unit(negative)
    total = halves_above[negative].sum()
    return (total - by_unit(won)) / (2 * positives * negatives), positives


def _average_precision_without(unit: np.ndarray, kind: np.ndarray, n_units: int):
    """Average precision and truth positives without each unit, and last on the full sample.

    Without a negative, precision changes from its threshold down; without a positive, the
    threshold itself also loses a hit.
    """
    positive, closing = kind != NEGATIVE, kind == POSITIVE
    n_positives = positive.sum()
    flagged = np.flatnonzero(closing) + 1.0  # rows down to each threshold
    hits = np.cumsum(positive)[closing]  # positives among them
    gained = np.diff(hits, prepend=0)  # positives since the threshold before
    rest = np.maximum(flagged - 1, 1)

    def and_below(terms: np.ndarray) -> np.ndarray:
        return np.append(np.cumsum(terms[::-1])[::-1], 0.0)

    above = np.append(0.0, np.cumsum(gained * hits / flagged))
    without_negative = above + and_below(gained * hits / rest)
    own = (gained - 1) * (hits - 1) / rest
    without_positive = above[:-1] + own + and_below(gained * (hits - 1) / rest)[1:]

    threshold = np.cumsum(closing) - closing  # the one that a visit counts towards
    values = np.full(n_units + 1, above[-1] / n_positives)
    positives = np.full(n_units + 1, float(n_positives))
    values[unit[~positive]] = without_negative[threshold[~positive]] / n_positives
    values[unit[positive]] = without_positive[threshold[positive]] / (n_positives - 1)
    positives[unit[positive]] -= 1
    return values, positives


_WITHOUT = (_auroc_without, _average_precision_without)  # in the order of RANKING_METRICS


@np.errstate(divide="ignore", invalid="ignore")
def _single_rows(program: Programs, n_units: int, averaged, zero_undefined: bool) -> np.ndarray:
    n_metrics, n_methods, n_observations, _ = program.bounds.shape
    values = np.empty((n_metrics, n_methods, n_observations + 2, n_units + 1))
    positives = np.empty((n_methods, n_observations, n_units + 1))
    for i, metric in enumerate(program.metrics):
        for cell in np.ndindex(n_methods, n_observations):
            visits = program.visits[slice(*program.bounds[i][cell])]
            of_cell = _WITHOUT[metric](visits >> KIND_BITS, visits & KIND_MASK, n_units)
            values[i][cell], positives[cell] = of_cell
        fill_averages(values[i], positives, averaged, zero_undefined)
    return values


def sample_rankings(
    program: Programs, units, averaged: np.ndarray, zero_undefined: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate every ranking metric of every cell on the full sample and exactly without each unit.

    The shapes are (n_metrics, n_methods, n_observations + 2) and (..., n_units).
    """
    if units.one_row_each and program.weights.dtype != np.float64:
        values = _single_rows(program, units.n_units, averaged, zero_undefined)
    else:
        values = left_out_rankings(program, units, averaged, zero_undefined)
    return values[..., -1], values[..., :-1]
