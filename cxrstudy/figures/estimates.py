"""Figures of estimates with intervals, and of a curve with named points."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from cxrstudy.figures.style import MARKERS, use_book_style


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
    value, row, group : str
        Columns that hold the estimate, the rows and the series.
    label : str
        Axis label, with the unit.
    reference : float, optional
        Where to draw a vertical line, such as no difference.
    marks : Series, optional
        One extra mark for each row, such as a floor or a published value.
    marks_label : str
        Legend text of the marks.

    Returns
    -------
    Axes
    """
    use_book_style()
    rows = list(dict.fromkeys(data[row]))
    groups = list(dict.fromkeys(data[group]))
    _, axes = plt.subplots(figsize=(7.2, 0.8 + 0.42 * len(rows)))
    offsets = np.linspace(-0.18, 0.18, len(groups)) if len(groups) > 1 else [0.0]
    for i, (name, offset) in enumerate(zip(groups, offsets, strict=True)):
        part = data[data[group] == name].set_index(row).reindex(rows)
        errors = [part[value] - part["low"], part["high"] - part[value]]
        axes.errorbar(
            part[value], np.arange(len(rows)) + offset, xerr=np.maximum(errors, 0),
            fmt=MARKERS[i % len(MARKERS)], markersize=5, elinewidth=1.4, label=name,
        )  # fmt: skip
    if marks is not None:
        axes.plot(
            marks.reindex(rows), np.arange(len(rows)), linestyle="none", marker="|",
            markersize=16, markeredgewidth=2, color="black", label=marks_label,
        )  # fmt: skip
    if reference is not None:
        axes.axvline(reference, color="#555555", linewidth=1)
    axes.set_yticks(np.arange(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(visible=False, axis="y")
    if len(groups) > 1 or marks is not None:
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
    x, y : str
        Columns of the curve.
    mark : str
        Column that names each point.
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
    curve = data.astype({x: float, y: float})
    sns.lineplot(curve, x=x, y=y, ax=axes, linewidth=1.2, errorbar=None)
    marked = curve[curve[mark] != skip]
    for i, (name, points) in enumerate(marked.groupby(mark)):
        axes.plot(
            points[x], points[y], MARKERS[i % len(MARKERS)], color=f"C{i + 1}", markersize=8,
            label=name,
        )  # fmt: skip
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    if len(marked):
        axes.legend()
    else:
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center")
    return axes
