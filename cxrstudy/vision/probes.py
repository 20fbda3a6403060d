"""Probes: logistic regressions on frozen features that score every row without its own fold."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrstudy.vision.logistic import (
    TOLERANCE,
    Design,
    LogisticHeads,
    checked_inputs,
    checked_penalties,
)

# Errors of the logits at this tolerance are far below what tells one penalty from the next.
_SELECTION_TOLERANCE = 1e-4


@dataclass(frozen=True)
class CrossFit:
    """Out-of-fold predictions of `cross_fit`, folds in sorted order."""

    logits: NDArray[np.float64]  # [n, k]
    inverse_penalties: NDArray[np.float64]  # [folds, k], C of the head that scores each fold


def cross_fit(
    features: ArrayLike,
    targets: ArrayLike,
    folds: ArrayLike,
    inverse_penalties: ArrayLike,
    *,
    tolerance: float = TOLERANCE,
) -> CrossFit:
    """Score every row by heads that never saw its fold, penalties chosen without it as well.

    Of several penalties, each fold and target gets the one with the smallest log loss in a
    cross-validation over the *other* folds. A head for that leaves out two folds, one as the test
    fold and one for the choice; since both roles can be swapped, each pair of folds is fitted once.
    Features are standardised on each head's own rows. Rows whose target is NaN are scored but not
    trained on.
    """
    features, labels = checked_inputs(features, targets)
    candidates = np.unique(checked_penalties(inverse_penalties))
    fold_of, n_folds = _numbered(folds, len(labels), needed=2 if candidates.size == 1 else 3)
    design = Design(features, standardise=True)
    chosen = np.full((n_folds, labels.shape[1]), candidates[0])
    if candidates.size > 1:
        pairs = list(itertools.combinations(range(n_folds), 2))
        training = np.array([(fold_of != a) & (fold_of != b) for a, b in pairs])
        losses = np.zeros((n_folds, candidates.size, labels.shape[1]))
        heads = _fit_candidates(design, labels, training, candidates, tolerance)
        for (a, b), part in zip(pairs, heads, strict=True):
            for fold, judged in ((a, fold_of == b), (b, fold_of == a)):
                losses[fold] += _log_losses(labels[judged], part.scores(features[judged]))
        chosen = candidates[losses.argmin(axis=1)]
    training = fold_of != np.arange(n_folds)[:, None]
    logits = np.empty(labels.shape)
    heads = _fit_parts(design, labels, training, chosen[:, None], tolerance)
    for fold, part in enumerate(heads):
        logits[fold_of == fold] = part.scores(features[fold_of == fold])
    return CrossFit(logits, chosen)


def cross_fit_nested(
    features: ArrayLike,
    targets: ArrayLike,
    folds: ArrayLike,
    inner_folds: ArrayLike,
    inverse_penalties: ArrayLike,
    *,
    tolerance: float = TOLERANCE,
) -> CrossFit:
    """Score every row by heads that never saw its fold; inner folds of the rest choose penalties.

    For few and large folds, such as two halves. Each fold's training rows are prepared by
    themselves, since half of the rows may have quite other principal directions than all.
    """
    features, labels = checked_inputs(features, targets)
    candidates = np.unique(checked_penalties(inverse_penalties))
    fold_of, n_folds = _numbered(folds, len(labels), needed=2)
    inner_of, n_inner = _numbered(inner_folds, len(labels), needed=2)
    logits = np.empty(labels.shape)
    chosen = np.empty((n_folds, labels.shape[1]))
    for fold in range(n_folds):
        rest = fold_of != fold
        own, design = labels[rest], Design(features[rest], standardise=True)
        training = inner_of[rest] != np.arange(n_inner)[:, None]
        heads = _fit_candidates(design, own, training, candidates, tolerance)
        losses = sum(
            _log_losses(own[~rows], part.scores(features[rest][~rows]))
            for rows, part in zip(training, heads, strict=True)
        )
        chosen[fold] = candidates[losses.argmin(axis=0)]
        every = np.ones((1, len(own)), bool)
        (final,) = _fit_parts(design, own, every, chosen[fold][None, None], tolerance)
        logits[~rest] = final.scores(features[~rest])
    return CrossFit(logits, chosen)


def _fit_candidates(
    design: "Design", labels: NDArray, training: NDArray, candidates: NDArray, tolerance: float
) -> list[LogisticHeads]:
    shape = len(training), candidates.size, labels.shape[1]
    penalties = np.broadcast_to(candidates[:, None], shape)
    return _fit_parts(design, labels, training, penalties, max(tolerance, _SELECTION_TOLERANCE))


def _fit_parts(
    design: "Design", labels: NDArray, training: NDArray, penalties: NDArray, tolerance: float
) -> list[LogisticHeads]:
    """Fit all targets to each part of the rows, [parts, n]; penalties are [parts, c, targets]."""
    n_parts, n_penalties, n_targets = penalties.shape
    targets = np.tile(labels.T, (n_parts * n_penalties, 1))
    weights = np.repeat(training.astype(float), n_penalties * n_targets, axis=0)
    heads = design.solve(targets, weights, penalties.ravel(), tolerance)
    by_part = (np.split(array, n_parts) for array in (heads.coefficients, heads.intercepts))
    return [LogisticHeads(*part) for part in zip(*by_part, strict=True)]


def _log_losses(labels: NDArray, logits: NDArray) -> NDArray:
    """Sum over the rows that have a target; logits are [n, c * k], losses [c, k]."""
    logits = logits.reshape(len(labels), -1, labels.shape[1])
    return np.nansum(np.logaddexp(0.0, logits) - labels[:, None] * logits, axis=0)


def _numbered(folds: ArrayLike, n_rows: int, needed: int) -> tuple[NDArray[np.int64], int]:
    """Turn names of folds into numbers in their sorted order, and count them."""
    names, numbers = np.unique(np.asarray(folds), return_inverse=True)
    if numbers.shape != (n_rows,):
        raise ValueError(f"folds have shape {numbers.shape}: need one for each of {n_rows} rows")
    if names.size < needed:
        raise ValueError(
            f"{names.size} folds, but {needed} are needed: one to test, one to train and, for "
            "several penalties, one to choose with; cross_fit_nested chooses within the rest"
        )
    return numbers, names.size
