"""ROC curves with readers' operating points, one panel for each observation."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from cxrstudy.figures.style import MARKERS, use_book_style

_COLUMNS = 3


def roc_with_raters(
    curves: pd.DataFrame, points: pd.DataFrame, groups: Mapping[str, str], *, curve_label: str
) -> Axes:
    """Draw a mean ROC curve with its band and raters' points with their intervals.

    Parameters
    ----------
    curves, points : DataFrame
        As `cxrstudy.experiments.roc.mean_roc` and ``rater_points`` return.
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
    n_rows = -(-(len(observations) + 1) // _COLUMNS)
    figure, grid = plt.subplots(
        n_rows, _COLUMNS, figsize=(7.6, 2.6 * n_rows), sharex=True, sharey=True, squeeze=False
    )
    panels = grid.ravel()
    for panel, observation in zip(panels, observations, strict=False):
        _draw_panel(
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
    for panel in panels[max(len(observations) - _COLUMNS, 0) : len(observations)]:
        panel.tick_params(labelbottom=True)
    figure.supxlabel("false-positive rate", fontsize="medium")
    figure.supylabel("sensitivity", fontsize="medium")
    return panels[0]


def _draw_panel(panel: Axes, curve, points, groups: Mapping[str, str], curve_label: str) -> None:
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
