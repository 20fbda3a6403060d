"""Choose among the moments of many runs: by expert images, by report labels, by training loss.

The tables hold both halves of the patients; the half, 1 or 2, is the one that is predicted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from cxrstudy.agreement.resampling import DEFAULT_RESAMPLING, Resampling
from cxrstudy.agreement.result import LIMITS, Estimate
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.cross_fitting import N_HALVES, CrossFitted, logged_epochs
from cxrstudy.experiments.image_labels import lung_opacity_labels
from cxrstudy.experiments.label_scores import LabelScores
from cxrstudy.experiments.model_selection import choose_by_criteria, set_thresholds
from cxrstudy.experiments.opacity_scores import OPACITY_WORDS
from cxrstudy.studies.regularization.arms import ARMS, DECAYED, TUNED_DECAYED
from cxrstudy.studies.regularization.metric_optimisation import column_aurocs
from cxrstudy.words import by_side, in_sentence

CHOOSERS: Mapping[str, str] = {
    "expert_labels": "expert labels",
    "report_labels": "report labels",
    "training_loss": "training loss",
}
"""What a checkpoint can be chosen by."""

# Outcome of a choice to the measure that is compared with the arms'.
_MEASURES: Mapping[str, str] = {
    "gain over a random choice": "gain_over_random",
    "regret": "regret",
    "rank correlation": "rank_correlation",
}

WORDS: Mapping[str, str] = {
    **OPACITY_WORDS,
    **ARMS,
    **CHOOSERS,
    **{
        f"{chooser}_{half}": f"chosen by {words}, half {half}"
        for chooser, words in CHOOSERS.items()
        for half in range(1, N_HALVES + 1)
    },
    "gain_over_plain": "gain over plain, experts",
    "gain_over_random": "gain over a random choice",
    "rank_correlation": "rank correlation",
    "youden": "Youden index",
    "f1": "F1",
}
"""Keys of the study's tables to what the page says for them."""


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """Models of one half of the patients, each at some moment of its training."""

    # By checkpoint, the logit of one image for each patient of the other half that experts read:
    # (n_patients, 1); and the labels of these images.
    scores: dict[str, pd.DataFrame]
    expert: pd.DataFrame
    report: pd.DataFrame
    # Training loss of each checkpoint; flipped labels count as they were trained on.
    losses: pd.Series
    finished: list[str]  # the checkpoints that are the end of a run on unchanged labels


def gather_checkpoints(
    trained: Mapping[str, CrossFitted], image_set: ImageSet
) -> dict[int, Checkpoints]:
    """Collect logged moments of all runs by the half, 1 or 2, whose images they did not train on.

    One image of each patient stands for it, so that a patient is never on both sides of a split.
    """
    return {half + 1: _of_half(trained, image_set, half) for half in range(N_HALVES)}


def _of_half(trained: Mapping[str, CrossFitted], image_set: ImageSet, half: int) -> Checkpoints:
    labels = lung_opacity_labels(image_set, "rsna")
    inside = pd.Series(image_set.folds(N_HALVES) == half, image_set.images.index)
    labels = labels[inside[labels.index]].groupby("patient").head(1)
    rows = image_set.images.index.get_indexer(labels.index)
    scores, losses, finished = {}, {}, []
    for name, fitted in trained.items():
        for number in range(fitted.arm.seeds):
            for epoch in logged_epochs(fitted.arm.config.epochs):
                key = f"{name}, seed {number}, after {epoch}"
                values = fitted.held_out[number, epoch - 1, rows].astype(float)
                scores[key] = pd.DataFrame({"opacity": values}, labels.index)
                losses[key] = float(fitted.losses[number, 1 - half, epoch - 1])
            if not fitted.arm.label_noise:
                finished.append(key)
    expert, report = (
        labels[[source]].set_axis(["opacity"], axis=1) for source in ("expert", "report")
    )
    return Checkpoints(scores, expert, report, pd.Series(losses), finished)


def spread_table(halves: Mapping[int, Checkpoints]) -> pd.DataFrame:
    """Say how different the checkpoints' AUROCs are: a compass needs places that differ."""
    rows = []
    for half, checkpoints in halves.items():
        scores = np.column_stack([table["opacity"] for table in checkpoints.scores.values()])
        aurocs = column_aurocs(scores, checkpoints.expert["opacity"].to_numpy())
        rows.append(
            {"half": half, "checkpoints": len(aurocs), "images": len(scores),
             "worst": aurocs.min(), "median": np.median(aurocs), "best": aurocs.max()}
        )  # fmt: skip
    return pd.DataFrame(rows)


