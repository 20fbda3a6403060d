"""What an expert's label is worth: heads on few to many images of each kind of label."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement.result import LIMITS
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS, training_labels
from cxrstudy.experiments.label_scores import LabelScores
from cxrstudy.experiments.penalties import FIXED_INVERSE_PENALTY
from cxrstudy.vision.probes import cross_fit

N_FOLDS = 5
"""Folds of patients."""

REPORTS_OF_READ = "report labels of the images that RSNA's experts read"
"""Training labels that differ from `EXPERTS` in their source alone."""


def learning_curve_heads(
    image_set: ImageSet,
    features: np.ndarray,
    sizes: Sequence[int],
    draws: int,
    n_folds: int = N_FOLDS,
    inverse_penalty: float = FIXED_INVERSE_PENALTY,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Fit heads on few to many images of each kind of label, out of fold.

    Experts read images that were drawn by report label. A third kind, the report labels of
    these images, tells what the label is worth from what the drawing is worth.

    Parameters
    ----------
    image_set : ImageSet
    features : ndarray, shape (n_images, n_features)
    sizes : sequence of int
        Training images, on average over the folds; those above what a source has are left out,
        and all that it has are added.
    draws : int
        Random orders of the patients; a larger size of one order contains the smaller ones.
    n_folds : int
    inverse_penalty : float
        One for all sizes.
    seed : int
        Of the orders.

    Returns
    -------
    dict of str to ndarray of float64, shape (draws, n_images)
        Logits of the images that experts read, by kind of label and size, such as
        ``"report labels, 500"``.
    """
    labels = training_labels(image_set)
    labels[REPORTS_OF_READ] = labels[REPORTS].where(labels[EXPERTS].notna())
    judged = np.flatnonzero(labels[EXPERTS].notna())
    # Of the images that take part, a fold's training has this share.
    share = (n_folds - 1) / n_folds
    folds = image_set.folds(n_folds)
    found = {}
    for source in labels:
        known = labels[source].notna().to_numpy()
        orders = [
            _by_patient(image_set, known, np.random.default_rng([seed, draw]))
            for draw in range(draws)
        ]
        largest = int(share * known.sum())
        for size in [*(size for size in sizes if size < largest), largest]:
            # All of a source is one draw, however it is ordered.
            taken = [
                order[: round(size / share)] for order in orders[: 1 if size == largest else None]
            ]
            rows = np.union1d(judged, np.concatenate(taken))
            targets = np.full((len(rows), len(taken)), np.nan)
            for column, chosen in enumerate(taken):
                at = np.searchsorted(rows, chosen)
                targets[at, column] = labels[source].to_numpy()[chosen]
            # Hundreds of heads: scikit-learn's own accuracy is enough for their ranking.
            fitted = cross_fit(
                features[rows], targets, folds[rows], inverse_penalty, tolerance=1e-4
            )
            logits = np.full((draws, len(labels)), np.nan)
            logits[:, rows] = fitted.logits.T
            found[f"{source}, {size}"] = logits
    return found


def learning_curve_table(scores: LabelScores, names: Sequence[str]) -> pd.DataFrame:
    """Tabulate the learning curve against experts, within view.

    Parameters
    ----------
    scores : LabelScores
        Of what `learning_curve_heads` returned.
    names : sequence of str
        Its keys.

    Returns
    -------
    DataFrame
        Tidy: columns labels, training images, estimate, low, high, n.
    """
    rows = []
    for name in names:
        labels, _, size = name.rpartition(", ")
        rows.append(
            {"labels": labels, "training images": int(size)} | scores.score(name, "expert").row()
        )
    return pd.DataFrame(rows, columns=["labels", "training images", *LIMITS, "n"])


def _by_patient(image_set: ImageSet, known: np.ndarray, generator) -> np.ndarray:
    """Order the rows that have a label so that a patient's images follow one another."""
    patients = image_set.images["patient"].to_numpy()[known]
    codes, names = pd.factorize(patients)
    rank = generator.permutation(len(names))[codes]
    return np.flatnonzero(known)[np.argsort(rank, kind="stable")]
