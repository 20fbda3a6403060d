"""Study 06: heads on frozen features, against fine-tuning and against looking at no image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cxrstudy.agreement.result import LIMITS
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.contrasts import Contrast
from cxrstudy.experiments.cross_fitting import N_HALVES, Arm, epochs_in_words
from cxrstudy.experiments.image_labels import REPORTS, training_labels
from cxrstudy.experiments.label_scores import LabelScores
from cxrstudy.experiments.penalties import INVERSE_PENALTIES
from cxrstudy.vision.backbones import BackboneName
from cxrstudy.vision.probes import cross_fit, cross_fit_nested
from cxrstudy.vision.training import TrainingConfig

HEAD_FOLDS, INNER_FOLDS = 5, 5
"""Folds of patients for heads, and those within a half that choose its penalty."""

CLAIMED_HEAD_EPOCHS = (5, 60)
"""Run lengths that the paper's claim of rapid convergence names."""

FROZEN, CONVERGED = "frozen", "linear head, fitted to convergence"
"""Names of `half_fitted_head` among fine-tuned networks, and among heads trained step by step."""

FEATURES_IN_WORDS: Mapping[str, str] = {
    "dequantised": "ImageNet features",
    "imagenet": "ImageNet features",
    "random": "random features",
    "chest": "chest X-ray features",
}
"""Weights of a backbone to what its features are called."""


def feature_name(name: BackboneName, size: int) -> str:
    """Name features by the weights that made them and the edge of the images in pixels."""
    return f"{FEATURES_IN_WORDS[name.weights]} ({size} px)"


def method_name(inputs: str, labels: str) -> str:
    """Name a head by what it sees and whose labels it learns."""
    return f"{inputs}, {labels}"


def split_names(table: pd.DataFrame) -> pd.DataFrame:
    """Divide the names that `method_name` made into two columns.

    Parameters
    ----------
    table : DataFrame
        With a column method.

    Returns
    -------
    DataFrame
        With the columns input and learned from in its place.
    """
    parts = table["method"].str.rsplit(", ", n=1, expand=True)
    return table.assign(**{"input": parts[0], "learned from": parts[1]}).drop(columns="method")


