"""Image models against report labels and experts on the same images, within views."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxrstudy.agreement import DEFAULT_RESAMPLING, MACRO_AVERAGE, Resampling
from cxrstudy.data.images import ImageSet
from cxrstudy.data.nih_experts import (
    inverse_sampling_weights,
    load_nih,
    load_rsna,
    sampling_strata,
)
from cxrstudy.experiments.image_labels import lung_opacity_labels
from cxrstudy.experiments.label_scores import POOLED, LabelScores

VIEWS: tuple[str, ...] = ("AP", "PA")
WITHIN_VIEW = MACRO_AVERAGE
"""Place of a score that is averaged over the two views; `POOLED` is over all images at once."""

OPACITY_WORDS: Mapping[str, str] = {
    WITHIN_VIEW: "within view",
    "expert": "experts",
    "report": "report labels",
    "gap": "report labels minus experts",
    "gap_predicted": "gap predicted",
    "auroc_expert": "AUROC, experts",
    "auroc_report": "AUROC, report labels",
    "auroc_expert_pooled": "AUROC, experts, pooled",
}
"""Keys of the tables of `LabelScores` to what a page of an image study says for them."""


def opacity_scores(
    image_set: ImageSet,
    predictions: Mapping[str, np.ndarray],
    experts: str = "rsna",
    *,
    folds: np.ndarray | None = None,
    weighted: bool = False,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> LabelScores:
    """Score methods against both labels of opacity, by view and pooled, drawing whole patients.

    Parameters
    ----------
    image_set : ImageSet
    predictions : mapping of str to ndarray, shape (n_images,) or (seeds, n_images)
        Held-out scores of every image of the set; several rows are trainings that differ in
        their seed.
    experts : {"rsna", "google"}
        Whose images; both sources are judged on them alone.
    folds : ndarray, shape (n_images,), optional
        Which of several models scored an image. Models may have different scales, so that a score
        becomes a rank among the images of its fold.
    weighted : bool
        Weight each image by the number of NIH images that it stands for, see
        `rsna_sampling_weights`.
    resampling : Resampling

    Returns
    -------
    LabelScores
        Its places are the two views and ``"pooled"``; the average is over the views.
    """
    if weighted and experts != "rsna":
        raise ValueError(f"only RSNA drew by text-mined label; {experts!r} has no weights")
    labels = lung_opacity_labels(image_set, experts)
    rows = image_set.images.index.get_indexer(labels.index)

    def by_view(values) -> pd.DataFrame:
        series = pd.Series(np.asarray(values, float), labels.index)
        columns = {view: series.where(labels["view"] == view) for view in VIEWS}
        return pd.DataFrame(columns | {POOLED: series})

    trainings = {name: np.atleast_2d(scores) for name, scores in predictions.items()}
    if folds is not None:
        trainings = {name: ranks_within(folds, scores) for name, scores in trainings.items()}
    resampling = resampling.of(clusters=labels["patient"])
    if weighted:
        resampling = resampling.of(weights=rsna_sampling_weights(labels.index))
    return LabelScores(
        by_view(labels["expert"]),
        by_view(labels["report"]),
        {name: [by_view(row) for row in scores[:, rows]] for name, scores in trainings.items()},
        averages_over=VIEWS,
        resampling=resampling,
    )


def rsna_sampling_weights(images: pd.Index) -> np.ndarray:
    """Return how many NIH images each of some that RSNA drew stands for, relative to the others."""
    # The draw was from the whole table, so its fractions come from there.
    weights = inverse_sampling_weights(sampling_strata(load_nih()), load_rsna().labels.index)
    return weights.loc[images].to_numpy()


def ranks_within(folds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Replace scores, shape (k, n_images), by their ranks from 0 to 1 within each fold.

    >>> ranks_within(np.array([0, 0, 1, 1]), np.array([[3.0, 1.0, -5.0, -4.0]]))
    array([[1. , 0.5, 0.5, 1. ]])
    """
    return pd.DataFrame(scores.T).groupby(folds).rank(pct=True).to_numpy().T
