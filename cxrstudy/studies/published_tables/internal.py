"""Recompute a paper's figures from its own printed cells, with the rounding of each propagated.

A printed figure stands for an interval: the value plus or minus half a unit of its last digit.
Whatever is derived from printed figures is an interval too, and a printed result is consistent
with it if some number that prints as this result lies inside.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cxrstudy.published.papers import PublishedTable, paper
from cxrstudy.studies.published_tables.derivations import harmonic_mean

AVERAGES = ("Average", "Weighted Average")
"""Rows of a published table that average its other rows."""

Column = tuple[PublishedTable, str]

# Absorbs the binary form of printed decimals and nothing else.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Printed:
    """One or more figures as printed.

    Attributes
    ----------
    cells : ndarray of float64
        The printed figures, of any shape.
    half_unit : float
        Half a unit of the last printed digit; 0 for counts, which are exact.
    """

    cells: np.ndarray
    half_unit: float

    def __init__(self, cells: ArrayLike, half_unit: float) -> None:
        """Take any array-like; a missing figure is refused."""
        object.__setattr__(self, "cells", np.asarray(cells, dtype=np.float64))
        object.__setattr__(self, "half_unit", half_unit)
        if not np.isfinite(self.cells).all():
            raise ValueError(f"a printed figure is missing or not finite: {cells}")

    def __str__(self) -> str:
        """Write a single figure with the decimals that it was printed with."""
        decimals = round(-np.log10(2 * self.half_unit)) if self.half_unit else 0
        return f"{float(self.cells):.{decimals}f}"


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
        """Whether a number that prints as `published` lies in the range.

        Two ranges that touch at one edge do not count: a single quantity printed as 0.257 and as
        0.258 would have to be 0.2575 exactly.
        """
        gap = max(self.low - float(published.cells), float(published.cells) - self.high)
        return gap <= _TOLERANCE or gap < published.half_unit - _TOLERANCE

    def __format__(self, spec: str) -> str:
        """Write value and range, such as ``+3.8 (+3.4 to +4.1)`` for ``+.1f``."""
        return f"{self.value:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


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
    centre = np.concatenate([figure.cells.ravel() for figure in figures])
    reach = np.concatenate([np.full(figure.cells.size, figure.half_unit) for figure in figures])
    splits = np.cumsum([figure.cells.size for figure in figures])[:-1]

    def at(cells: np.ndarray) -> float:
        parts = np.split(cells, splits)
        return float(
            derive(*(p.reshape(f.cells.shape) for p, f in zip(parts, figures, strict=True)))
        )

    steps = np.diag(reach)
    uphill = np.sign([at(centre + step) - at(centre - step) for step in steps])
    derived = Derived(at(centre), at(centre - uphill * reach), at(centre + uphill * reach))
    if not derived.low <= derived.value <= derived.high:
        raise ValueError(f"not monotone in every figure, so its corners bound nothing: {derived}")
    return derived


def compare_printed(
    name: str, derived: Derived, published: Printed | None = None
) -> dict[str, object]:
    """Make one row that sets a printed result beside what the paper's other figures imply.

    Parameters
    ----------
    name : str
    derived : Derived
    published : Printed, optional
        None for a figure that the paper does not print.

    Returns
    -------
    dict
        figure, published (as printed), recomputed, low, high, consistent ("yes", "no", or empty).
    """
    verdict = "" if published is None else "yes" if derived.admits(published) else "no"
    return {
        "figure": name,
        "published": "" if published is None else str(published),
        "recomputed": derived.value,
        "low": derived.low,
        "high": derived.high,
        "consistent": verdict,
    }


def compare_all(
    derived: Mapping[str, Derived], published: Mapping[str, Printed] | None = None
) -> pd.DataFrame:
    """Make a table of `compare_printed`, one row for each derived figure.

    Parameters
    ----------
    derived : mapping of str to Derived
    published : mapping of str to Printed, optional
        Those of the figures that the paper prints, by the same names.

    Returns
    -------
    DataFrame
    """
    published = published or {}
    if unknown := published.keys() - derived.keys():
        raise KeyError(f"printed, but not derived: {sorted(unknown)}")
    return pd.DataFrame(
        compare_printed(name, figure, published.get(name)) for name, figure in derived.items()
    )


def between(low: Printed, high: Printed) -> Derived:
    """Range between two printed bounds, their rounding included; it has no value of its own."""
    return Derived(np.nan, float(low.cells) - low.half_unit, float(high.cells) + high.half_unit)


def tally(checks: pd.DataFrame) -> dict[str, int]:
    """Count printed results and consistent ones, as `cxrstudy.claims.record` takes them."""
    printed = checks[checks["consistent"] != ""]
    return {"cells": len(printed), "matching": int((printed["consistent"] == "yes").sum())}


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
            propagate_rounding(
                partial(np.average, weights=shares[average]),
                printed_cells(table, weights.index, column),
            ),
            printed_cells(table, average, column),
        )
        for column in table.values
        for average in AVERAGES
    )


def check_differences(printed: Column, minuend: Column, subtrahend: Column) -> pd.DataFrame:
    """Recompute printed differences from the two columns that they compare.

    Parameters
    ----------
    printed, minuend, subtrahend : tuple of PublishedTable and str
        A table and the name of a column; the tables share the row names of the first.

    Returns
    -------
    DataFrame
        Rows of `compare_printed`, one for each row of the first table.
    """
    return pd.DataFrame(
        compare_printed(
            f"{printed[0].where}: {row}",
            propagate_rounding(
                np.subtract,
                *(printed_cells(table, row, column) for table, column in (minuend, subtrahend)),
            ),
            printed_cells(printed[0], row, printed[1]),
        )
        for row in printed[0].values.index
    )


def check_f1(table: PublishedTable, precision: str, recall: str, f1: str) -> pd.DataFrame:
    """Recompute printed F1 from printed precision and recall, one row for each of the table's."""
    return pd.DataFrame(
        compare_printed(
            f"{table.where}: {row}",
            propagate_rounding(
                harmonic_mean,
                printed_cells(table, row, precision),
                printed_cells(table, row, recall),
            ),
            printed_cells(table, row, f1),
        )
        for row in table.values.index
    )
