"""One function for each kind of figure; each returns Axes in the book's one style."""

from cxrstudy.figures.curves import curves_with_bands, line_with_marks
from cxrstudy.figures.estimates import intervals_by_group, ranges_by_group
from cxrstudy.figures.gallery import image_gallery
from cxrstudy.figures.roc import roc_with_raters
from cxrstudy.figures.roofline import roofline
from cxrstudy.figures.style import MARKERS, use_book_style

__all__ = [
    "MARKERS",
    "curves_with_bands",
    "image_gallery",
    "intervals_by_group",
    "line_with_marks",
    "ranges_by_group",
    "roc_with_raters",
    "roofline",
    "use_book_style",
]
