"""Figures of curves: with bands, and with named points."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cxrstudy.figures.style import MARKERS, use_book_style

# With the colours, so that no figure relies on colour alone.
_LINES = ("-", "--", "-.", ":")


def curves_with_bands(
    data: pd.DataFrame,
    x: str,
    group: str,
    *,
    labels: tuple[str, str],
    logarithmic: bool = False,
    diagonal: bool = False,
    marked: bool = True,
) -> Axes:
    """Draw one curve with its band for each group.

    Parameters
    ----------
    data : DataFrame
        Columns ``estimate``, ``low``, ``high``, `x` and `group`.
    x, group : str
        Columns that hold the horizontal axis and the curves.
    labels : tuple of str
        Axis labels.
    logarithmic : bool
        Whether the horizontal axis is logarithmic; its ticks are then values that occur.
    diagonal : bool
        Whether to draw the line on which both axes agree.
    marked : bool
        Whether to mark the points that the curve goes through.

    Returns
    -------
    Axes
    """
    use_book_style()
    _, axes = plt.subplots()
    for i, name in enumerate(dict.fromkeys(data[group])):
        part = data[data[group] == name].sort_values(x)
        axes.fill_between(
            part[x], part["low"], part["high"], color=f"C{i}", alpha=0.15, linewidth=0
        )
        axes.plot(
            part[x], part["estimate"], _LINES[i % len(_LINES)], color=f"C{i}", label=name,
            marker=MARKERS[i % len(MARKERS)] if marked else None, markersize=5,
        )  # fmt: skip
    if diagonal:
        axes.plot([0, 1], [0, 1], color="#777777", linewidth=1)
    if logarithmic:
        axes.set_xscale("log")
        ticks = _apart(np.unique(data[x]))
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
        axes.minorticks_off()
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes


def line_with_marks(
    data: pd.DataFrame, x: str, y: str, mark: str, *, labels: tuple[str, str], skip: str
) -> Axes:
    """Draw a curve and name the points on it that matter.

    Parameters
    ----------
    data : DataFrame
        Columns `x`, `y` and `mark`; may be empty.
    x, y, mark : str
        Columns of the curve, and the one that names each point.
    labels : tuple of str
        Axis labels.
    skip : str
        Name of the points that are not marked.

    Returns
    -------
    Axes
    """
    use_book_style()
    _, axes = plt.subplots()
    curve = data.astype({x: float, y: float}).sort_values(x)
    axes.plot(curve[x], curve[y], linewidth=1.2)
    marked = curve[curve[mark] != skip]
    for i, (name, points) in enumerate(marked.groupby(mark)):
        axes.plot(
            points[x], points[y], MARKERS[i % len(MARKERS)], color=f"C{i + 1}", markersize=8,
            label=name,
        )  # fmt: skip
    axes.set(xlabel=labels[0], ylabel=labels[1])
    if len(marked):
        axes.legend()
    else:
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center")
    return axes


def _apart(values: np.ndarray) -> list[float]:
    """Leave out values whose labels would run into each other on a logarithmic axis."""
    places = np.log(values)
    closest = 0.1 * (places[-1] - places[0])
    kept = [0]
    for i in range(1, len(values)):
        if places[i] - places[kept[-1]] >= closest:
            kept.append(i)
    return [values[i] for i in kept]
