"""Figures of curves with bands."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cxrstudy.figures.style import MARKERS, use_book_style

LINES = ("-", "--", "-.", ":")
"""Line styles that go with the colours, so that no figure relies on colour alone."""


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
            part[x], part["estimate"], LINES[i % len(LINES)], color=f"C{i}", label=name,
            marker=MARKERS[i % len(MARKERS)] if marked else None, markersize=5,
        )  # fmt: skip
    if diagonal:
        axes.plot([0, 1], [0, 1], color="#777777", linewidth=1)
    if logarithmic:
        axes.set_xscale("log")
        ticks = _apart(np.unique(data[x]))
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
        axes.minorticks_off()
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
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