def compass_table(
    halves: Mapping[int, Checkpoints], size: int, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Say what choosing a checkpoint by each of `CHOOSERS` is worth on other patients.

    A split's `size` patients choose and the others judge. Columns are outcome (see `OUTCOMES` of
    `cxrstudy.experiments.model_selection`), estimate, low, high, n, chosen_by and half.
    """

    def choose(found: Checkpoints) -> pd.DataFrame:
        by = dict(zip(CHOOSERS, (found.expert, found.report, -found.losses), strict=True))
        chosen = choose_by_criteria(found.expert, found.scores, [size], by, resampling=resampling)
        tables = [each.table().assign(chosen_by=name) for name, each in chosen.items()]
        return pd.concat(tables).drop(columns="size")

    return _by_half(halves, choose)


def compass_rows(compass: pd.DataFrame) -> pd.DataFrame:
    """Keep what is compared of `compass_table`; row names chooser and half, measure the outcome."""
    table = compass.assign(
        row=compass["chosen_by"] + "_" + compass["half"].astype(str),
        measure=compass["outcome"].map(_MEASURES),
    )
    return table.dropna(subset="measure").reset_index(drop=True)


def threshold_table(
    halves: Mapping[int, Checkpoints], size: int, resampling: Resampling = DEFAULT_RESAMPLING
) -> pd.DataFrame:
    """Say what tuning a threshold on `size` patients is worth on the others.

    Of each rule and metric (youden, f1): the score of the finished runs minus that of the
    threshold at the prevalence.
    """

    def tune(found: Checkpoints) -> pd.DataFrame:
        # Scores are log odds.
        probabilities = {name: expit(found.scores[name]) for name in found.finished}
        table = set_thresholds(found.expert, probabilities, [size], resampling=resampling).table()
        table = table[table["outcome"].str.contains(" - ")].drop(columns="size")
        parts = table["outcome"].str.extract(r"(?P<metric>\w+), (?P<rule>.+) - ")
        return table.drop(columns="outcome").join(parts)

    return _by_half(halves, tune)


def _by_half(
    halves: Mapping[int, Checkpoints], make: Callable[[Checkpoints], pd.DataFrame]
) -> pd.DataFrame:
    tables = [make(found).assign(half=half) for half, found in halves.items()]
    return pd.concat(tables, ignore_index=True)


def summary_table(scores: LabelScores, gains: pd.DataFrame, compass: pd.DataFrame) -> pd.DataFrame:
    """Put arms and choosers into one tidy table.

    Columns are kind (arm, chooser), row, measure, estimate, low, high and n.
    """
    auroc = scores.summary().rename(columns={"method": "row"})
    against = gains.query("judge == 'expert'").rename(columns={"arm": "row"})
    arms = pd.concat([auroc, against.assign(measure="gain_over_plain")]).assign(kind="arm")
    joined = pd.concat([arms, compass_rows(compass).assign(kind="chooser")])
    return joined[["kind", "row", "measure", *LIMITS, "n"]].reset_index(drop=True)


def gains_of_uses(table: pd.DataFrame) -> pd.DataFrame:
    """Select from `summary_table` what each use of expert labels gains."""
    return table[table["measure"].isin(["gain_over_plain", "gain_over_random"])]


def answer(table: pd.DataFrame, difference: Estimate) -> str:
    """Say what the expert images are good for, from `summary_table`.

    The difference is that of the AUROC against experts, weight decay minus the same head after its
    metric was optimised on the expert images.
    """
    rows = table.set_index(["row", "measure"])

    def gains(chooser: str) -> str:
        halves = _gained(table, chooser).itertuples()
        return " and ".join(in_sentence(half, sign="+", level="") for half in halves)

    before, after = (
        f"{rows.loc[(arm, 'auroc_expert'), 'estimate']:.3f}" for arm in (DECAYED, TUNED_DECAYED)
    )
    helps = (_gained(table, "expert_labels")["low"] > 0).all()
    hurts = difference.interval()[0] > 0
    return (
        f"{'To choose with' if helps else 'Not clearly to choose with'}, "
        f"{'not' if hurts else 'and not clearly'} to optimise on. A checkpoint that they choose "
        f"scores {gains('expert_labels')} AUROC above a random one in the two halves of the "
        f"patients; report labels of the same images give {gains('report_labels')}. Optimising "
        f"the metric on them takes a head from {before} to {after}; it was better before by "
        f"{difference.in_words()}."
    )


def chooser_finding(table: pd.DataFrame) -> str:
    """Say which choosers beat a random choice in both halves, from `summary_table`."""
    better = [words for key, words in CHOOSERS.items() if (_gained(table, key)["low"] > 0).all()]
    return f"In both halves {' and '.join(better) or 'nothing'} chose better than chance"


def optimising_finding(difference: Estimate) -> str:
    """Say what optimising the metric did to a decayed head, from before minus after."""
    return by_side(
        *difference.interval(),
        above="Weight decay scores higher than weight decay with an optimised metric",
        below="Weight decay scores lower than weight decay with an optimised metric",
        open="Optimising the metric changes a decayed head by no more than chance",
    )


def arm_finding(gains: pd.DataFrame) -> str:
    """Say what weight decay gains, which sees no expert label, and what any arm does at most."""
    by_arm = gains[gains["judge"] == "expert"].set_index("arm")["estimate"]
    return (
        f"Weight decay, which sees no expert label, gains {by_arm[DECAYED]:.3f} over plain, and no "
        f"arm more than {by_arm.max():.3f}"
    )


def _gained(table: pd.DataFrame, chooser: str) -> pd.DataFrame:
    keys = [(f"{chooser}_{half}", "gain_over_random") for half in range(1, N_HALVES + 1)]
    return table.set_index(["row", "measure"]).loc[keys]


def gains_in_words(gains: pd.DataFrame, *names: str) -> str:
    """List gains by a table's columns, row and measure, for who does not see the figure."""
    labels = gains[list(names or ("row", "measure"))].agg(", ".join, axis=1)
    pairs = zip(labels, gains["estimate"], strict=True)
    return "; ".join(f"{label}: {estimate:+.2f}" for label, estimate in pairs) + "."
