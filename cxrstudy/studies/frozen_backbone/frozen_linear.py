"""Linear heads on a frozen backbone, as a classifier that can be stored."""

from importlib.metadata import version

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.penalties import FIXED_INVERSE_PENALTY
from cxrstudy.vision.backbones import BackboneName, build_backbone
from cxrstudy.vision.features import CALIBRATION_IMAGES, compute_features
from cxrstudy.vision.probes import fit_logistic
from cxrstudy.vision.stored_classifier import StoredClassifier

_REPORTED_PACKAGES = ("cxrstudy", "torch", "torchvision")
_COMPARED_IMAGES = 8
# An accelerator's convolutions differ from the CPU's by a thousandth.
_TOLERANCE = 0.02


def fit_stored_classifier(
    features: ArrayLike,
    targets: pd.DataFrame,
    name: BackboneName,
    image_set: ImageSet,
    inverse_penalty: float = FIXED_INVERSE_PENALTY,
) -> StoredClassifier:
    """Fit one head for each target, all in one solve, and join them with their backbone.

    Parameters
    ----------
    features : array of float32, shape (n_images, n_features)
        From `frozen_features` of the same set and backbone.
    targets : DataFrame, shape (n_images, n_targets)
        1, 0, and NaN where an image takes no part; columns are observations.
    name : BackboneName
    image_set : ImageSet
        The images to which features and targets belong.
    inverse_penalty : float
        scikit-learn's C, for standardised features.

    Returns
    -------
    StoredClassifier

    Raises
    ------
    ValueError
        If features or targets are not of these images, or as `fit_logistic` says.
    """
    if not targets.index.equals(image_set.images.index):
        raise ValueError(f"targets are not on the images of {image_set.name}: reindex them")
    calibration = torch.from_numpy(np.array(image_set.pixels[:CALIBRATION_IMAGES]))
    backbone = build_backbone(name, calibration)
    given = np.asarray(features[:_COMPARED_IMAGES])
    own = compute_features(backbone, image_set.pixels[:_COMPARED_IMAGES], "cpu")
    if given.shape != own.shape or np.linalg.norm(given - own) > _TOLERANCE * np.linalg.norm(own):
        raise ValueError(
            f"features are not those of {name} on {image_set.name}: pass what frozen_features "
            "returns for this set and backbone"
        )
    heads = fit_logistic(features, targets.to_numpy(), inverse_penalty, standardise=True)
    return StoredClassifier(
        name=name,
        backbone=backbone,
        image_size=image_set.size,
        observations=tuple(targets.columns),
        coefficients=heads.coefficients.astype(np.float32),
        intercepts=heads.intercepts.astype(np.float32),
        about={
            "images": image_set.name,
            "build": image_set.build,
            "n_images": len(image_set),
            "n_positive": {name: int(count) for name, count in targets.eq(1).sum().items()},
            "inverse_penalty": float(inverse_penalty),
            "versions": {package: version(package) for package in _REPORTED_PACKAGES},
        },
    )
