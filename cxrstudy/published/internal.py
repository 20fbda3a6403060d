"""Recompute a paper's figures from its own printed cells, with the rounding of each propagated.

A printed figure stands for an interval: the value plus or minus half a unit of its last digit.
Whatever is derived from printed figures is an interval too, and a printed result is consistent
with it if some number that prints as this result lies inside.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrstudy.published.papers import PublishedTable, paper

AVERAGES = ("Average", "Weighted Average")
"""Rows of a published table that average its other rows."""

# Absorbs the binary form of printed decimals and nothing else.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Printed:
    """One or more figures as printed.

    Attributes
    ----------
    values : ndarray of float64
        The printed figures.
    half_unit : float
        Half a unit of the last printed digit; 0 for counts, which are exact.
    """

    values: np.ndarray
    half_unit: float

    def __init__(self, values: ArrayLike, half_unit: float) -> None:
        """Take any array-like; a missing figure is refused."""
        object.__setattr__(self, "values", np.asarray(values, dtype=np.float64))
        object.__setattr__(self, "half_unit", half_unit)
        if not np.isfinite(self.values).all():
            raise ValueError(f"a printed figure is missing or not finite: {values}")


@dataclass(frozen=True)
class Derived:
    """What printed figures imply: the value as printed and the range that rounding leaves.

    Attributes
    ----------
    value : float
        Result of the printed figures.
    low, high : float
        Smallest and largest result of figures that would print the same.
    """

    value: float
    low: float
    high: float

    def admits(self, published: Printed) -> bool:
        """Whether a number that prints as `published` lies in the range."""
        gap = max(self.low - float(published.values), float(published.values) - self.high)
        return gap <= published.half_unit + _TOLERANCE


def printed_cells(
    table: PublishedTable, rows: str | Iterable[str], columns: str | Iterable[str]
) -> Printed:
    """Take cells of a published table with their rounding.

    Parameters
    ----------
    table : PublishedTable
    rows, columns : str or iterable of str
        A name drops the axis, as in ``DataFrame.loc``.

    Returns
    -------
    Printed
    """
    rows, columns = (key if isinstance(key, str) else list(key) for key in (rows, columns))
    return Printed(table.values.loc[rows, columns], table.half_unit)


def printed_fact(paper_key: str, fact: str) -> Printed:
    """Take a single printed number with its rounding; a number without decimals is a count."""
    entry = paper(paper_key)["facts"][fact]
    half_unit = 0.5 * 10.0 ** -entry["decimals"] if "decimals" in entry else 0.0
    return Printed(entry["value"], half_unit)


def propagate_rounding(derive: Callable[..., float], *figures: Printed) -> Derived:
    """Find the range of a derived value over all figures that would print the same.

    The range is exact for a `derive` that is monotone in each figure, whatever the others are:
    means, ratios of positive figures, maxima. It then lies between two corners of the box of
    rounding errors. Unlike step-by-step interval arithmetic this stays exact where a figure
    enters twice.

    Parameters
    ----------
    derive : callable
        Takes one array for each of `figures` and returns a number.
    *figures : Printed

    Returns
    -------
    Derived

    Raises
    ------
    ValueError
        If a corner does not bound the value, so that `derive` cannot be monotone.
    """
    centre = np.concatenate([figure.values.ravel() for figure in figures])
    reach = np.concatenate([np.full(figure.values.size, figure.half_unit) for figure in figures])
    splits = np.cumsum([figure.values.size for figure in figures])[:-1]

    def at(cells: np.ndarray) -> float:
        parts = np.split(cells, splits)
        return float(
            derive(*(p.reshape(f.values.shape) for p, f in zip(parts, figures, strict=True)))
        )

    steps = np.diag(reach)
    uphill = np.sign([at(centre + step) - at(centre - step) for step in steps])
    derived = Derived(at(centre), at(centre - uphill * reach), at(centre + uphill * reach))
    if not derived.low <= derived.value <= derived.high:
        raise ValueError(f"not monotone in every figure, so its corners bound nothing: {derived}")
    return derived


def compare_printed(name: str, published: Printed, derived: Derived) -> dict[str, object]:
    """Make one row that sets a printed result beside what the paper's other figures imply.

    Returns
    -------
    dict
        figure, published, recomputed, low, high, consistent.
    """
    return {
        "figure": name,
        "published": float(published.values),
        "recomputed": derived.value,
        "low": derived.low,
        "high": derived.high,
        "consistent": derived.admits(published),
    }


def check_averages(table: PublishedTable, weights: pd.Series) -> pd.DataFrame:
    """Recompute a table's average rows from its other rows.

    Parameters
    ----------
    table : PublishedTable
        Holds the rows `AVERAGES`.
    weights : Series
        Exact weight of each other row in the weighted average.

    Returns
    -------
    DataFrame
        Rows of `compare_printed`, one for each average and column.
    """
    shares = {"Average": None, "Weighted Average": weights.to_numpy(dtype=np.float64)}
    return pd.DataFrame(
        compare_printed(
            f"{table.where}: {average}, {column}",
            printed_cells(table, average, column),
            propagate_rounding(
                partial(np.average, weights=shares[average]),
                printed_cells(table, weights.index, column),
            ),
        )
        for column in table.values
        for average in AVERAGES
    )


def check_differences(
    printed: PublishedTable, minuend: PublishedTable, subtrahend: PublishedTable, columns: dict
) -> pd.DataFrame:
    """Recompute printed differences from the two tables that they compare.

    Parameters
    ----------
    printed, minuend, subtrahend : PublishedTable
        Tables with the same row names.
    columns : dict
        Keys printed, minuend, subtrahend: the column of each.

    Returns
    -------
    DataFrame
        Rows of `compare_printed`, one for each row of `printed`.
    """
    return pd.DataFrame(
        compare_printed(
            f"{printed.where}: {row}",
            printed_cells(printed, row, columns["printed"]),
            propagate_rounding(
                np.subtract,
                printed_cells(minuend, row, columns["minuend"]),
                printed_cells(subtrahend, row, columns["subtrahend"]),
            ),
        )
        for row in printed.values.index
    )


def check_f1(table: PublishedTable, precision: str, recall: str, f1: str) -> pd.DataFrame:
    """Recompute printed F1 from printed precision and recall, one row for each of the table's."""
    return pd.DataFrame(
        compare_printed(
            f"{table.where}: {row}",
            printed_cells(table, row, f1),
            propagate_rounding(
                harmonic_mean,
                printed_cells(table, row, precision),
                printed_cells(table, row, recall),
            ),
        )
        for row in table.values.index
    )


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


def missing_term(average: float, others: np.ndarray) -> float:
    """Value that a plain mean implies for the one term that is not among `others`."""
    return float(average * (np.size(others) + 1) - np.sum(others))
