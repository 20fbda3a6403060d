"""Curves of heads: ROC, reliability, and the score by training labels and during training."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from cxrstudy.agreement import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.intervals import percentile_interval
from cxrstudy.agreement.result import LIMITS
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.cross_fitting import (
    FIXED_INVERSE_PENALTY,
    N_HALVES,
    CrossFitted,
    logged_epochs,
)
from cxrstudy.experiments.image_labels import (
    EXPERTS,
    REPORTS,
    lung_opacity_labels,
    training_labels,
)
from cxrstudy.experiments.opacity_scores import opacity_scores, rsna_sampling_weights
from cxrstudy.experiments.roc import mean_roc
from cxrstudy.vision.probes import cross_fit

# Folds of patients.
N_FOLDS = 5
# Report labels of the images that experts read, which differ from `EXPERTS` in their source alone.
REPORTS_OF_READ = "report_of_read"


def roc_table(
    image_set: ImageSet, predictions: Mapping[str, np.ndarray], resampling: Resampling
) -> pd.DataFrame:
    """Draw ROC curves, pooled over views, of each prediction against experts and report labels."""
    labels = lung_opacity_labels(image_set, "rsna")
    rows = image_set.images.index.get_indexer(labels.index)
    resampling = resampling.of(clusters=labels["patient"])
    tables = []
    for name, scores in predictions.items():
        predicted = {name: pd.DataFrame({"opacity": scores[rows]}, labels.index)}
        for judge in ("expert", "report"):
            truth = labels[[judge]].set_axis(["opacity"], axis=1)
            roc = mean_roc(truth, predicted, resampling=resampling)
            tables.append(roc.assign(curve=f"{name}, judged by {judge}s"))
    return pd.concat(tables)


def reliability_table(
    image_set: ImageSet, logits: np.ndarray, resampling: Resampling
) -> pd.DataFrame:
    """Compare a head's probabilities with how often experts and reports name an opacity.

    Images that RSNA drew weigh as many as they stand for. Columns are those of `reliability`,
    and labels (expert, report).
    """
    labels = lung_opacity_labels(image_set, "rsna")
    weights = rsna_sampling_weights(labels.index)
    resampling = resampling.of(clusters=labels["patient"], weights=weights)
    probabilities = expit(logits[image_set.images.index.get_indexer(labels.index)])
    tables = [
        reliability(labels[judge], probabilities, resampling=resampling).assign(labels=judge)
        for judge in ("expert", "report")
    ]
    return pd.concat(tables)


def reliability(
    labels: pd.Series,
    probabilities: np.ndarray,
    *,
    n_bins: int = 8,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Compare predicted probabilities with the share of events, in bins of about equal size."""
    if len(labels) != len(probabilities):
        raise ValueError(f"{len(labels)} labels and {len(probabilities)} probabilities do not fit")
    if not labels.isin([0, 1]).all():
        raise ValueError("labels must be 0 or 1; leave out rows without a label")
    units, weights = resampling.units(len(labels)), resampling.row_weights(len(labels))
    weights = np.ones(len(labels)) if weights is None else weights
    # Where all probabilities are equal there is one bin, which pandas does not name.
    bins = np.nan_to_num(pd.qcut(probabilities, n_bins, labels=False, duplicates="drop"))
    drawn = resampling.drawn(len(labels)).astype(float)
    events = labels.to_numpy(float)
    rows = []
    for number in np.unique(bins):
        chosen = bins == number
        # Counts by unit first: one product then serves all rows of a patient.
        part = chosen * weights
        size = np.bincount(units.unit_of_row, part, units.n_units)
        found = np.bincount(units.unit_of_row, part * events, units.n_units)
        with np.errstate(invalid="ignore"):
            low, high = percentile_interval((drawn @ found) / (drawn @ size))
        own = weights[chosen]
        predicted, estimate = (
            np.average(values[chosen], weights=own) for values in (probabilities, events)
        )
        rows.append((predicted, estimate, low, high, int(chosen.sum())))
    return pd.DataFrame(rows, columns=["predicted", *LIMITS, "n"]).astype(
        {"low": float, "high": float}
    )


