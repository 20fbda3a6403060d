"""Study 05: the same classifier trained for few and for many epochs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement import DEFAULT_RESAMPLING, Estimate, Resampling, agree
from cxrstudy.agreement.result import LIMITS, average_over_seeds
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.contrasts import Contrast
from cxrstudy.experiments.cross_fitting import (
    N_HALVES,
    Arm,
    CrossFitted,
    arm_name,
    epochs_in_words,
    logged_epochs,
)
from cxrstudy.experiments.image_labels import EXPERT_TERMS, lung_opacity_labels
from cxrstudy.experiments.label_scores import POOLED, LabelScores
from cxrstudy.experiments.opacity_scores import OPACITY_WORDS, WITHIN_VIEW, opacity_scores
from cxrstudy.words import by_side

# The longest run that the paper calls short, and the shortest that it calls extended.
SHORT_EPOCHS, LONG_EPOCHS = 5, 60

WORDS: Mapping[str, str] = {
    **OPACITY_WORDS,
    "rsna": "RSNA's experts",
    "google": "Google's experts",
    "in_training": "in training",
    "held_out": "held out",
    "wrong_in_training": "wrong labels repeated, in training",
    "wrong_held_out": "wrong labels repeated, held out",
    "wrong_difference": "wrong labels repeated, difference",
}
"""Keys of the study's tables to what the page says for them."""

_PARTS = ("in_training", "held_out")


