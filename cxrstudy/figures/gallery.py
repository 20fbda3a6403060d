"""Figures that show images."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from cxrstudy.figures.style import use_book_style

_COLUMNS = 4


def image_gallery(
    images: np.ndarray, saliency: np.ndarray, titles: Sequence[str], *, label: str
) -> Axes:
    """Show images with contours of a saliency map, which hide less than a coloured veil.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)
    saliency : ndarray of float, shape (n, height, width)
        What raises the score is positive.
    titles : sequence of str
    label : str
        What the contours mean.

    Returns
    -------
    Axes
        Of the first image.
    """
    use_book_style()
    rows = -(-len(images) // _COLUMNS)
    figure, panels = plt.subplots(rows, _COLUMNS, figsize=(7.2, 0.3 + 2.15 * rows), squeeze=False)
    highest = max(float(saliency.max()), 1e-12)
    for panel in panels.flat:
        panel.set_axis_off()
    for panel, image, importance, title in zip(panels.flat, images, saliency, titles, strict=False):
        panel.imshow(image, cmap="gray", vmin=0, vmax=255)
        levels = [0.25 * highest, 0.5 * highest, 0.75 * highest]
        panel.contour(importance, levels=levels, colors="#E69F00", linewidths=[0.6, 1.0, 1.6])
        panel.set_title(title, fontsize=8)
    figure.supxlabel(label, fontsize=8)
    return panels.flat[0]
