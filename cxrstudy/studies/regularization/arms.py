"""Study 07: what a few expert images are good for, and what holding back is good for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrstudy.agreement.result import LIMITS
from cxrstudy.data.images import ImageSet
from cxrstudy.experiments.contrasts import Contrast
from cxrstudy.experiments.cross_fitting import (
    FIXED_INVERSE_PENALTY,
    INVERSE_PENALTIES,
    N_HALVES,
    WEAK_INVERSE_PENALTY,
)
from cxrstudy.experiments.image_labels import EXPERTS, REPORTS, training_labels
from cxrstudy.experiments.label_scores import LabelScores
from cxrstudy.studies.regularization.metric_optimisation import column_aurocs, optimise_auroc
from cxrstudy.vision.logistic import fit_logistic

PLAIN, SMOOTHED, DECAYED = "plain", "label_smoothing", "weight_decay"
PICKED, ENSEMBLE = "picked", "ensemble"
TUNED, TUNED_DECAYED, SCRATCH = "plain_tuned", "weight_decay_tuned", "tuned_from_scratch"
ADDED = "validation_added"

ARMS: Mapping[str, str] = {
    PLAIN: "plain",
    SMOOTHED: "label smoothing",
    DECAYED: "weight decay",
    PICKED: "picked on validation",
    ENSEMBLE: "ensemble chosen on validation",
    TUNED: "plain, then metric optimised",
    TUNED_DECAYED: "weight decay, then metric optimised",
    SCRATCH: "metric optimised from scratch",
    ADDED: "trained on validation as well",
}
"""Ways to get a classifier out of report labels and a few images that experts labeled."""

# Expert images that the paper's claims are about: CheXpert's validation set.
CLAIMED_VALIDATION = 200

_CANDIDATE_SMOOTHING: tuple[float, ...] = (0.0, 0.1, 0.3)
_EXPERT_WEIGHT = 5.0


@dataclass(frozen=True, eq=False)
class Draws:
    """Repeated draws of expert images from one half of the patients; the rest is for testing."""

    half: np.ndarray  # int64, (n_draws,): the half of each draw; models train on the other one
    validation: np.ndarray  # int64, (n_draws, n_validation): rows of the drawn images
    # Images of the half that experts read and whose patient was not drawn: bool, (n_draws, n).
    test: np.ndarray


def draw_validation(image_set: ImageSet, n_validation: int, n_draws: int, seed: int = 0) -> Draws:
    """Draw validation images, patient by patient, of those that experts read.

    `n_draws` times from each half of the patients, `n_validation` images each.
    """
    read = training_labels(image_set)[EXPERTS].notna().to_numpy()
    halves = image_set.folds(N_HALVES)
    patients = image_set.images["patient"].to_numpy()
    half_of, validation, test = [], [], []
    for half in range(N_HALVES):
        rows = np.flatnonzero(read & (halves == half))
        if len(rows) < 2 * n_validation:
            raise ValueError(
                f"half {half} has {len(rows)} images that experts read: n_validation can be "
                f"{len(rows) // 2} at most"
            )
        codes, names = pd.factorize(patients[rows])
        for draw in range(n_draws):
            rank = np.random.default_rng([seed, half, draw]).permutation(len(names))[codes]
            chosen = rows[np.argsort(rank, kind="stable")][:n_validation]
            half_of.append(half)
            validation.append(chosen)
            tested = np.isin(np.arange(len(read)), rows)
            test.append(tested & ~np.isin(patients, patients[chosen]))
    return Draws(np.array(half_of), np.array(validation), np.array(test))


def draw_table(draws: Draws, image_set: ImageSet) -> pd.DataFrame:
    """Tabulate what a draw from either half holds, on average."""
    expert = training_labels(image_set)[EXPERTS].fillna(0).to_numpy()
    table = pd.DataFrame(
        {
            "half": draws.half + 1,
            "draws": 1,
            "positive": expert[draws.validation].sum(axis=1),
            "test_images": draws.test.sum(axis=1),
            "test_positive": draws.test @ expert,
        }
    )
    means = table.groupby("half", as_index=False).mean()
    return means.assign(draws=np.bincount(draws.half))


def compare_arms(
    image_set: ImageSet, features: np.ndarray, draws: Draws, steps: int = 300
) -> dict[str, np.ndarray]:
    """Fit every arm for every draw and score the images it may use and those left for testing.

    Features of a frozen backbone have shape (n_images, n_features); `steps` are those of the
    direct optimisation.

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
    """Hide the scores of `compare_arms` that are of images an arm could use, as NaN."""
    return {arm: np.where(draws.test, scores, np.nan) for arm, scores in arms.items()}


