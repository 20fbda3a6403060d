"""One function for each kind of figure; each returns Axes in the book's one style."""

from cxrstudy.figures.curves import (
    curves_in_panels,
    curves_with_bands,
    line_with_marks,
    roc_with_raters,
)
from cxrstudy.figures.estimates import (
    bars_with_intervals,
    intervals_by_group,
    points_with_intervals,
    ranges_by_group,
)
from cxrstudy.figures.gallery import image_gallery

__all__ = [
    "bars_with_intervals",
    "curves_in_panels",
    "curves_with_bands",
    "image_gallery",
    "intervals_by_group",
    "line_with_marks",
    "points_with_intervals",
    "ranges_by_group",
    "roc_with_raters",
]
