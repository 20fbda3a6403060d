"""Study 07: what a few expert images are good for, and what holding back is good for."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cxrstudy.agreement.result import LIMITS
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.contrasts import Contrast
from cxrstudy.experiments.cross_fitting import N_HALVES
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS, training_labels
from cxrstudy.experiments.label_scores import LabelScores
from cxrstudy.experiments.penalties import (
    FIXED_INVERSE_PENALTY,
    INVERSE_PENALTIES,
    WEAK_INVERSE_PENALTY,
)
from cxrstudy.studies.regularization.metric_optimisation import column_aurocs, optimise_auroc
from cxrstudy.studies.regularization.validation_draws import Draws
from cxrstudy.vision.probes import fit_logistic

PLAIN, SMOOTHED, DECAYED = "plain", "label smoothing", "weight decay"
TUNED, TUNED_DECAYED = "plain, then metric optimised", "weight decay, then metric optimised"
SCRATCH = "metric optimised from scratch"
PICKED, ENSEMBLE = "picked on validation", "ensemble chosen on validation"
ADDED = "trained on validation as well"
ARMS: tuple[str, ...] = (
    PLAIN, SMOOTHED, DECAYED, PICKED, ENSEMBLE, TUNED, TUNED_DECAYED, SCRATCH, ADDED,
)  # fmt: skip
"""Ways to get a classifier out of report labels and a few images that experts labeled."""

ARM, CHOOSER = "arm", "chooser of checkpoints"
"""Kinds of rows of `summary_table`."""

CLAIMED_VALIDATION = 200
"""Expert images that the paper's claims are about: CheXpert's validation set."""

_CANDIDATE_SMOOTHING: tuple[float, ...] = (0.0, 0.1, 0.3)
_EXPERT_WEIGHT = 5.0


def compare_arms(
    image_set: ImageSet, features: np.ndarray, draws: Draws, steps: int = 300
) -> dict[str, np.ndarray]:
    """Fit every arm for every draw and score the images it may use and those left for testing.

    Parameters
    ----------
    image_set : ImageSet
    features : ndarray, shape (n_images, n_features)
        Of a frozen backbone.
    draws : Draws
    steps : int
        Of the direct optimisation.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_draws, n_images)
        By arm, in the order of `ARMS`; NaN outside a draw's own and its test images.
    """
    labels = training_labels(image_set)
    found = {arm: np.full(draws.test.shape, np.nan) for arm in ARMS}
    for half in range(N_HALVES):
        numbers = np.flatnonzero(draws.half == half)
        training = image_set.folds(N_HALVES) != half
        scaled = _standardised(features, training)
        weights = _heads_of_half(scaled, labels, training, draws.validation[numbers], steps)
        for arm, heads in weights.items():
            scores = (scaled @ heads.T).T
            for number, values in zip(numbers, scores, strict=True):
                shown = draws.test[number].copy()
                shown[draws.validation[number]] = True
                found[arm][number, shown] = values[shown]
    return found


def on_test_images(arms: Mapping[str, np.ndarray], draws: Draws) -> dict[str, np.ndarray]:
    """Hide the scores of the images that an arm could use.

    Parameters
    ----------
    arms : mapping of str to ndarray, shape (n_draws, n_images)
    draws : Draws

    Returns
    -------
    dict of str to ndarray of float64, shape (n_draws, n_images)
        NaN outside a draw's test images.
    """
    return {arm: np.where(draws.test, scores, np.nan) for arm, scores in arms.items()}


def _heads_of_half(
    features: np.ndarray,
    labels: pd.DataFrame,
    training: np.ndarray,
    validation: np.ndarray,
    steps: int,
) -> dict[str, np.ndarray]:
    """Fit one head of each arm for each draw of a half; shape (n_draws, n_features) each."""
    n_draws = len(validation)
    report, expert = (labels[source].to_numpy() for source in (REPORTS, EXPERTS))
    grid = [(c, s) for c in INVERSE_PENALTIES for s in _CANDIDATE_SMOOTHING]
    candidates = _fit(features, np.where(training, report, np.nan), grid)
    plain = candidates[grid.index((WEAK_INVERSE_PENALTY, 0.0))]
    every = {
        PLAIN: plain,
        SMOOTHED: candidates[grid.index((WEAK_INVERSE_PENALTY, 0.1))],
        DECAYED: candidates[grid.index((FIXED_INVERSE_PENALTY, 0.0))],
    }
    found = {arm: np.repeat(head[None], n_draws, axis=0) for arm, head in every.items()}
    aurocs = np.array(
        [column_aurocs(features[rows] @ candidates.T, expert[rows]) for rows in validation]
    )
    found[PICKED] = candidates[aurocs.argmax(axis=1)]
    found[ENSEMBLE] = np.array(
        [candidates[_greedy_ensemble(features[rows] @ candidates.T, expert[rows])].mean(axis=0)
         for rows in validation]
    )  # fmt: skip
    starts = {TUNED: found[PLAIN], TUNED_DECAYED: found[DECAYED], SCRATCH: 0 * found[PLAIN]}
    moved = optimise_auroc(
        features,
        expert,
        np.tile(validation, (len(starts), 1)),
        np.concatenate([*starts.values()]),
        steps,
    )
    found |= dict(zip(starts, np.split(moved, len(starts)), strict=True))
    found[ADDED] = _with_experts(features, report, expert, training, validation)
    return found


def _with_experts(features, report, expert, training, validation) -> np.ndarray:
    """Train on report labels of one half and, with more weight, on the drawn expert labels."""
    targets = np.repeat(np.where(training, report, np.nan)[:, None], len(validation), axis=1)
    weights = np.ones(targets.shape)
    for column, rows in enumerate(validation):
        targets[rows, column] = expert[rows]
        weights[rows, column] = _EXPERT_WEIGHT
    penalties = np.full(len(validation), FIXED_INVERSE_PENALTY)
    return fit_logistic(features, targets, penalties, weights).coefficients


def _fit(
    features: np.ndarray, targets: np.ndarray, grid: Sequence[tuple[float, float]]
) -> np.ndarray:
    """Fit one head for each penalty and smoothing in one solve; shape (n_grid, n_features)."""
    smoothed = [targets * (1 - smoothing) + smoothing / 2 for _, smoothing in grid]
    penalties = [penalty for penalty, _ in grid]
    return fit_logistic(features, np.column_stack(smoothed), penalties).coefficients


def _standardised(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Scale features by the mean and spread of the training rows."""
    part = np.asarray(features[training], float)
    spread = part.std(axis=0)
    return ((features - part.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)


def _greedy_ensemble(scores: np.ndarray, positive: np.ndarray, size: int = 10) -> list[int]:
    """Add the candidate that helps most, again and again, with replacement.

    References
    ----------
    Caruana et al. 2004. Ensemble selection from libraries of models. ICML.
    """
    chosen: list[int] = []
    total = np.zeros((len(scores), 1))
    for _ in range(size):
        best = int(column_aurocs(total + scores, positive).argmax())
        chosen.append(best)
        total = total + scores[:, [best]]
    return chosen


def gain_table(scores: LabelScores) -> pd.DataFrame:
    """Tabulate what each arm gains over the plain head, within view.

    Parameters
    ----------
    scores : LabelScores
        Of what `compare_arms` returned.

    Returns
    -------
    DataFrame
        Tidy: columns arm, judge (experts or report labels), estimate, low, high, n.
    """
    rows = [
        {"arm": arm, "judge": words} | scores.difference(arm, PLAIN, source).row()
        for arm in ARMS
        if arm != PLAIN
        for source, words in (("expert", "experts"), ("report", "report labels"))
    ]
    return pd.DataFrame(rows, columns=["arm", "judge", *LIMITS, "n"])


def promise_table(
    arms: Mapping[str, np.ndarray], image_set: ImageSet, draws: Draws
) -> pd.DataFrame:
    """Compare each arm's score on the images it could use with its score on the test images.

    Parameters
    ----------
    arms : mapping of str to ndarray, shape (n_draws, n_images)
        Scores of the drawn and of the test images.
    image_set : ImageSet
    draws : Draws

    Returns
    -------
    DataFrame
        Columns arm, on validation and on the test (AUROC, means over draws), optimism (their
        difference), its lowest and highest value over single draws.
    """
    expert = training_labels(image_set)[EXPERTS].to_numpy()
    rows = []
    for arm, by_draw in arms.items():
        pairs = np.array(
            [
                [column_aurocs(scores[part][:, None], expert[part])[0] for part in (drawn, tested)]
                for scores, drawn, tested in zip(by_draw, draws.validation, draws.test, strict=True)
            ]
        )
        optimism = pairs[:, 0] - pairs[:, 1]
        validated, tested = pairs.mean(axis=0)
        rows.append(
            {"arm": arm, "on validation": validated, "on the test": tested,
             "optimism": optimism.mean(), "lowest": optimism.min(), "highest": optimism.max()}
        )  # fmt: skip
    return pd.DataFrame(rows)


def summary_table(scores: LabelScores, gains: pd.DataFrame, choices: pd.DataFrame) -> pd.DataFrame:
    """Put arms and choosers into one tidy table, to be recorded.

    Parameters
    ----------
    scores : LabelScores
    gains : DataFrame
        From `gain_table`.
    choices : DataFrame
        From `choose_checkpoints`, with a column judged on.

    Returns
    -------
    DataFrame
        Columns kind (arm, or chooser of checkpoints), row, measure, estimate, low, high, n.
    """
    auroc = scores.summary().rename(columns={"method": "row"})
    against = gains.query("judge == 'experts'")
    against = against.assign(row=against["arm"], measure="gain over plain, experts")
    kept = choices[
        choices["outcome"].isin(["regret", "gain over a random choice", "rank correlation"])
    ]
    chosen = kept.assign(
        row="chosen by " + kept["chosen by"] + ", " + kept["judged on"],
        measure=kept["outcome"],
    )
    arms = pd.concat([auroc, against]).assign(kind=ARM)
    columns = ["kind", "row", "measure", "estimate", "low", "high", "n"]
    return pd.concat([arms, chosen.assign(kind=CHOOSER)])[columns].reset_index(drop=True)


def recorded_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Select what answers the study's question: what each use of expert labels gains.

    Parameters
    ----------
    table : DataFrame
        From `summary_table`.

    Returns
    -------
    DataFrame
        Gains of arms over the plain head, and of choosers over a random checkpoint.
    """
    return table[table["measure"].isin(["gain over plain, experts", "gain over a random choice"])]


def contrasts(scores: LabelScores, n_validation: int, data: str) -> list[Contrast]:
    """State the differences that decide the study's claims.

    Parameters
    ----------
    scores : LabelScores
        Of what `compare_arms` returned, on the images left for testing.
    n_validation : int
        Expert images that could be used. The claims are about 200.
    data : str
        Which images, in words.

    Returns
    -------
    list of Contrast
    """
    pairs = {
        "nlp_expert_gap.label_smoothing": (SMOOTHED, TUNED),
        "nlp_expert_gap.frozen_beats_metric": (DECAYED, TUNED_DECAYED),
    }
    return [
        Contrast(
            claim,
            f"against experts: {held_back} minus {optimised}",
            scores,
            ((1, held_back, "expert"), (-1, optimised, "expert")),
            f"{data}, {n_validation} to optimise on; RSNA's experts",
            decides=n_validation == CLAIMED_VALIDATION,
        )
        for claim, (held_back, optimised) in pairs.items()
    ]
