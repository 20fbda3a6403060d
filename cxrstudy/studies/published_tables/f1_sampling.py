"""Sampling error of printed scores whose predictions are not public.

A printed F1 on a test set of known size and prevalence leaves few tables of counts. Each table
says how well the true F1 is known. How errors of two models on the same studies go together is
not printed, so every interval of a difference is given for a stated correlation.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from cxrstudy.published.papers import PublishedTable
from cxrstudy.studies.published_tables.internal import Printed, printed_cells

_TOLERANCE = 1e-9


def compatible_counts(
    f1: Printed, positives: int, n: int, above_chance: bool = False
) -> np.ndarray:
    """List the counts that print as a given F1.

    Parameters
    ----------
    f1 : Printed
        A single printed F1.
    positives, n : int
        Positive cases and all cases of the test set.
    above_chance : bool
        Keep only counts with a precision of at least the prevalence.

    Returns
    -------
    ndarray of int64, shape (n_tables, 2)
        True positives and false positives; empty if the F1 cannot arise on such a test set.
    """
    true_positives, false_positives = np.indices((positives + 1, n - positives + 1))
    predicted = true_positives + false_positives
    scores = 2 * true_positives / (positives + predicted)
    kept = np.abs(scores - float(f1.cells)) <= f1.half_unit + _TOLERANCE
    if above_chance:
        kept &= true_positives * n >= predicted * positives
    return np.column_stack([true_positives[kept], false_positives[kept]])


def count_compatible(table: PublishedTable, positives: pd.Series, n: int) -> pd.DataFrame:
    """Count the tables of counts behind each printed F1; zero refutes the assumed test set.

    Parameters
    ----------
    table : PublishedTable
        F1 of every label and model.
    positives : Series
        Positive cases of each label.
    n : int
        Cases of the test set.

    Returns
    -------
    DataFrame of int
        Labels down, models across.
    """
    return pd.DataFrame(
        {
            model: {
                label: len(compatible_counts(printed_cells(table, label, model), count, n))
                for label, count in positives.items()
            }
            for model in table.values
        }
    )


def f1_standard_error(
    counts: ArrayLike, positives: float, n: float, n_draws: int, seed: int
) -> float:
    """Posterior spread of the true F1 of one label.

    Sensitivity and false-positive rate have Jeffreys priors, so that a printed F1 of zero on four
    positives is not taken for certain. The prevalence is that of the test set. Where several
    tables of counts are possible, each draw picks one of them at random.

    Parameters
    ----------
    counts : array-like, shape (n_tables, 2)
        True and false positives; need not be whole.
    positives, n : float
        Positive cases and all cases.
    n_draws : int
    seed : int

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If no table of counts is given.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if not len(counts):
        raise ValueError("no counts print as this F1: the test set cannot be the assumed one")
    rng = np.random.default_rng(seed)
    hits, false_alarms = counts[rng.integers(len(counts), size=n_draws)].T
    negatives = n - positives
    sensitivity = rng.beta(hits + 0.5, positives - hits + 0.5)
    false_positive_rate = rng.beta(false_alarms + 0.5, negatives - false_alarms + 0.5)
    predicted = positives * sensitivity + negatives * false_positive_rate
    return float(np.std(2 * positives * sensitivity / (positives + predicted), ddof=1))


def printed_f1_errors(
    table: PublishedTable, column: str, positives: pd.Series, n: int, n_draws: int, seed: int
) -> pd.Series:
    """Posterior spread of every label's printed F1, from the counts that print as it.

    Counts whose precision falls below the prevalence are left out: a model that does worse than
    chance is not what a reader would assume of a printed F1.

    Parameters
    ----------
    table : PublishedTable
    column : str
        The model.
    positives : Series
        Positive cases of each label; its index chooses the rows.
    n : int
        Cases of the test set.
    n_draws, seed : int

    Returns
    -------
    Series
        Standard error by label.
    """
    return pd.Series(
        {
            label: f1_standard_error(
                compatible_counts(printed_cells(table, label, column), count, n, above_chance=True),
                count, n, n_draws, seed,
            )
            for label, count in positives.items()
        }
    )  # fmt: skip


def typical_f1_error(f1: float, positives: int, n: int, n_draws: int, seed: int) -> float:
    """Posterior spread of an F1 whose counts are not printed, with precision equal to recall."""
    counts = [[f1 * positives, (1 - f1) * positives]]
    return f1_standard_error(counts, positives, n, n_draws, seed)


def macro_difference(
    name: str, difference: float, errors: tuple[ArrayLike, ArrayLike], correlations: Iterable[float]
) -> pd.DataFrame:
    """Interval of the difference of two macro averages under stated correlations.

    Terms of one average are taken as independent of each other.

    Parameters
    ----------
    name : str
        What is compared.
    difference : float
        Printed difference of the averages.
    errors : tuple of array-like
        Standard errors of the terms of either average.
    correlations : iterable of float
        Correlation of the two models' errors on the same term.

    Returns
    -------
    DataFrame
        One row for each correlation: comparison, correlation, estimate, low, high,
        standard_error, detectable (the smallest true difference that a two-sided 5 % test finds
        four times out of five) and more_cases (factor on the test set's size at which the printed
        difference becomes detectable).
    """
    rows = []
    for correlation in correlations:
        spread = error_of_mean(_difference_errors(*errors, correlation))
        detectable = (stats.norm.ppf(0.975) + stats.norm.ppf(0.80)) * spread
        margin = stats.norm.ppf(0.975) * spread
        rows.append(
            {
                "comparison": name,
                "correlation": correlation,
                "estimate": difference,
                "low": difference - margin,
                "high": difference + margin,
                "standard_error": spread,
                "detectable": detectable,
                "more_cases": (detectable / difference) ** 2,
            }
        )
    return pd.DataFrame(rows)


def error_of_mean(errors: ArrayLike) -> float:
    """Compute the standard error of a mean of independent terms from the terms' own."""
    errors = np.asarray(errors)
    return float(np.sqrt((errors**2).sum()) / errors.size)


def error_from_interval(low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """Compute the standard error behind a printed 95 % interval, taken as normal."""
    return (np.asarray(high) - np.asarray(low)) / (2 * stats.norm.ppf(0.975))


def _difference_errors(first: ArrayLike, second: ArrayLike, correlation: float) -> np.ndarray:
    first, second = np.asarray(first), np.asarray(second)
    return np.sqrt(first**2 + second**2 - 2 * correlation * first * second)
