"""Roofline: what a card allows at each ratio of computing to moving, and what was reached."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from cxrstudy.figures.style import MARKERS, use_book_style


def roofline(
    floors: pd.DataFrame,
    bytes_per_second: float,
    instructions_per_second: float,
    measured: pd.DataFrame | None = None,
) -> Axes:
    """Draw a card's roof with workloads on it, and measured ones below it.

    Parameters
    ----------
    floors : DataFrame
        Columns ``family``, ``megabytes``, ``million_instructions`` and ``floor_microseconds``.
    bytes_per_second, instructions_per_second : float
        Rates of the card.
    measured : DataFrame, optional
        Columns ``family`` and ``microseconds``, measured on that card.

    Returns
    -------
    Axes
    """
    use_book_style()
    _, axes = plt.subplots()
    intensity = np.geomspace(1, 1000, 200)
    roof = np.minimum(intensity * bytes_per_second, instructions_per_second)
    axes.loglog(intensity, roof / 1e12, color="#555555", label="roof by the data sheet")
    taken = {} if measured is None else dict(measured[["family", "microseconds"]].to_numpy())
    for i, row in enumerate(floors.itertuples()):
        at = row.million_instructions / row.megabytes
        style = {"marker": MARKERS[i % len(MARKERS)], "color": f"C{i}", "linestyle": "none"}
        # A million instructions in a microsecond are 10**12 in a second.
        axes.plot(
            at, row.million_instructions / row.floor_microseconds, **style, fillstyle="none",
            markersize=9, label=f"{row.family}, floor",
        )  # fmt: skip
        if row.family in taken:
            reached = row.million_instructions / taken[row.family]
            axes.plot(at, reached, **style, markersize=7, label=f"{row.family}, measured")
    # Powers of ten alone leave a reader with two or three numbers.
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("thread-instructions for each byte of memory")
    axes.set_ylabel("thread-instructions per second, 10¹²")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return axes
