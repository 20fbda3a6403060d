"""The book's one figure style: Okabe and Ito's colours, each with a marker of its own."""

import matplotlib as mpl

from cxrstudy.paths import in_project

# They go with the colours, so that no figure relies on colour alone.
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def use_book_style() -> None:
    """Apply the project's ``matplotlibrc`` whatever folder the notebook runs in."""
    mpl.rc_file(in_project("matplotlibrc"))