def memorisation_table(
    trained: Mapping[str, CrossFitted],
    image_set: ImageSet,
    experts: str = "rsna",
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> pd.DataFrame:
    """Tabulate how often models repeat report labels that experts call wrong, or right.

    A model that learned what opacity looks like repeats a wrong label no more often when it
    trained on the image than when it did not. The difference, on the same images, is what it
    memorised. Each model calls as many images of a half positive as the report labels do, so that
    a shift of all its scores changes nothing: neither half's model is the surer one.

    Parameters
    ----------
    trained : mapping of str to CrossFitted
        Trained on the report labels, not on flipped ones.
    image_set : ImageSet
    experts : {"rsna", "google"}
        Whose labels decide which report labels are wrong.
    resampling : Resampling
        Of seeds and of patients, who are known from the images.

    Returns
    -------
    DataFrame
        Tidy: columns arm, seeds, labels (wrong, right), quantity (in_training, held_out,
        difference), estimate, low, high, n.
    """
    labels = lung_opacity_labels(image_set, experts)
    rows = image_set.images.index.get_indexer(labels.index)
    halves, report = image_set.folds(N_HALVES)[rows], labels["report"].to_numpy()
    decisions = {
        (name, part, number): _decide(scores[rows], report, halves)
        for name, arm in trained.items()
        for part, by_seed in zip(_PARTS, (arm.in_training, arm.held_out[:, -1]), strict=True)
        for number, scores in enumerate(by_seed)
    }
    wrong = labels["report"] != labels["expert"]
    repeated = {
        kind: _repeated(labels, chosen, decisions, resampling)
        for kind, chosen in (("wrong", wrong), ("right", ~wrong))
    }
    table = []
    for name, arm in trained.items():
        for kind, found in repeated.items():
            parts = [[found[name, part, n] for n in range(arm.arm.seeds)] for part in _PARTS]
            parts.append([inside - outside for inside, outside in zip(*parts, strict=True)])
            for quantity, by_seed in zip((*_PARTS, "difference"), parts, strict=True):
                row = {"arm": name, "seeds": arm.arm.seeds, "labels": kind, "quantity": quantity}
                table.append(row | average_over_seeds(by_seed, resampling.seed).row())
    return pd.DataFrame(table, columns=["arm", "seeds", "labels", "quantity", *LIMITS, "n"])


def _repeated(
    labels: pd.DataFrame, chosen: pd.Series, decisions: Mapping, resampling: Resampling
) -> dict[tuple, Estimate]:
    """Estimate the share of some report labels that each of many decisions repeats."""
    part = labels[chosen]
    found = agree(
        part[["report"]],
        {
            str(key): pd.DataFrame({"report": values[chosen]}, part.index)
            for key, values in decisions.items()
        },
        metrics=("accuracy",),
        resampling=resampling.of(clusters=part["patient"]),
    )
    return {key: found.estimate(str(key), "report", "accuracy") for key in decisions}


def _decide(scores: np.ndarray, report: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Call images positive half by half, as each half is scored by a model of its own."""
    decisions = np.empty(len(scores))
    for half in np.unique(halves):
        chosen = halves == half
        decisions[chosen] = most_positive(scores[chosen], report[chosen].mean())
    return decisions


def most_positive(scores: np.ndarray, share: float) -> np.ndarray:
    """Call the highest scores positive, as many as a share says; of equal ones the first.

    >>> most_positive(np.array([0.1, 0.9, 0.5, 0.7]), 0.5)
    array([0., 1., 0., 1.])
    """
    decisions = np.zeros(len(scores))
    decisions[np.argsort(-scores, kind="stable")[: round(share * len(scores))]] = 1
    return decisions


def training_table(trained: Mapping[str, CrossFitted]) -> pd.DataFrame:
    """Tabulate how each arm was trained and how well it fits its own labels.

    `images_seen` are those of one model; the losses are means over an epoch and all observations,
    on the training labels.
    """
    rows = []
    for name, fitted in trained.items():
        epochs = fitted.arm.config.epochs
        losses = fitted.losses.mean(axis=(0, 1))
        rows.append(
            {
                "arm": name,
                "epochs": epochs,
                "images_seen": round(epochs * fitted.in_training.shape[1] / N_HALVES),
                "labels_flipped": fitted.arm.label_noise,
                "seeds": fitted.arm.seeds,
                "first_loss": losses[0],
                "last_loss": losses[-1],
            }
        )
    return pd.DataFrame(rows)


def with_settings(table: pd.DataFrame, arms: Sequence[Arm], column: str = "method") -> pd.DataFrame:
    """Add epochs and labels_flipped (a share) of the arm that the column names in each row."""
    return table.assign(
        epochs=table[column].map({arm.name: arm.config.epochs for arm in arms}),
        labels_flipped=table[column].map({arm.name: arm.label_noise for arm in arms}),
    )


def curve_table(
    fitted: CrossFitted, image_set: ImageSet, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Score one arm's runs after every logged epoch against every label source.

    Columns are epoch, images_seen, labels (rsna, report, google), estimate, low, high, n. RSNA's
    experts and the report labels count within view, Google's experts pooled, as they read few.
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
            "rsna": rsna.score(str(epoch), "expert"),
            "report": rsna.score(str(epoch), "report"),
            "google": google.score(str(epoch), "expert", POOLED),
        }
        seen = {"epoch": epoch, "images_seen": round(epoch * half)}
        rows += [seen | {"labels": labels} | found.row() for labels, found in estimates.items()]
    return pd.DataFrame(rows, columns=["epoch", "images_seen", "labels", *LIMITS, "n"])


def dose_table(scores: LabelScores, arms: Sequence[Arm]) -> pd.DataFrame:
    """Tabulate scores within view by labels_flipped, for the run lengths that have some.

    The column run names the run length and who judges it.
    """
    lengths = {arm.config.epochs for arm in arms if arm.label_noise}
    names = [arm.name for arm in arms if arm.config.epochs in lengths]
    table = scores.table(names, [WITHIN_VIEW], ["expert", "report"])
    table = with_settings(table, arms)
    runs = table["epochs"].map(epochs_in_words) + ", " + table["quantity"].map(WORDS)
    return table.assign(run=runs)


def summary_table(
    scores: LabelScores, memorisation: pd.DataFrame, arms: Sequence[Arm]
) -> pd.DataFrame:
    """Put final scores and `memorisation_table` of every arm into one table.

    Columns are epochs, labels_flipped (a share), seeds, measure, estimate, low, high, n.
    """
    repeated = memorisation.query("labels == 'wrong'").rename(columns={"arm": "method"})
    repeated = repeated.assign(measure="wrong_" + repeated["quantity"])
    joined = with_settings(pd.concat([scores.summary(), repeated]), arms)
    columns = ["epochs", "labels_flipped", "seeds", "measure", *LIMITS, "n"]
    return joined[columns].reset_index(drop=True)


def run_length_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Select what answers the question from `summary_table`: the arms on unchanged labels.

    Their AUROC against both sources, and the wrong labels that they repeat; a panel for each.
    """
    shown = ["auroc_expert", "auroc_report", *(f"wrong_{part}" for part in _PARTS)]
    curves = table[(table["labels_flipped"] == 0) & table["measure"].isin(shown)]
    is_auroc = curves["measure"].str.startswith("auroc")
    panel = is_auroc.map({True: "AUROC within view", False: "share of wrong labels repeated"})
    return curves.assign(panel=panel)


def curves_in_words(curves: pd.DataFrame, x: str = "epochs", group: str = "measure") -> str:
    """Describe each curve by its ends and its highest point, for who does not see the figure."""
    sentences = []
    for name, curve in curves.groupby(group, sort=False):
        by_place = curve.set_index(x)["estimate"].sort_index()
        first, last = by_place.index[[0, -1]]
        sentences.append(
            f"{WORDS.get(name, name)}: {by_place[first]:.2f} at {first:g}, "
            f"at most {by_place.max():.2f} at {by_place.idxmax():g}, "
            f"{by_place[last]:.2f} at {last:g}"
        )
    return f"Curves over {x.replace('_', ' ')}. {'; '.join(sentences)}."


def answer(arms: pd.DataFrame, difference: Estimate, lengths: tuple[int, int]) -> str:
    """Say what long runs learn by heart and what it costs.

    `arms` are those of `summary_table`, the difference is that of the AUROC against experts, short
    minus long.
    """
    short, long = lengths
    clean = _by_epochs(arms)
    learned = clean.loc[(long, "wrong_difference"), "low"] > 0
    return (
        f"{'Yes' if learned else 'No'}: {memory_finding(arms, long)} "
        f"({_percent(clean, short, 'wrong_held_out')} after {epochs_in_words(short)}). "
        f"{cost_finding(difference)}: {difference.in_words()} AUROC, {short} minus {long} epochs."
    )


def memory_finding(arms: pd.DataFrame, epochs: int) -> str:
    """Say how many wrong labels the models of a run length repeat, from `summary_table`."""
    clean = _by_epochs(arms)
    inside, outside = (_percent(clean, epochs, f"wrong_{part}") for part in _PARTS)
    return (
        f"after {epochs_in_words(epochs)} models repeat {inside} of the wrong labels that they "
        f"trained on, and {outside} of those that they did not"
    )


def cost_finding(difference: Estimate) -> str:
    """Say whether a long run scores lower against experts, from short minus long."""
    return by_side(
        *difference.interval(),
        above="Against experts the long run scores lower",
        below="Against experts the long run scores higher",
        open="What a long run costs against experts cannot be told from zero",
    )


def _by_epochs(arms: pd.DataFrame) -> pd.DataFrame:
    return arms[arms["labels_flipped"] == 0].set_index(["epochs", "measure"])


def _percent(clean: pd.DataFrame, epochs: int, measure: str) -> str:
    return f"{100 * clean.loc[(epochs, measure), 'estimate']:.0f} %"


def contrasts(
    scores: LabelScores, short_epochs: int, long_epochs: int, data: str, seeds: int
) -> list[Contrast]:
    """State the differences between a short and a long run that decide the study's claims.

    The claims are about at most 5 and at least 60 epochs; other run lengths are compared and
    decide nothing. `data` says in words which images were judged.
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
