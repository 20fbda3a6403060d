"""Figures with one row for each observation: estimates with intervals, and ranges of values."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cxrstudy.figures.style import MARKERS, legend_above, use_book_style


def intervals_by_group(
    data: pd.DataFrame,
    value: str,
    row: str,
    group: str,
    *,
    label: str,
    reference: float | None = None,
    marks: pd.Series | None = None,
    marks_label: str = "always positive",
) -> Axes:
    """Draw point estimates with intervals, one row for each observation.

    Parameters
    ----------
    data : DataFrame
        Columns `value`, ``low``, ``high``, `row` and `group`.
    value, row, group, label : str
        Columns that hold the estimate, the rows and the series; axis label with its unit.
    reference : float, optional
        Where to draw a vertical line, such as no difference.
    marks, marks_label : Series and str, optional
        One extra mark for each row, such as a published value, and its legend text.

    Returns
    -------
    Axes
    """
    axes, parts = _rows(data, row, group, height=0.36, spread=0.18)
    for i, (name, part, places) in enumerate(parts):
        errors = [part[value] - part["low"], part["high"] - part[value]]
        axes.errorbar(
            part[value], places, xerr=np.maximum(errors, 0), fmt=MARKERS[i % len(MARKERS)],
            markersize=5, elinewidth=1.4, label=name,
        )  # fmt: skip
    if marks is not None:
        _draw_marks(axes, marks, list(parts[0][1].index), marks_label, size=16, width=2)
    if reference is not None:
        axes.axvline(reference, color="#555555", linewidth=1)
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if len(parts) > 1 or marks is not None:
        legend_above(axes)
    return axes


def points_with_intervals(
    data: pd.DataFrame, group: str, *, labels: tuple[str, str], reference: float | None = None
) -> Axes:
    """Draw points with intervals in both directions.

    Parameters
    ----------
    data : DataFrame
        Columns ``estimate``, ``low`` and ``high`` of the vertical axis, ``x``, ``x_low`` and
        ``x_high`` of the horizontal one, and `group`.
    group : str
        Column that gives each point its colour and marker.
    labels : tuple of str
        Axis labels.
    reference : float, optional
        Where to draw a horizontal line.

    Returns
    -------
    Axes
    """
    use_book_style()
    _, axes = plt.subplots()
    for i, (name, part) in enumerate(data.groupby(group, sort=False)):
        # An interval may end at its estimate, but for rounding errors.
        across = np.abs(part[["x_low", "x_high"]].sub(part["x"], axis=0)).to_numpy().T
        up = np.abs(part[["low", "high"]].sub(part["estimate"], axis=0)).to_numpy().T
        axes.errorbar(
            part["x"], part["estimate"], yerr=up, xerr=across, fmt=MARKERS[i % len(MARKERS)],
            color=f"C{i}", label=name, elinewidth=1, markersize=6,
        )  # fmt: skip
    if reference is not None:
        axes.axhline(reference, color="#777777", linewidth=1)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    legend_above(axes)
    return axes


def bars_with_intervals(data: pd.DataFrame, value: str, row: str, *, label: str) -> Axes:
    """Draw a bar with its interval for each row, and print both beside it.

    Parameters
    ----------
    data, value, row, label
        As for `intervals_by_group`.

    Returns
    -------
    Axes
    """
    axes, [(_, part, places)] = _rows(data.assign(_all=""), row, "_all", height=0.55, spread=0)
    errors = [part[value] - part["low"], part["high"] - part[value]]
    colors = [f"C{i}" for i in range(len(part))]
    drawn = axes.barh(places, part[value], height=0.6, color=colors, xerr=errors)
    limits = part[[value, "low", "high"]].itertuples(index=False, name=None)
    axes.bar_label(drawn, ["{:.3f} [{:.3f}, {:.3f}]".format(*row) for row in limits], padding=6)
    axes.set_xlabel(label)
    return axes


def ranges_by_group(
    data: pd.DataFrame,
    ends: tuple[str, str],
    row: str,
    group: str,
    *,
    label: str,
    marks: pd.Series | None = None,
    marks_label: str = "",
) -> Axes:
    """Draw a bar from one value to another, one row for each observation; no interval.

    The marker stands at the second end, so that a bar of no length is seen too.

    Parameters
    ----------
    data, row, group, label, marks, marks_label
        As for `intervals_by_group`.
    ends : tuple of str
        Columns of the two values.

    Returns
    -------
    Axes
    """
    axes, parts = _rows(data, row, group, height=0.48, spread=0.27)
    for i, (name, part, places) in enumerate(parts):
        axes.hlines(places, part[ends[0]], part[ends[1]], color=f"C{i}", linewidth=2.5)
        axes.plot(
            part[ends[1]], places, MARKERS[i % len(MARKERS)], color=f"C{i}", markersize=4.5,
            label=name,
        )  # fmt: skip
    if marks is not None:
        _draw_marks(axes, marks, list(parts[0][1].index), marks_label, size=20, width=1.6)
    axes.set_xlabel(label)
    legend_above(axes)
    return axes


def _rows(
    data: pd.DataFrame, row: str, group: str, *, height: float, spread: float
) -> tuple[Axes, list[tuple[str, pd.DataFrame, np.ndarray]]]:
    """Make axes with named rows; return them with each series' name, data and places."""
    use_book_style()
    rows, groups = (list(dict.fromkeys(data[key])) for key in (row, group))
    _, axes = plt.subplots(figsize=(6.4, 1.0 + height * len(rows)))
    axes.set_yticks(np.arange(len(rows)), rows)
    axes.grid(visible=False, axis="y")
    offsets = np.linspace(-spread, spread, len(groups)) if len(groups) > 1 else [0.0]
    parts = []
    for name, offset in zip(groups, offsets, strict=True):
        part = data[data[group] == name].set_index(row).reindex(rows)
        parts.append((name, part, np.arange(len(rows)) + offset))
    axes.invert_yaxis()
    return axes, parts


def _draw_marks(
    axes: Axes, marks: pd.Series, rows: list, label: str, *, size: float, width: float
) -> None:
    axes.plot(
        marks.reindex(rows), np.arange(len(rows)), linestyle="none", marker="|", markersize=size,
        markeredgewidth=width, color="black", label=label,
    )  # fmt: skip
