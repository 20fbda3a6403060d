"""Study 05: the same classifier trained for few and for many epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import LIMITS
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.contrasts import Contrast
from cxrstudy.experiments.cross_fitting import (
    N_HALVES,
    Arm,
    CrossFitted,
    epochs_in_words,
    logged_epochs,
)
from cxrstudy.experiments.image_labels import EXPERT_TERMS
from cxrstudy.experiments.label_scores import POOLED, LabelScores
from cxrstudy.experiments.opacity_scores import opacity_scores
from cxrstudy.studies.epoch_sweep.memorisation import PARTS, Memorisation
from cxrstudy.vision.training import TrainingConfig

SHORT_EPOCHS, LONG_EPOCHS = 5, 60
"""The longest run that the paper calls short, and the shortest that it calls extended."""


def sweep_arms(
    config: TrainingConfig,
    epochs: Sequence[int],
    seeds: int,
    noise_rates: Sequence[float] = (),
    noise_epochs: Sequence[int] = (),
    noise_seeds: int = 1,
) -> list[Arm]:
    """List the arms of the sweep: every run length, and some of them with flipped labels.

    Each length is a run of its own with its own schedule, not a moment of a longer one.

    Parameters
    ----------
    config : TrainingConfig
        Its epochs are replaced.
    epochs : sequence of int
        Run lengths.
    seeds : int
        Trainings of each.
    noise_rates : sequence of float
        Shares of flipped labels.
    noise_epochs : sequence of int
        Run lengths that are repeated with flipped labels.
    noise_seeds : int
        Trainings of each of those.

    Returns
    -------
    list of Arm

    Raises
    ------
    ValueError
        If a run length or a share of flipped labels is named twice.
    """
    for name, values in {"epochs": epochs, "noise_rates": noise_rates}.items():
        if len(set(values)) < len(values) or not all(values):
            raise ValueError(f"{name} must be different numbers above 0, got {[*values]}")
    clean = [Arm(arm_name(n), replace(config, epochs=n), 0.0, seeds) for n in epochs]
    noisy = [
        Arm(arm_name(n, rate), replace(config, epochs=n), rate, noise_seeds)
        for rate in noise_rates
        for n in noise_epochs
    ]
    return clean + noisy


def arm_name(epochs: int, label_noise: float = 0.0) -> str:
    """Name an arm by its run length and its label noise."""
    flipped = f", {label_noise:.0%} of labels flipped" if label_noise else ""
    return epochs_in_words(epochs) + flipped


def training_table(trained: Mapping[str, CrossFitted]) -> pd.DataFrame:
    """Tabulate how each arm was trained and how well it fits its own labels.

    Parameters
    ----------
    trained : mapping of str to CrossFitted

    Returns
    -------
    DataFrame
        Columns arm, epochs, images seen (by one model), labels flipped (a share), seeds, first
        loss, last loss (mean over an epoch and all observations, on the training labels).
    """
    rows = []
    for name, fitted in trained.items():
        epochs = fitted.arm.config.epochs
        losses = fitted.losses.mean(axis=(0, 1))
        rows.append(
            {
                "arm": name,
                "epochs": epochs,
                "images seen": round(epochs * fitted.in_training.shape[1] / N_HALVES),
                "labels flipped": fitted.arm.label_noise,
                "seeds": fitted.arm.seeds,
                "first loss": losses[0],
                "last loss": losses[-1],
            }
        )
    return pd.DataFrame(rows)


def curve_table(
    fitted: CrossFitted, image_set: ImageSet, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Score one arm's runs after every logged epoch against every label source.

    Parameters
    ----------
    fitted : CrossFitted
        Such as the longest run.
    image_set : ImageSet
    resampling : Resampling

    Returns
    -------
    DataFrame
        Tidy: columns epoch, images seen, labels, estimate, low, high, n. RSNA's experts and the
        report labels on their images within view, Google's experts pooled, as they are few.
    """
    epochs = logged_epochs(fitted.arm.config.epochs)
    predictions = {str(epoch): fitted.held_out[:, epoch - 1] for epoch in epochs}
    settings = {"folds": image_set.folds(N_HALVES), "resampling": resampling}
    rsna, google = (
        opacity_scores(image_set, predictions, experts, **settings) for experts in EXPERT_TERMS
    )
    half = fitted.in_training.shape[1] / N_HALVES
    rows = []
    for epoch in epochs:
        estimates = {
            "RSNA's experts": rsna.score(str(epoch), "expert"),
            "report labels": rsna.score(str(epoch), "report"),
            "Google's experts": google.score(str(epoch), "expert", POOLED),
        }
        seen = {"epoch": epoch, "images seen": round(epoch * half)}
        rows += [seen | {"labels": labels} | found.row() for labels, found in estimates.items()]
    return pd.DataFrame(rows, columns=["epoch", "images seen", "labels", *LIMITS, "n"])


