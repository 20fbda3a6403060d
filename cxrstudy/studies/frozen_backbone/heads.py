"""Study 06: heads on frozen features, against fine-tuning and against looking at no image."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement.result import LIMITS, Estimate
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.contrasts import Contrast
from cxrstudy.experiments.cross_fitting import (
    INVERSE_PENALTIES,
    N_HALVES,
    Arm,
    epochs_in_words,
)
from cxrstudy.experiments.image_labels import (
    EXPERTS,
    NO_IMAGE,
    REPORTS,
    metadata_features,
    training_labels,
)
from cxrstudy.experiments.label_scores import LabelScores
from cxrstudy.experiments.opacity_scores import OPACITY_WORDS, WITHIN_VIEW
from cxrstudy.vision.backbones import BackboneName
from cxrstudy.vision.probes import cross_fit, cross_fit_nested
from cxrstudy.vision.training import TrainingConfig
from cxrstudy.words import by_side

# Folds of patients for heads, and those within a half that choose its penalty.
HEAD_FOLDS, INNER_FOLDS = 5, 5
# Run lengths that the paper's claim of rapid convergence names.
CLAIMED_HEAD_EPOCHS = (5, 60)

# Names of `half_fitted_head` among fine-tuned networks, and among heads trained step by step.
FROZEN, CONVERGED = "frozen", "linear head, fitted to convergence"

WORDS: Mapping[str, str] = {
    **OPACITY_WORDS,
    "rsna": "RSNA",
    "google": "Google",
    "report_of_read": "report labels of the images that RSNA's experts read",
    "stepwise": "stepwise heads",
    "fine_tuning": "fine-tuning",
}
"""Keys of the study's tables to what the page says for them."""

_FEATURES = {"random": "random features", "chest": "chest X-ray features"}


def feature_name(name: BackboneName, size: int) -> str:
    """Name features by the weights that made them and the edge of the images in pixels.

    >>> feature_name(BackboneName("resnet18", "random"), 64)
    'random features (64 px)'
    """
    return f"{_FEATURES.get(name.weights, 'ImageNet features')} ({size} px)"


def method_name(inputs: str, labels: str = REPORTS) -> str:
    """Name a head by what it sees and whose labels it learns."""
    return f"{inputs}, {labels}"


def split_names(table: pd.DataFrame) -> pd.DataFrame:
    """Move whose labels a method learned to a column learned_from; most learn report labels."""
    pattern = rf"^(?P<method>.+?)(?:, (?P<learned_from>{REPORTS}|{EXPERTS}))?$"
    parts = table["method"].str.extract(pattern)
    return table.assign(method=parts["method"], learned_from=parts["learned_from"].fillna(REPORTS))


