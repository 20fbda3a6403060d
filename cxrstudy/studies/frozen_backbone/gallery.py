"""The classifier that the study stores, and the images on which it, report and expert differ."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.cross_fitting import FIXED_INVERSE_PENALTY
from cxrstudy.experiments.image_labels import LUNG_OPACITY, lung_opacity_labels, text_mined_targets
from cxrstudy.paths import in_project
from cxrstudy.vision.backbones import BackboneName, build_backbone
from cxrstudy.vision.features import CALIBRATION_IMAGES, compute_features
from cxrstudy.vision.logistic import fit_logistic
from cxrstudy.vision.stored_classifier import StoredClassifier, default_checkpoint, save_classifier

_REPORTED_PACKAGES = ("cxrstudy", "torch", "torchvision")
_COMPARED_IMAGES = 8
# An accelerator's convolutions differ from the CPU's by a thousandth.
_TOLERANCE = 0.02

_PATCHES_ACROSS, _STRIDES_PER_PATCH = 6, 2

# Report label, expert label, whether the model says opacity: first where it sides with experts.
_CASES: tuple[tuple[int, int, bool], ...] = (
    (1, 0, False), (0, 1, True), (1, 0, True), (0, 1, False),
)  # fmt: skip


def store_classifier(
    features: ArrayLike, name: BackboneName, image_set: ImageSet, kept: str | Path
) -> StoredClassifier:
    """Fit heads to the text-mined labels of all images, and keep them in the folder's ``models``.

    Features are those of `frozen_features` for the same images and backbone.
    """
    targets = text_mined_targets(image_set.labels["nlp"])
    classifier = fit_stored_classifier(features, targets, name, image_set)
    save_classifier(classifier, in_project(kept) / "models" / default_checkpoint().name)
    return classifier


def fit_stored_classifier(
    features: ArrayLike,
    targets: pd.DataFrame,
    name: BackboneName,
    image_set: ImageSet,
    inverse_penalty: float = FIXED_INVERSE_PENALTY,
) -> StoredClassifier:
    """Fit one head for each target, NaN left out, and join them with their backbone."""
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


def disagreements(image_set: ImageSet, scores: np.ndarray, n_images: int) -> pd.DataFrame:
    """Choose the clearest disagreements of model, report label and RSNA's expert.

    The images are divided evenly over the four ways to disagree, from the most extreme held-out
    score on, one of each patient. Columns are image, report, expert, percentile (rank of the
    score among all, 0 to 1) and title.
    """
    labels = lung_opacity_labels(image_set, "rsna")
    scores = pd.Series(scores, image_set.images.index)[labels.index]
    table = labels.assign(percentile=scores.rank(pct=True))
    parts = []
    for report, expert, says_opacity in _CASES:
        found = table[(table["report"] == report) & (table["expert"] == expert)]
        ordered = found.sort_values("percentile", ascending=not says_opacity)
        parts.append(ordered.drop_duplicates("patient").head(n_images // len(_CASES)))
    chosen = pd.concat(parts).rename_axis("image").reset_index()
    words = {1: "opacity", 0: "none"}
    titles = [
        f"report: {words[row.report]}, expert: {words[row.expert]}\n"
        f"model: percentile {100 * row.percentile:.0f}"
        for row in chosen.itertuples()
    ]
    return chosen[["image", "report", "expert", "percentile"]].assign(title=titles)


def gallery_saliency(classifier: StoredClassifier, pixels: np.ndarray) -> np.ndarray:
    """Return how far the log odds of opacity fall where images, (n, size, size), are covered."""
    patch = pixels.shape[1] // _PATCHES_ACROSS
    stride = max(1, patch // _STRIDES_PER_PATCH)

    def log_odds(images: np.ndarray) -> np.ndarray:
        probability = np.asarray(classifier.predict(images)[LUNG_OPACITY], float)
        return np.log(probability) - np.log1p(-probability)

    return np.array([occlusion_saliency(log_odds, image, patch, stride) for image in pixels])


def occlusion_saliency(
    score: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray, patch: int, stride: int
) -> np.ndarray:
    """Cover an image patch by patch with its mean grey and note how far the score falls.

    Each pixel has the mean fall over the patches that cover it. This asks the model and looks into
    no layer, so that it holds for any classifier; it shows what the model used, not where the
    finding is (Zeiler and Fergus 2014, Visualizing and understanding convolutional networks, ECCV).
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
