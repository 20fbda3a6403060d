"""Study 05: the same classifier trained for few and for many epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from cxrstudy.data.images import ImageSet
from cxrstudy.vision.cross_fitting import N_FOLDS, Arm, CrossFitted
from cxrstudy.vision.memorisation import Memorisation
from cxrstudy.vision.scoring import EXPERT_TERMS, PLACES, POOLED, WITHIN_VIEW, LabelScores
from cxrstudy.vision.training import TrainingConfig


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
    """
    clean = [Arm(arm_name(n), replace(config, epochs=n), 0.0, seeds) for n in epochs]
    noisy = [
        Arm(arm_name(n, rate), replace(config, epochs=n), rate, noise_seeds)
        for rate in noise_rates
        for n in noise_epochs
    ]
    return clean + noisy


def arm_name(epochs: int, label_noise: float = 0.0) -> str:
    """Name an arm by its run length and its label noise."""
    length = f"{epochs} epoch" + "s" * (epochs > 1)
    return length + (f", {label_noise:.0%} of labels flipped" if label_noise else "")


def final_scores(trained: Mapping[str, CrossFitted]) -> dict[str, np.ndarray]:
    """Return each arm's held-out scores by its final weights.

    Parameters
    ----------
    trained : mapping of str to CrossFitted

    Returns
    -------
    dict of str to ndarray of float32, shape (seeds, n_images)
    """
    return {name: arm.held_out[:, -1] for name, arm in trained.items()}


def logged_epochs(epochs: int, n_points: int = 12) -> list[int]:
    """Choose moments of a run, evenly on a logarithmic scale, first and last among them."""
    return sorted({round(value) for value in np.geomspace(1, epochs, n_points)})


def training_table(trained: Mapping[str, CrossFitted]) -> pd.DataFrame:
    """Tabulate how each arm was trained and how well it fits its own labels.

    Parameters
    ----------
    trained : mapping of str to CrossFitted

    Returns
    -------
    DataFrame
        Columns arm, epochs, images seen (by one model), labels flipped, seeds, first loss, last
        loss (mean over an epoch, on the training labels).
    """
    rows = []
    for name, arm in trained.items():
        epochs = arm.arm.config.epochs
        half = arm.in_training.shape[1] / N_FOLDS
        row = {"arm": name, "epochs": epochs, "images seen": round(epochs * half)}
        row |= {"labels flipped": f"{arm.arm.label_noise:.0%}", "seeds": arm.arm.seeds}
        losses = arm.losses.mean(axis=0)
        rows.append(row | {"first loss": losses[0], "last loss": losses[-1]})
    return pd.DataFrame(rows)


def curve_table(
    arm: CrossFitted, image_set: ImageSet, n_bootstrap: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """Score one arm's run after every logged epoch against every label source.

    Parameters
    ----------
    arm : CrossFitted
        The longest run.
    image_set : ImageSet
    n_bootstrap, seed : int

    Returns
    -------
    DataFrame
        Tidy: columns epoch, images seen, labels, estimate, low, high, n. RSNA's experts and the
        report labels on their images within view, Google's experts pooled, as they are few.
    """
    epochs = logged_epochs(arm.arm.config.epochs)
    predictions = {str(epoch): arm.held_out[:, epoch - 1] for epoch in epochs}
    settings = {"n_bootstrap": n_bootstrap, "seed": seed}
    rsna, google = (
        LabelScores(image_set, predictions, experts, **settings) for experts in EXPERT_TERMS
    )
    half = arm.in_training.shape[1] / N_FOLDS
    rows = []
    for epoch in epochs:
        estimates = {
            "RSNA's experts": rsna.row(rsna.score(str(epoch), "expert")),
            "report labels": rsna.row(rsna.score(str(epoch), "report")),
            "Google's experts": google.row(google.score(str(epoch), "expert", POOLED)),
        }
        seen = {"epoch": epoch, "images seen": round(epoch * half)}
        rows += [seen | {"labels": labels} | row for labels, row in estimates.items()]
    return pd.DataFrame(rows)


def summary_table(scores: LabelScores, memorisation: Memorisation) -> pd.DataFrame:
    """Put scores and memorisation of every arm into one tidy table, to be recorded.

    Parameters
    ----------
    scores : LabelScores
        Of the arms' final weights.
    memorisation : Memorisation
        Of the arms that trained on unchanged labels.

    Returns
    -------
    DataFrame
        Columns arm, seeds, measure, estimate, low, high, n.
    """
    measures = {
        ("within view", "experts"): "AUROC, experts",
        ("within view", "report labels"): "AUROC, report labels",
        ("within view", "gap"): "experts minus report labels",
        ("pooled", "experts"): "AUROC, experts, pooled",
    }
    auroc = scores.table()
    auroc["measure"] = [
        measures.get(pair) for pair in zip(auroc["images"], auroc["quantity"], strict=True)
    ]
    repeated = memorisation.table().query("labels == 'wrong'")
    repeated = repeated.assign(measure="wrong labels repeated, " + repeated["quantity"])
    columns = ["arm", "seeds", "measure", "estimate", "low", "high", "n"]
    joined = pd.concat([auroc.dropna(subset="measure").rename(columns={"method": "arm"}), repeated])
    return joined[columns].reset_index(drop=True)


def claim_terms(short: str, long: str) -> dict[str, tuple[tuple[float, str, str], ...]]:
    """Say which scores each claim of the study compares, for `LabelScores.combine`.

    Parameters
    ----------
    short, long : str
        Arms.

    Returns
    -------
    dict of str to tuple
        By the claim's id; positive if the difference goes the claim's way.
    """
    return {
        "nlp_expert_gap.short_training": ((1, short, "expert"), (-1, long, "expert")),
        "nlp_expert_gap.memorises_labeler": (
            (1, long, "report"), (-1, short, "report"), (-1, long, "expert"), (1, short, "expert"),
        ),
    }  # fmt: skip


def contrast_table(scores: LabelScores, short: str, long: str) -> pd.DataFrame:
    """Tabulate the claims' differences within view and pooled.

    Parameters
    ----------
    scores : LabelScores
    short, long : str
        Arms.

    Returns
    -------
    DataFrame
        Tidy: columns claim (its id), images, estimate, low, high, n.
    """
    return pd.DataFrame(
        {"claim": claim, "images": PLACES[where]} | scores.row(scores.combine(*terms, where=where))
        for claim, terms in claim_terms(short, long).items()
        for where in (WITHIN_VIEW, POOLED)
    )


def pooled_in_words(scores: LabelScores, terms: Sequence[tuple[float, str, str]]) -> str:
    """Say in one sentence what a difference is over all images at once."""
    row = scores.row(scores.combine(*terms, where=POOLED))
    return f"Pooled over views {row['estimate']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})."
