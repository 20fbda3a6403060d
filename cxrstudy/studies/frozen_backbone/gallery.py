"""Images on which model, report label and expert disagree."""

import numpy as np
import pandas as pd

from cxrstudy.experiments.image_labels import LUNG_OPACITY
from cxrstudy.studies.frozen_backbone.saliency import occlusion_saliency
from cxrstudy.vision.stored_classifier import StoredClassifier

_PATCHES_ACROSS, _STRIDES_PER_PATCH = 6, 2

_CASES: tuple[tuple[int, int, bool], ...] = (
    (1, 0, False), (0, 1, True), (1, 0, True), (0, 1, False),
)  # fmt: skip
"""Report label, expert label, whether the model says opacity: first where it sides with experts."""


def disagreements(labels: pd.DataFrame, scores: np.ndarray, n_images: int) -> pd.DataFrame:
    """Choose the clearest disagreements of model, report label and expert.

    Parameters
    ----------
    labels : DataFrame
        Columns expert, report and patient, indexed by image.
    scores : ndarray, shape (n,)
        Held-out scores of the same images.
    n_images : int
        Divided evenly over the four ways to disagree, from the most extreme score on; one of
        each patient.

    Returns
    -------
    DataFrame
        Columns image, report, expert, percentile (rank of the score among all, 0 to 1), title.
    """
    table = labels.assign(percentile=pd.Series(scores, labels.index).rank(pct=True))
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
    """Return what the classifier's opacity score rests on, image by image.

    Parameters
    ----------
    classifier : StoredClassifier
    pixels : ndarray of uint8, shape (n, size, size)

    Returns
    -------
    ndarray of float64, shape (n, size, size)
        Falls of the log odds; see `occlusion_saliency`.
    """
    patch = pixels.shape[1] // _PATCHES_ACROSS

    def log_odds(images: np.ndarray) -> np.ndarray:
        probability = np.asarray(classifier.predict(images)[LUNG_OPACITY], float)
        return np.log(probability) - np.log1p(-probability)

    return np.array(
        [
            occlusion_saliency(log_odds, image, patch, max(1, patch // _STRIDES_PER_PATCH))
            for image in pixels
        ]
    )
