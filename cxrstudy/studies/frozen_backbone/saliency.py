"""Which part of an image a score rests on: cover it, and see how far the score falls."""

from collections.abc import Callable

import numpy as np


def occlusion_saliency(
    score: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray, patch: int, stride: int
) -> np.ndarray:
    """Cover an image patch by patch with its mean grey and note how far the score falls.

    It asks the model and looks into no layer, so that it holds for any classifier. It shows
    what this model used, not where the finding is.

    Parameters
    ----------
    score : callable
        From images of uint8, shape (n, size, size), to scores, shape (n,).
    pixels : ndarray of uint8, shape (size, size)
    patch, stride : int
        Edge of the patch and its step, in pixels.

    Returns
    -------
    ndarray of float64, shape (size, size)
        Mean fall of the score over the patches that cover a pixel.

    References
    ----------
    Zeiler and Fergus 2014. Visualizing and understanding convolutional networks. ECCV.
    """
    starts = range(0, pixels.shape[0] - patch + 1, stride)
    corners = [(top, left) for top in starts for left in starts]
    covered = np.repeat(pixels[None], len(corners), axis=0)
    for image, (top, left) in zip(covered, corners, strict=True):
        image[top : top + patch, left : left + patch] = round(float(pixels.mean()))
    falls = score(pixels[None])[0] - score(covered)
    total, times = np.zeros(pixels.shape), np.zeros(pixels.shape)
    for fall, (top, left) in zip(falls, corners, strict=True):
        total[top : top + patch, left : left + patch] += fall
        times[top : top + patch, left : left + patch] += 1
    return total / np.maximum(times, 1)
