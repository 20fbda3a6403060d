"""The book's one figure style: Okabe and Ito's colours, each with a marker of its own."""

import matplotlib as mpl
from matplotlib.axes import Axes

from cxrstudy.paths import shipped

# They go with the colours, so that no figure relies on colour alone.
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def use_book_style() -> None:
    """Apply the project's ``matplotlibrc`` whatever folder the notebook runs in."""
    mpl.rc_file(shipped("matplotlibrc"))


def legend_above(axes: Axes) -> None:
    """Put the legend above the axes, in as many columns as the figure has room for."""
    handles, names = axes.get_legend_handles_labels()
    columns = max(1, 80 // (max(map(len, names)) + 8))
    axes.get_figure().legend(handles, names, loc="outside upper left", ncols=columns)