def learning_curve_heads(
    image_set: ImageSet,
    features: np.ndarray,
    sizes: Sequence[int],
    draws: int,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Fit heads on few to many images of each kind of label, out of fold.

    Experts read images that were drawn by report label. A third kind, the report labels of
    these images, tells what the label is worth from what the drawing is worth. Sizes are training
    images, on average over the folds; those above what a source has are left out, and all that it
    has are added. Each draw orders the patients; its larger sizes contain the smaller ones.

    Returns
    -------
    dict of str to ndarray of float64, shape (draws, n_images)
        Logits of the images that experts read, by kind of label and size: ``"report, 500"``.
    """
    labels = training_labels(image_set)
    labels[REPORTS_OF_READ] = labels[REPORTS].where(labels[EXPERTS].notna())
    judged = np.flatnonzero(labels[EXPERTS].notna())
    # Of the images that take part, a fold's training has this share.
    share = (N_FOLDS - 1) / N_FOLDS
    folds = image_set.folds(N_FOLDS)
    found = {}
    for source in labels:
        known = labels[source].notna().to_numpy()
        orders = [_by_patient(image_set, known, [seed, draw]) for draw in range(draws)]
        largest = int(share * known.sum())
        for size in [*(size for size in sizes if size < largest), largest]:
            # All of a source is one draw, however it is ordered.
            used = orders[:1] if size == largest else orders
            taken = [order[: round(size / share)] for order in used]
            rows = np.union1d(judged, np.concatenate(taken))
            targets = np.full((len(rows), len(taken)), np.nan)
            for column, chosen in enumerate(taken):
                at = np.searchsorted(rows, chosen)
                targets[at, column] = labels[source].to_numpy()[chosen]
            # Hundreds of heads: scikit-learn's own accuracy is enough for their ranking.
            fitted = cross_fit(
                features[rows], targets, folds[rows], FIXED_INVERSE_PENALTY, tolerance=1e-4
            )
            logits = np.full((draws, len(labels)), np.nan)
            logits[:, rows] = fitted.logits.T
            found[f"{source}, {size}"] = logits
    return found


def learning_curve_table(
    image_set: ImageSet, learned: Mapping[str, np.ndarray], resampling: Resampling
) -> pd.DataFrame:
    """Score what `learning_curve_heads` returned against experts, within view.

    Columns are labels, training_images, estimate, low, high and n.
    """
    scores = opacity_scores(image_set, learned, resampling=resampling)
    rows = []
    for name in learned:
        labels, size = name.split(", ")
        row = {"labels": labels, "training_images": int(size)}
        rows.append(row | scores.score(name, "expert").row())
    return pd.DataFrame(rows, columns=["labels", "training_images", *LIMITS, "n"])


def _by_patient(image_set: ImageSet, known: np.ndarray, key: Sequence[int]) -> np.ndarray:
    """Order the rows that have a label so that a patient's images follow one another."""
    patients = image_set.images["patient"].to_numpy()[known]
    codes, names = pd.factorize(patients)
    rank = np.random.default_rng(key).permutation(len(names))[codes]
    return np.flatnonzero(known)[np.argsort(rank, kind="stable")]


def convergence_table(
    fitted: CrossFitted, image_set: ImageSet, resampling: Resampling
) -> pd.DataFrame:
    """Say after every logged epoch of one head's run how much of its final score is there.

    The estimate is its AUROC's distance from chance against experts, as a share of the last one's.
    """
    epochs = logged_epochs(fitted.arm.config.epochs)
    predictions = {str(epoch): fitted.held_out[:, epoch - 1] for epoch in epochs}
    folds = image_set.folds(N_HALVES)
    scores = opacity_scores(image_set, predictions, folds=folds, resampling=resampling)
    last = str(epochs[-1])
    rows = [
        {"epoch": epoch, "quantity": "share of the final distance"}
        | scores.share_above_chance(str(epoch), last).row()
        for epoch in epochs
    ]
    return pd.DataFrame(rows, columns=["epoch", "quantity", *LIMITS, "n"])