def _heads_of_half(features, labels, training, validation, steps) -> dict[str, np.ndarray]:
    """Fit one head of each arm for each draw of a half; shape (n_draws, n_features) each."""
    n_draws = len(validation)
    report, expert = (labels[source].to_numpy() for source in (REPORTS, EXPERTS))
    grid = [(c, s) for c in INVERSE_PENALTIES for s in _CANDIDATE_SMOOTHING]
    candidates = _fit(features, np.where(training, report, np.nan), grid)
    every = {
        PLAIN: candidates[grid.index((WEAK_INVERSE_PENALTY, 0.0))],
        SMOOTHED: candidates[grid.index((WEAK_INVERSE_PENALTY, 0.1))],
        DECAYED: candidates[grid.index((FIXED_INVERSE_PENALTY, 0.0))],
    }
    found = {arm: np.repeat(head[None], n_draws, axis=0) for arm, head in every.items()}
    scores = [features[rows] @ candidates.T for rows in validation]
    judged = [expert[rows] for rows in validation]
    best = [column_aurocs(*pair).argmax() for pair in zip(scores, judged, strict=True)]
    found[PICKED] = candidates[best]
    chosen = [_greedy_ensemble(*pair) for pair in zip(scores, judged, strict=True)]
    found[ENSEMBLE] = np.array([candidates[members].mean(axis=0) for members in chosen])
    starts = {TUNED: found[PLAIN], TUNED_DECAYED: found[DECAYED], SCRATCH: 0 * found[PLAIN]}
    subsets = np.tile(validation, (len(starts), 1))
    moved = optimise_auroc(features, expert, subsets, np.concatenate([*starts.values()]), steps)
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


def _fit(features: np.ndarray, targets: np.ndarray, grid: Sequence[tuple]) -> np.ndarray:
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
    """Tabulate what each arm gains over the plain head within view, by judge (expert, report)."""
    rows = [
        {"arm": arm, "judge": source} | scores.difference(arm, PLAIN, source).row()
        for arm in ARMS
        if arm != PLAIN
        for source in ("expert", "report")
    ]
    return pd.DataFrame(rows, columns=["arm", "judge", *LIMITS, "n"])


def promise_table(
    arms: Mapping[str, np.ndarray], image_set: ImageSet, draws: Draws
) -> pd.DataFrame:
    """Compare each arm's AUROC on the images it could use with that on the test images.

    Both are means over draws, and so is their difference, the optimism; lowest and highest are
    those of single draws.
    """
    expert = training_labels(image_set)[EXPERTS].to_numpy()
    rows = []
    for arm, by_draw in arms.items():
        pairs = [
            [column_aurocs(scores[part][:, None], expert[part])[0] for part in (drawn, tested)]
            for scores, drawn, tested in zip(by_draw, draws.validation, draws.test, strict=True)
        ]
        validated, tested = np.transpose(pairs)
        optimism = validated - tested
        rows.append(
            {"arm": arm, "on_validation": validated.mean(), "on_the_test": tested.mean(),
             "optimism": optimism.mean(), "lowest": optimism.min(), "highest": optimism.max()}
        )  # fmt: skip
    return pd.DataFrame(rows)


def contrasts(scores: LabelScores, n_validation: int, data: str) -> list[Contrast]:
    """State the differences that decide the study's claims, on the images left for testing.

    The claims are about 200 expert images that could be used; `data` says in words which images
    were judged.
    """
    pairs = {
        "nlp_expert_gap.label_smoothing": (SMOOTHED, TUNED),
        "nlp_expert_gap.frozen_beats_metric": (DECAYED, TUNED_DECAYED),
    }
    return [
        Contrast(
            claim,
            f"against experts: {ARMS[held_back]} minus {ARMS[optimised]}",
            scores,
            ((1, held_back, "expert"), (-1, optimised, "expert")),
            f"{data}, {n_validation} to optimise on; RSNA's experts",
            decides=n_validation == CLAIMED_VALIDATION,
        )
        for claim, (held_back, optimised) in pairs.items()
    ]
