"""Figures of ranges: what a value may be, between two ways to define it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cxrstudy.figures.style import MARKERS, use_book_style

_SPREAD = 0.27


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
    """Draw a bar from one value to another, one row for each observation.

    The marker stands at the second end, so that a bar of no length is seen too. A bar is a range
    of definitions and no interval.

    Parameters
    ----------
    data : DataFrame
        Columns `ends`, `row` and `group`.
    ends : tuple of str
        Columns of the two values.
    row, group : str
        Columns that hold the rows and the series.
    label : str
        Axis label, with the unit.
    marks : Series, optional
        One extra mark for each row, such as a reference value.
    marks_label : str
        Legend text of the marks.

    Returns
    -------
    Axes
    """
    use_book_style()
    rows = list(dict.fromkeys(data[row]))
    groups = list(dict.fromkeys(data[group]))
    _, axes = plt.subplots(figsize=(7.2, 0.8 + 0.48 * len(rows)))
    offsets = np.linspace(-_SPREAD, _SPREAD, len(groups)) if len(groups) > 1 else [0.0]
    for i, (name, offset) in enumerate(zip(groups, offsets, strict=True)):
        part = data[data[group] == name].set_index(row).reindex(rows)
        places = np.arange(len(rows)) + offset
        axes.hlines(places, part[ends[0]], part[ends[1]], color=f"C{i}", linewidth=2.5)
        axes.plot(
            part[ends[1]], places, MARKERS[i % len(MARKERS)], color=f"C{i}", markersize=4.5,
            label=name,
        )  # fmt: skip
    if marks is not None:
        axes.plot(
            marks.reindex(rows), np.arange(len(rows)), linestyle="none", marker="|",
            markersize=20, markeredgewidth=1.6, color="black", label=marks_label,
        )  # fmt: skip
    axes.set_yticks(np.arange(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes
