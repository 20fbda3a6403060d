"""Figures of curves: with bands, with named points, and ROC curves with readers' points."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cxrstudy.figures.style import MARKERS, legend_above, use_book_style

# With the colours, so that no figure relies on colour alone.
_LINES = ("-", "--", "-.", ":")
_ROC_COLUMNS = 3


# Least distance of two ticks as a share of a logarithmic axis; a panel is a third as wide.
_GAP, _PANEL_GAP = 0.1, 0.24


def curves_with_bands(
    data: pd.DataFrame,
    x: str,
    group: str,
    *,
    labels: tuple[str, str],
    logarithmic: bool = False,
    diagonal: bool = False,
    marked: bool = True,
    reference: float | None = None,
    axes: Axes | None = None,
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
    logarithmic, diagonal, marked : bool
        Whether ticks are values that occur, on a logarithmic axis; whether to draw the line on
        which both axes agree; whether to mark the points that a curve goes through.
    reference : float, optional
        Where to draw a horizontal line, such as that of chance.
    axes : Axes, optional
        One of several panels, with its legend below; a figure of its own unless given.

    Returns
    -------
    Axes
    """
    is_panel = axes is not None
    if axes is None:
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
        ticks = _apart(np.unique(data[x]), _PANEL_GAP if is_panel else _GAP)
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
        axes.minorticks_off()
    if reference is not None:
        axes.axhline(reference, color="#777777", linewidth=1)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    if is_panel:
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.2))
    else:
        legend_above(axes)
    return axes


def curves_in_panels(
    data: pd.DataFrame,
    x: str,
    group: str,
    panel: str,
    *,
    xlabel: str,
    references: Sequence[float | None],
) -> Axes:
    """Draw curves side by side in one panel for each value of a column, `x` on a log axis.

    Parameters
    ----------
    data, x, group
        As for `curves_with_bands`.
    panel, xlabel : str
        Column that holds the panels' vertical labels; label of the axis that they share.
    references : sequence of float or None
        Where to draw each panel's horizontal line, if any.

    Returns
    -------
    Axes
        The first panel.
    """
    use_book_style()
    names = list(dict.fromkeys(data[panel]))
    _, panels = plt.subplots(1, len(names), figsize=(7.6, 3.6))
    for axes, name, reference in zip(panels, names, references, strict=True):
        part, labels = data[data[panel] == name], (xlabel, name)
        curves_with_bands(
            part, x, group, labels=labels, logarithmic=True, reference=reference, axes=axes
        )
    if len({tuple(dict.fromkeys(part)) for _, part in data.groupby(panel)[group]}) == 1:
        # The same curves in each panel need one legend.
        for axes in panels:
            axes.get_legend().remove()
        legend_above(panels[0])
    return panels[0]


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
        Name of the points that stay unmarked.

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


def roc_with_raters(
    curves: pd.DataFrame, points: pd.DataFrame, groups: Mapping[str, str], *, curve_label: str
) -> Axes:
    """Draw a mean ROC curve with its band and raters' points with their intervals.

    Parameters
    ----------
    curves, points : DataFrame
        As `cxrstudy.experiments.roc.mean_roc` and ``rater_points`` return them.
    groups : mapping of str to str
        Each rater's group, which sets marker, colour and legend.
    curve_label : str
        Legend text of the curve.

    Returns
    -------
    Axes
        The first panel.
    """
    use_book_style()
    observations = list(dict.fromkeys(curves["observation"]))
    n_rows = -(-(len(observations) + 1) // _ROC_COLUMNS)
    figure, grid = plt.subplots(
        n_rows, _ROC_COLUMNS, figsize=(7.6, 2.6 * n_rows), sharex=True, sharey=True, squeeze=False
    )
    panels = grid.ravel()
    for panel, observation in zip(panels, observations, strict=False):
        _draw_roc(
            panel,
            curves[curves["observation"] == observation],
            points[points["observation"] == observation],
            groups,
            curve_label,
        )
        panel.set_title(observation)
    handles, labels = panels[0].get_legend_handles_labels()
    for panel in panels[len(observations) :]:
        panel.set_axis_off()
    panels[len(observations)].legend(handles, labels, loc="center left")
    for panel in panels[max(len(observations) - _ROC_COLUMNS, 0) : len(observations)]:
        panel.tick_params(labelbottom=True)
    figure.supxlabel("false-positive rate", fontsize="medium")
    figure.supylabel("sensitivity", fontsize="medium")
    return panels[0]


def _draw_roc(panel: Axes, curve, points, groups: Mapping[str, str], curve_label: str) -> None:
    rate = curve["false_positive_rate"]
    panel.fill_between(rate, curve["low"], curve["high"], color="C0", alpha=0.25, linewidth=0)
    panel.plot(rate, curve["estimate"], color="C0", label=curve_label)
    for i, group in enumerate(dict.fromkeys(groups.values()), start=1):
        part = points[points["rater"].map(groups) == group]
        errors = {
            axis: [part[name] - part[f"{name}_low"], part[f"{name}_high"] - part[name]]
            for axis, name in (("xerr", "false_positive_rate"), ("yerr", "sensitivity"))
        }
        panel.errorbar(
            part["false_positive_rate"], part["sensitivity"], **errors, color=f"C{i}",
            fmt=MARKERS[i % len(MARKERS)], markersize=4, elinewidth=0.8, label=group,
        )  # fmt: skip
    panel.set_xlim(0, 0.6)
    panel.set_ylim(0, 1)


def _apart(values: np.ndarray, gap: float) -> list[float]:
    """Leave out values whose labels would run into each other on a logarithmic axis."""
    kept = [values[0]]
    for value in values[1:]:
        if np.log(value / kept[-1]) >= gap * np.log(values[-1] / values[0]):
            kept.append(value)
    return kept