def summary_table(
    scores: LabelScores, memorisation: Memorisation, arms: Sequence[Arm]
) -> pd.DataFrame:
    """Put scores and memorisation of every arm into one tidy table, to be recorded.

    Parameters
    ----------
    scores : LabelScores
        Of the arms' final weights.
    memorisation : Memorisation
        Of the arms that trained on unchanged labels.
    arms : sequence of Arm

    Returns
    -------
    DataFrame
        Columns arm, epochs, labels flipped (a share), seeds, measure, estimate, low, high, n.
    """
    repeated = memorisation.table().query("labels == 'wrong'")
    repeated = repeated.assign(measure="wrong labels repeated, " + repeated["quantity"])
    joined = pd.concat([scores.summary().rename(columns={"method": "arm"}), repeated])
    joined["epochs"] = joined["arm"].map({arm.name: arm.config.epochs for arm in arms})
    joined["labels flipped"] = joined["arm"].map({arm.name: arm.label_noise for arm in arms})
    columns = ["arm", "epochs", "labels flipped", "seeds", "measure", *LIMITS, "n"]
    return joined[columns].reset_index(drop=True)


def recorded_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Select the curves over run lengths that answer the study's question.

    Parameters
    ----------
    table : DataFrame
        From `summary_table`.

    Returns
    -------
    DataFrame
        Of the arms on unchanged labels: AUROC against both sources, and wrong labels repeated in
        training and held out.
    """
    shown = ["auroc_expert", "auroc_report"]
    shown += [f"wrong labels repeated, {part}" for part in PARTS]
    return table[(table["labels flipped"] == 0) & table["measure"].isin(shown)]


def recorded_in_words(curves: pd.DataFrame) -> str:
    """Describe each curve of `recorded_curves` by its ends and its highest point."""
    sentences = []
    for measure, curve in curves.groupby("measure", sort=False):
        by_length = curve.set_index("epochs")["estimate"].sort_index()
        first, last = by_length.index[[0, -1]]
        sentences.append(
            f"{measure}: {by_length[first]:.2f} after {epochs_in_words(first)}, "
            f"{by_length.max():.2f} at most, after {by_length.idxmax()}, "
            f"{by_length[last]:.2f} after {last}"
        )
    return "; ".join(sentences) + "."


def contrasts(
    scores: LabelScores, short_epochs: int, long_epochs: int, data: str, seeds: int
) -> list[Contrast]:
    """State the differences between a short and a long run that decide the study's claims.

    Parameters
    ----------
    scores : LabelScores
        Of the arms' final weights.
    short_epochs, long_epochs : int
        Run lengths. The claims are about at most 5 and at least 60 epochs; other lengths are
        compared and decide nothing.
    data : str
        Which images, in words.
    seeds : int

    Returns
    -------
    list of Contrast
    """
    short, long = arm_name(short_epochs), arm_name(long_epochs)
    shared = {
        "scores": scores,
        "data": f"{data}, {short} against {long}",
        "seeds": seeds,
        "decides": short_epochs <= SHORT_EPOCHS and long_epochs >= LONG_EPOCHS,
    }
    gains = (
        (1, long, "report"), (-1, short, "report"), (-1, long, "expert"), (1, short, "expert"),
    )  # fmt: skip
    return [
        Contrast(
            "nlp_expert_gap.short_training",
            f"against experts: {short} minus {long}",
            terms=((1, short, "expert"), (-1, long, "expert")),
            **shared,
        ),
        Contrast(
            "nlp_expert_gap.memorises_labeler",
            f"gain from {short} to {long}: against report labels minus against experts",
            terms=gains,
            **shared,
        ),
    ]
