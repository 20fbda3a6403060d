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

AVERAGES = ("Average", "Weighted Average")
"""Rows of a published table that average its other rows."""

Column = tuple[PublishedTable, str]

# Absorbs the binary form of printed decimals and nothing else.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Printed:
    """One or more figures as printed, of any shape; a missing one is refused."""

    cells: np.ndarray
    half_unit: float  # half a unit of the last printed digit; 0 for counts, which are exact

    def __init__(self, cells: ArrayLike, half_unit: float) -> None:
        object.__setattr__(self, "cells", np.asarray(cells, dtype=np.float64))
        object.__setattr__(self, "half_unit", half_unit)
        if not np.isfinite(self.cells).all():
            raise ValueError(f"a printed figure is missing or not finite: {cells}")

    def __float__(self) -> float:
        """Return a single figure."""
        return float(self.cells)

    def __str__(self) -> str:
        """Write a single figure with the decimals that it was printed with.

        >>> print(Printed(0.9, half_unit=0.005))
        0.90
        """
        decimals = round(-np.log10(2 * self.half_unit)) if self.half_unit else 0
        return f"{float(self):.{decimals}f}"


@dataclass(frozen=True)
class Derived:
    """What printed figures imply: the value as printed and the range that rounding leaves."""

    value: float
    low: float
    high: float

    def admits(self, published: Printed) -> bool:
        """Whether a number that prints as `published` lies in the range.

        Two ranges that touch at one edge do not count: a single quantity printed as 0.257 and as
        0.258 would have to be 0.2575 exactly.
        """
        gap = max(self.low - float(published), float(published) - self.high)
        return gap <= _TOLERANCE or gap < published.half_unit - _TOLERANCE

    def __format__(self, spec: str) -> str:
        """Write value and range.

        >>> f"{Derived(3.81, 3.43, 4.12):+.1f}"
        '+3.8 (rounding +3.4 to +4.1)'
        """
        return f"{self.value:{spec}} (rounding {self.low:{spec}} to {self.high:{spec}})"


def printed_cells(
    table: PublishedTable, rows: str | Iterable[str], columns: str | Iterable[str]
) -> Printed:
    """Take cells of a published table with their rounding; a name drops the axis."""
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
    enters twice. A `derive` that is not monotone is refused where a corner shows it.

    >>> propagate_rounding(np.mean, Printed([0.52, 0.46], half_unit=0.005))
    Derived(value=0.49, low=0.485, high=0.495)
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


def exactly(printed: Printed) -> Derived:
    """Take a single printed figure as it stands, to set it beside the same figure elsewhere."""
    return propagate_rounding(float, printed)


def between(low: Printed, high: Printed) -> Derived:
    """Range between two printed bounds, their rounding included; it has no value of its own."""
    return Derived(np.nan, float(low) - low.half_unit, float(high) + high.half_unit)


def compare_all(
    derived: Mapping[str, Derived], published: Mapping[str, Printed] | None = None
) -> pd.DataFrame:
    """Set printed results beside what the paper's other figures imply.

    Parameters
    ----------
    derived : mapping of str to Derived
    published : mapping of str to Printed, optional
        Those of the figures that the paper prints, by the same names.

    Returns
    -------
    DataFrame
        One row for each derived figure: figure, published (as printed), recomputed, low, high,
        consistent ("yes", "no", or empty where nothing is printed).
    """
    published = published or {}
    if unknown := published.keys() - derived.keys():
        raise KeyError(f"printed, but not derived: {sorted(unknown)}")
    rows = []
    for name, each in derived.items():
        printed, consistent = "", ""
        if name in published:
            printed = str(published[name])
            consistent = "yes" if each.admits(published[name]) else "no"
        numbers = {"recomputed": each.value, "low": each.low, "high": each.high}
        rows.append({"figure": name, "published": printed, **numbers, "consistent": consistent})
    return pd.DataFrame(rows)


def tally(checks: pd.DataFrame) -> dict[str, int]:
    """Count printed results and consistent ones, as `cxrstudy.claims.record` takes them."""
    printed = checks[checks["consistent"] != ""]
    wrong = printed[printed["consistent"] == "no"]
    off = [units_off(row.published, row.low, row.high) for row in wrong.itertuples()]
    matching = len(printed) - len(wrong)
    return {"cells": len(printed), "matching": matching, "units_off": max(off, default=0)}


def units_off(published: str, low: float, high: float) -> int:
    """Count the units of its last digit by which a printed number would have to change to fit.

    >>> units_off("0.258", 0.2565, 0.2575), units_off("0.39", 0.81, 0.96)
    (1, 42)
    """
    unit = 10.0 ** -len(published.partition(".")[2])
    gap = max(low - float(published), float(published) - high) / unit
    return int(np.floor(gap + 0.5 + _TOLERANCE))


def check_averages(table: PublishedTable, weights: pd.Series) -> pd.DataFrame:
    """Recompute a table's `AVERAGES` from its other rows, whose exact weights are given."""
    shares = dict(zip(AVERAGES, (None, weights.to_numpy(dtype=np.float64)), strict=True))
    derived, printed = {}, {}
    for column in table.values:
        rows = printed_cells(table, weights.index, column)
        for average in AVERAGES:
            name = f"{table.where}: {average}, {column}"
            derived[name] = propagate_rounding(partial(np.average, weights=shares[average]), rows)
            printed[name] = printed_cells(table, average, column)
    return compare_all(derived, printed)


def check_differences(difference: Column, minuend: Column, subtrahend: Column) -> pd.DataFrame:
    """Recompute a printed column of differences, row by row, from the two that it compares."""
    table, column = difference
    derived, printed = {}, {}
    for row in table.values.index:
        name = f"{table.where}: {row}"
        new, old = (printed_cells(each, row, key) for each, key in (minuend, subtrahend))
        derived[name] = propagate_rounding(np.subtract, new, old)
        printed[name] = printed_cells(table, row, column)
    return compare_all(derived, printed)


def check_f1(table: PublishedTable) -> pd.DataFrame:
    """Recompute printed micro F1 from printed precision and recall, row by row."""
    derived, printed = {}, {}
    for row in table.values.index:
        name = f"{table.where}: {row}"
        cells = [printed_cells(table, row, f"micro_{key}") for key in ("precision", "recall")]
        derived[name] = propagate_rounding(harmonic_mean, *cells)
        printed[name] = printed_cells(table, row, "micro_f1")
    return compare_all(derived, printed)


def harmonic_mean(precision: float, recall: float) -> float:
    """F1 from its two parts.

    >>> harmonic_mean(0.5, 1.5)
    0.75
    """
    return 2 * precision * recall / (precision + recall)