def cross_fitted_heads(
    image_set: ImageSet, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Fit linear heads of each kind of input on report labels and on experts, out of fold.

    Parameters
    ----------
    image_set : ImageSet
    inputs : mapping of str to ndarray, shape (n_images, n_features)
        Features, or the description that `metadata_features` gives.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_images,)
        Logits by `method_name`.
    """
    labels = training_labels(image_set)
    folds = image_set.folds(HEAD_FOLDS)
    found = {}
    for name, features in inputs.items():
        fitted = cross_fit(features, labels.to_numpy(), folds, INVERSE_PENALTIES)
        for column, source in enumerate(labels):
            found[method_name(name, source)] = fitted.logits[:, column]
    return found


def half_fitted_head(image_set: ImageSet, features: np.ndarray) -> np.ndarray:
    """Fit a linear head on report labels as networks are trained: on each half of the patients.

    Parameters
    ----------
    image_set : ImageSet
    features : ndarray, shape (n_images, n_features)

    Returns
    -------
    ndarray of float64, shape (n_images,)
        Logits by the head that was fitted, and whose penalty was chosen, on the other half.
    """
    labels = training_labels(image_set)[[REPORTS]].to_numpy()
    halves, inner = image_set.folds(N_HALVES), image_set.folds(INNER_FOLDS, "inner")
    return cross_fit_nested(features, labels, halves, inner, INVERSE_PENALTIES).logits[:, 0]


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
        Arm(fine_tuned_name(n), replace(config, epochs=n, trainable="all"), seeds=seeds)
        for n in epochs
    ]
    part = replace(config, epochs=epochs[0], trainable="last third")
    return [*full, Arm(f"last third {fine_tuned_name(epochs[0])}", part, seeds=seeds)]


def fine_tuned_name(epochs: int) -> str:
    """Name the arm that learns all weights, by its run length."""
    return f"fine-tuned, {epochs_in_words(epochs)}"


def head_name(epochs: int, kind: str = "linear") -> str:
    """Name a head that is trained step by step, by its run length."""
    return f"{kind} head, {epochs_in_words(epochs)}"


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
        Arm(head_name(n, kind), replace(config, head=head, epochs=n, trainable="head"), seeds=seeds)
        for kind, head in (("linear", "linear"), ("two-layer", "mlp"))
        for n in epochs
    ]


def convergence_table(scores: LabelScores, epochs: Sequence[int]) -> pd.DataFrame:
    """Say after some epochs of one head's run how much of its final score is there.

    Parameters
    ----------
    scores : LabelScores
        Of the run's predictions, named by epoch.
    epochs : sequence of int
        The last is the end of the run.

    Returns
    -------
    DataFrame
        Tidy: columns epoch, quantity, estimate (its AUROC's distance from chance against experts,
        as a share of the last one's), low, high, n.
    """
    last = str(epochs[-1])
    rows = [
        {"epoch": epoch, "quantity": "share of the final distance"}
        | scores.share_above_chance(str(epoch), last).row()
        for epoch in epochs
    ]
    return pd.DataFrame(rows, columns=["epoch", "quantity", *LIMITS, "n"])


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
    tables = [scores.summary().assign(comparison=name) for name, scores in parts.items()]
    columns = ["comparison", "method", "seeds", "measure", "estimate", "low", "high", "n"]
    return pd.concat(tables)[columns].reset_index(drop=True)


def recorded_arms(table: pd.DataFrame) -> pd.DataFrame:
    """Select what answers the study's question: frozen, fine-tuned and briefly trained, by experts.

    Parameters
    ----------
    table : DataFrame
        From `summary_table`.

    Returns
    -------
    DataFrame
        AUROC against experts within view, of all comparisons but that of inputs.
    """
    return table[(table["measure"] == "auroc_expert") & (table["comparison"] != "heads")]


def contrasts(
    heads: LabelScores,
    stepwise: LabelScores,
    tuned: LabelScores,
    *,
    main: str,
    head_epochs: Sequence[int],
    tuned_epochs: int,
    data: Mapping[str, str],
    seeds: Mapping[str, int],
    weighted: LabelScores,
) -> list[Contrast]:
    """State the differences that decide the study's claims.

    Parameters
    ----------
    heads, stepwise, tuned : LabelScores
        Of heads fitted to convergence, of heads trained step by step, and of frozen against
        fine-tuned networks.
    main : str
        The head on the backbone's features that learned report labels.
    head_epochs : sequence of int
        Run lengths of the heads; the last two are compared. The claim is about 5 and 60.
    tuned_epochs : int
        Run length of the fine-tuned network.
    data : mapping of str to str
        Images in words, for ``"heads"`` and ``"fine-tuning"``.
    seeds : mapping of str to int
        Trainings of each.
    weighted : LabelScores
        Of `main`, with inverse-sampling weights.

    Returns
    -------
    list of Contrast
    """
    fine_tuned = fine_tuned_name(tuned_epochs)
    few, many = (head_name(n) for n in head_epochs[-2:])
    return [
        Contrast(
            "nlp_expert_gap.frozen_backbone",
            f"against experts: frozen minus {fine_tuned}",
            tuned,
            ((1, FROZEN, "expert"), (-1, fine_tuned, "expert")),
            f"{data['fine-tuning']}, {fine_tuned}; RSNA's experts",
            seeds["fine-tuning"],
        ),
        Contrast(
            "nlp_expert_gap.rapid_convergence",
            f"against experts: {few} minus {many}",
            stepwise,
            ((1, few, "expert"), (-1, many, "expert")),
            f"{data['heads']}, {few} against {many}; RSNA's experts",
            seeds["heads"],
            decides=tuple(head_epochs[-2:]) == CLAIMED_HEAD_EPOCHS,
        ),
        Contrast(
            "nlp_expert_gap.report_labels_flatter_images",
            "same head: against report labels minus against experts",
            heads,
            ((1, main, "report"), (-1, main, "expert")),
            f"{data['heads']}; RSNA's experts",
            alternatives=(weighted,),
        ),
    ]
