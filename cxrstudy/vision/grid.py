"""A frozen backbone's features by place: the mean over the image and over each quadrant."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from cxrstudy.data.images import ImageSet
from cxrstudy.vision.backbones import Backbone, BackboneError, BackboneName, full_precision
from cxrstudy.vision.features import kept_features

PLACES = ("whole", "upper left", "upper right", "lower left", "lower right")
"""Of the image as it is seen: its left is the patient's right."""

_BATCH = 128


def grid_features(image_set: ImageSet, name: BackboneName, folder: str | Path) -> np.ndarray:
    """Return every image's features at five places, from the cache if they were computed before.

    Parameters
    ----------
    image_set : ImageSet
    name : BackboneName
        Of a network whose last maps come from a part named ``features``, such as mobilenet_v2.
    folder : path
        Cache, relative to the project; one file for each pair of images and weights.

    Returns
    -------
    ndarray of float16, shape (n_images, 5, n_features)
        In the order of `PLACES`; memory-mapped and read-only. The first place is what
        `cxrstudy.vision.features.frozen_features` gives, to half precision.

    Raises
    ------
    BackboneError
        If the network has no such part.
    """
    return kept_features(__name__, compute_grid, image_set, name, folder)


def compute_grid(backbone: Backbone, pixels: np.ndarray) -> np.ndarray:
    """Run a backbone over images, batch by batch; float16, (n, 5, n_features)."""
    if not hasattr(backbone.body, "features"):
        raise BackboneError("no part of this network is named features: choose mobilenet_v2")
    maps = []
    last = list(backbone.body.features.modules())[-1]
    hook = last.register_forward_hook(lambda module, given, made: maps.append(made))
    where = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = backbone.to(where).eval()
    grid = np.empty((len(pixels), len(PLACES), backbone.n_features), np.float16)
    with torch.inference_mode(), full_precision():
        for start in range(0, len(pixels), _BATCH):
            maps.clear()
            backbone(torch.from_numpy(pixels[start : start + _BATCH].copy()).to(where))
            seen = maps[-1].flip((2, 3)) if backbone.normalise.rotated else maps[-1]
            quadrants = functional.adaptive_avg_pool2d(seen, 2).flatten(2)
            places = torch.cat([seen.flatten(2).mean(-1, keepdim=True), quadrants], dim=-1)
            grid[start : start + _BATCH] = places.mT.cpu().numpy()
    hook.remove()
    return grid
