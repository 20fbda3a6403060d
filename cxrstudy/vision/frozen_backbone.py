"""Study 06: heads on frozen features, against fine-tuning and against looking at no image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.vision.cross_fitting import Arm
from cxrstudy.vision.probes import cross_fit
from cxrstudy.vision.scoring import LabelScores, lung_opacity_labels
from cxrstudy.vision.targets import LUNG_OPACITY, NIH_TERMS
from cxrstudy.vision.training import TrainingConfig

REPORTS, EXPERTS = "report labels", "RSNA's experts"
"""Whose labels a head learns."""

INVERSE_PENALTIES: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2)
"""Candidates for C of standardised features; chosen by inner folds, never on a test fold."""

N_FOLDS = 5
"""Folds of patients for heads."""

FINE_TUNED, PARTLY, FROZEN = "fine-tuned", "last third fine-tuned", "frozen"


def training_labels(image_set: ImageSet) -> pd.DataFrame:
    """Lay out what a head can learn: report labels of all images, experts' of those they read.

    Parameters
    ----------
    image_set : ImageSet

    Returns
    -------
    DataFrame of float
        Columns `REPORTS` and `EXPERTS`; NaN where the source says nothing.
    """
    terms = list(NIH_TERMS[LUNG_OPACITY])
    experts = lung_opacity_labels(image_set, "rsna")["expert"]
    return pd.DataFrame(
        {
            REPORTS: image_set.labels["nlp"][terms].max(axis=1),
            EXPERTS: experts.reindex(image_set.images.index),
        }
    )


def method_name(inputs: str, labels: str) -> str:
    """Name a head by what it sees and whose labels it learns."""
    return f"{inputs}, {labels}"


def cross_fitted_heads(
    image_set: ImageSet, inputs: Mapping[str, np.ndarray], n_folds: int = N_FOLDS
) -> dict[str, np.ndarray]:
    """Fit linear heads of each kind of input on report labels and on experts, out of fold.

    Parameters
    ----------
    image_set : ImageSet
    inputs : mapping of str to ndarray, shape (n_images, n_features)
        Features, or the description that `metadata_features` gives.
    n_folds : int
        Folds of patients. All folds, labels and penalties of one input are one solve.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_images,)
        Logits by `method_name`.
    """
    labels = training_labels(image_set)
    folds = image_set.folds(n_folds)
    found = {}
    for name, features in inputs.items():
        fitted = cross_fit(features, labels.to_numpy(), folds, INVERSE_PENALTIES)
        for column, source in enumerate(labels):
            found[method_name(name, source)] = fitted.logits[:, column]
    return found


def learning_curve_heads(
    image_set: ImageSet,
    features: np.ndarray,
    sizes: Sequence[int],
    draws: int,
    n_folds: int = N_FOLDS,
    inverse_penalty: float = 1e-4,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Fit heads on few to many images of each label source, out of fold.

    Parameters
    ----------
    image_set : ImageSet
    features : ndarray, shape (n_images, n_features)
    sizes : sequence of int
        Training images, on average over the folds; those above what a source has are left out.
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
        Logits of the images that experts read, by label source and size, such as
        ``"report labels, 500"``.
    """
    labels = training_labels(image_set)
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
            {"labels": labels, "training images": int(size)}
            | scores.row(scores.score(name, "expert"))
        )
    return pd.DataFrame(rows)


def fine_tuning_arms(config: TrainingConfig, epochs: Sequence[int], seeds: int) -> list[Arm]:
    """List the arms that learn more than a head.

    Parameters
    ----------
    config : TrainingConfig
        Its epochs and what is trainable are replaced.
    epochs : sequence of int
        Run lengths of full fine-tuning; the first is also that of the partly frozen network.
    seeds : int

    Returns
    -------
    list of Arm
    """
    full = [
        Arm(f"{FINE_TUNED}, {n} epochs", replace(config, epochs=n, trainable="all"), seeds=seeds)
        for n in epochs
    ]
    part = replace(config, epochs=epochs[0], trainable="last third")
    return [*full, Arm(f"{PARTLY}, {epochs[0]} epochs", part, seeds=seeds)]


def head_arms(config: TrainingConfig, epochs: Sequence[int], seeds: int) -> list[Arm]:
    """List heads on frozen features that are trained step by step, for few and many epochs.

    Parameters
    ----------
    config : TrainingConfig
    epochs : sequence of int
        Run lengths, each with its own schedule.
    seeds : int

    Returns
    -------
    list of Arm
        A linear head and one with a hidden layer for each length.
    """
    return [
        Arm(f"{kind} head, {n} epochs", replace(config, head=head, epochs=n, trainable="head"),
            seeds=seeds)
        for kind, head in (("linear", "linear"), ("two-layer", "mlp"))
        for n in epochs
    ]  # fmt: skip


def convergence_table(scores: LabelScores, epochs: Sequence[int]) -> pd.DataFrame:
    """Score one head's run after some epochs, with its share of the final score.

    Parameters
    ----------
    scores : LabelScores
        Of the run's predictions, named by epoch.
    epochs : sequence of int
        The last is the end of the run.

    Returns
    -------
    DataFrame
        Tidy: columns epoch, quantity (AUROC against experts; share of the final one's distance
        from chance), estimate, low, high, n.
    """
    last = str(epochs[-1])
    rows = []
    for epoch in epochs:
        estimates = {
            "AUROC, experts": scores.score(str(epoch), "expert"),
            "share of the final score": scores.share_above_chance(str(epoch), last),
        }
        rows += [
            {"epoch": epoch, "quantity": quantity} | scores.row(estimate)
            for quantity, estimate in estimates.items()
        ]
    return pd.DataFrame(rows)


def _by_patient(image_set: ImageSet, known: np.ndarray, generator) -> np.ndarray:
    """Order the rows that have a label so that a patient's images follow one another."""
    patients = image_set.images["patient"].to_numpy()[known]
    codes, names = pd.factorize(patients)
    rank = generator.permutation(len(names))[codes]
    return np.flatnonzero(known)[np.argsort(rank, kind="stable")]


def summary_table(parts: Mapping[str, LabelScores]) -> pd.DataFrame:
    """Put the scores of all comparisons into one tidy table, to be recorded.

    Parameters
    ----------
    parts : mapping of str to LabelScores
        By comparison; each has its own images.

    Returns
    -------
    DataFrame
        Columns comparison, method, seeds, measure, estimate, low, high, n.
    """
    measures = {
        ("within view", "experts"): "AUROC, experts",
        ("within view", "report labels"): "AUROC, report labels",
        ("within view", "gap"): "experts minus report labels",
        ("pooled", "experts"): "AUROC, experts, pooled",
    }
    tables = []
    for comparison, scores in parts.items():
        table = scores.table()
        pairs = zip(table["images"], table["quantity"], strict=True)
        table = table.assign(comparison=comparison, measure=[measures.get(pair) for pair in pairs])
        tables.append(table.dropna(subset="measure"))
    columns = ["comparison", "method", "seeds", "measure", "estimate", "low", "high", "n"]
    return pd.concat(tables)[columns].reset_index(drop=True)
