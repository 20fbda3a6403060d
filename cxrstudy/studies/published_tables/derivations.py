"""Quantities that papers derive from their printed figures: each a function of plain arrays."""

import numpy as np
from numpy.typing import ArrayLike


def relative_change(new: ArrayLike, old: ArrayLike) -> float:
    """Change of the mean in percent of the old mean: a ratio of means, minus one."""
    return 100 * float(np.mean(new) / np.mean(old) - 1)


def share_of_change(new: np.ndarray, old: np.ndarray, label: int) -> float:
    """Percentage of the change of a mean that one of its terms brings about."""
    change = new - old
    return 100 * float(change[label] / change.sum())


def harmonic_mean(precision: float, recall: float) -> float:
    """F1 from its two parts."""
    return 2 * precision * recall / (precision + recall)


def percentage_points(new: float, old: float) -> float:
    """Difference in points of a hundred."""
    return 100 * float(new - old)


def missing_term(
    average: float, others: np.ndarray, other_weights: ArrayLike, weight: float
) -> float:
    """Value that a weighted mean leaves for the one term that is not among `others`."""
    total = np.sum(other_weights) + weight
    return float((average * total - np.dot(other_weights, others)) / weight)