def cross_fitted_heads(
    image_set: ImageSet, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Fit linear heads of each kind of input on report labels and on experts, out of fold.

    Inputs are features, (n_images, n_features), by name; `NO_IMAGE`, what `metadata_features` says
    of the images, is added. Logits of every image are returned by `method_name`.
    """
    labels = training_labels(image_set)
    folds = image_set.folds(HEAD_FOLDS)
    found = {}
    inputs = {**inputs, NO_IMAGE: metadata_features(image_set.images)}
    for name, features in inputs.items():
        fitted = cross_fit(features, labels.to_numpy(), folds, INVERSE_PENALTIES)
        for column, source in enumerate(labels):
            found[method_name(name, source)] = fitted.logits[:, column]
    return found


def half_fitted_head(image_set: ImageSet, features: np.ndarray) -> np.ndarray:
    """Fit a linear head on report labels as networks are trained: on each half of the patients.

    Each image's logit comes from the head that was fitted, and whose penalty was chosen, on the
    other half.
    """
    labels = training_labels(image_set)[[REPORTS]].to_numpy()
    halves, inner = image_set.folds(N_HALVES), image_set.folds(INNER_FOLDS, "inner")
    return cross_fit_nested(features, labels, halves, inner, INVERSE_PENALTIES).logits[:, 0]


def head_arms(backbone: BackboneName, epochs: Sequence[int], seeds: int) -> list[Arm]:
    """List heads on frozen features that are trained step by step, linear and with two layers.

    Each run length has its own schedule.
    """
    configs = {
        head_name(n, kind): TrainingConfig(backbone, head=head, epochs=n, trainable="head")
        for kind, head in (("linear", "linear"), ("two-layer", "mlp"))
        for n in epochs
    }
    return [Arm(name, config, seeds=seeds) for name, config in configs.items()]


def head_name(epochs: int, kind: str = "linear") -> str:
    """Name a head that is trained step by step, by its run length."""
    return f"{kind} head, {epochs_in_words(epochs)}"


def fine_tuning_arms(backbone: BackboneName, epochs: Sequence[int], seeds: int) -> list[Arm]:
    """List the arms that learn more than a head.

    Full fine-tuning for each run length, and the last third of the network for the first.
    """
    full = [
        Arm(fine_tuned_name(n), TrainingConfig(backbone, epochs=n), seeds=seeds) for n in epochs
    ]
    part = TrainingConfig(backbone, epochs=epochs[0], trainable="last third")
    return [*full, Arm(f"last third {fine_tuned_name(epochs[0])}", part, seeds=seeds)]


def fine_tuned_name(epochs: int) -> str:
    """Name the arm that learns all weights, by its run length."""
    return f"fine-tuned, {epochs_in_words(epochs)}"


def summary_table(comparisons: Mapping[str, LabelScores]) -> pd.DataFrame:
    """Put the scores of all comparisons, each on its own images, into one table.

    Columns are comparison, method, learned_from, seeds, measure, estimate, low, high and n.
    """
    tables = [scores.summary().assign(comparison=name) for name, scores in comparisons.items()]
    columns = ["comparison", "method", "learned_from", "seeds", "measure", *LIMITS, "n"]
    return split_names(pd.concat(tables))[columns].reset_index(drop=True)


def trained_stepwise(table: pd.DataFrame) -> pd.DataFrame:
    """Select from `summary_table` the scores against experts of all comparisons but of inputs."""
    return table[(table["measure"] == "auroc_expert") & (table["comparison"] != "heads")]


def by_input(table: pd.DataFrame) -> pd.DataFrame:
    """Select from `summary_table` what heads that learned report labels reach by their input.

    Within view and pooled over views, as the column place says.
    """
    places = {"auroc_expert": "within view", "auroc_expert_pooled": "pooled over views"}
    shown = table[(table["comparison"] == "heads") & (table["learned_from"] == REPORTS)]
    return shown.assign(place=shown["measure"].map(places)).dropna(subset="place")


def answer(table: pd.DataFrame, difference: Estimate, margin: float) -> str:
    """Say what a head on the first input of `summary_table` reaches, and what no image does.

    The difference is that of the AUROC against experts, frozen minus fine-tuned; it is judged as
    an equivalence within the margin.
    """
    estimates = by_input(table).set_index(["method", "place"])["estimate"]
    head = estimates.index[0][0]
    within, pooled = (
        [f"{estimates[method, place]:.2f}" for method in (head, NO_IMAGE)]
        for place in ("within view", "pooled over views")
    )
    low, high = difference.interval()
    verdict = "Not shown to be enough"
    if low > -margin:
        verdict = "Enough"
    elif high < -margin:
        verdict = "Not enough"
    return (
        f"{verdict}. Within view a linear head on frozen {head.partition(' (')[0]} reaches an "
        f"AUROC of {within[0]} against experts, and view, sex and age alone {within[1]}; pooled "
        f"over views, where telling AP from PA pays, {pooled[0]} and {pooled[1]}. Frozen minus "
        f"fine-tuned, within view: {difference.in_words()}."
    )


def input_finding(table: pd.DataFrame) -> str:
    """Say what a head reaches that sees no image, from `by_input`."""
    blind = table[table["method"] == NO_IMAGE].set_index("place")["estimate"]
    return (
        f"Without an image, {NO_IMAGE} reach {blind['pooled over views']:.2f} pooled and "
        f"{blind['within view']:.2f} within view"
    )


def tuning_finding(difference: Estimate) -> str:
    """Say which scores higher against experts, from frozen minus fine-tuned."""
    return by_side(
        *difference.interval(),
        above="The frozen network scores higher than the fine-tuned one",
        below="The fine-tuned network scores higher than the frozen one",
        open="Frozen and fine-tuned networks cannot be told apart",
    )


def judged_table(
    scores: LabelScores, methods: Sequence[str] | None = None, place: str = WITHIN_VIEW
) -> pd.DataFrame:
    """Tabulate scores against experts and reports in words: columns head and judge for a figure."""
    table = split_names(scores.table(methods, [place], ["expert", "report"]))
    learned_from, judges = (table[key].map(WORDS) for key in ("learned_from", "quantity"))
    return table.assign(head=table["method"] + ", " + learned_from, judge="judged by " + judges)


def estimates_in_words(table: pd.DataFrame, *names: str) -> str:
    """List the estimates of a table by some of its columns, for who does not see the figure."""
    labels = table[list(names or ["method"])].astype(str).agg(", ".join, axis=1)
    estimates = zip(labels, table["estimate"], strict=True)
    return "; ".join(f"{label}: {estimate:.2f}" for label, estimate in estimates) + "."


def contrasts(
    heads: LabelScores,
    weighted: LabelScores,
    stepwise: LabelScores,
    tuned: LabelScores,
    *,
    main: str,
    head_epochs: Sequence[int],
    tuned_epochs: int,
    data: Mapping[str, str],
    seeds: Mapping[str, int],
) -> list[Contrast]:
    """State the differences that decide the study's claims.

    Scores are of heads fitted to convergence; of `main` among them, which learned report labels
    from the backbone's features, with inverse-sampling weights; of heads trained step by step, of
    which the last two run lengths are compared (the claim is about 5 and 60); and of frozen
    against fine-tuned networks. Data in words and numbers of trainings are given for ``"heads"``
    and ``"fine_tuning"``.
    """
    fine_tuned = fine_tuned_name(tuned_epochs)
    few, many = (head_name(n) for n in head_epochs[-2:])
    return [
        Contrast(
            "nlp_expert_gap.frozen_backbone",
            f"against experts: frozen minus {fine_tuned}",
            tuned,
            ((1, FROZEN, "expert"), (-1, fine_tuned, "expert")),
            f"{data['fine_tuning']}, {fine_tuned}; RSNA's experts",
            seeds["fine_tuning"],
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
