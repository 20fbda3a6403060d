"""Ridge logistic regressions out of fold: every row scored by heads that never saw its fold."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from .checks import (
    checked_features,
    checked_folds,
    checked_penalties,
    checked_targets,
    checked_weights,
    refuse_single_class,
)
from .design import Design
from .heads import LogisticHeads, join_heads
from .logistic import MAX_ITERATIONS, TOLERANCE, warn_unless_converged

# Errors of the logits at this tolerance are far below what tells one penalty from the next.
_SELECTION_TOLERANCE = 1e-4


@dataclass(frozen=True)
class CrossFit:
    """Out-of-fold predictions of `cross_fit`.

    Attributes
    ----------
    logits : float64 array, shape (n, k)
        Each row scored by the head that saw neither the row's fold nor, when its penalty was
        chosen, any label of it.
    fold_names : array, shape (f,)
        The distinct folds, sorted.
    inverse_penalties : float64 array, shape (f, k)
        C of the head that scores each fold.
    heads : LogisticHeads
        The f * k heads, fold after fold.
    """

    logits: NDArray[np.float64]
    fold_names: NDArray
    inverse_penalties: NDArray[np.float64]
    heads: LogisticHeads


@dataclass(frozen=True)
class _Split:
    """Rows that some heads train without, and on which rows they help to choose for which fold."""

    left_out: NDArray[np.bool_]
    judged: tuple[tuple[int, NDArray[np.bool_]], ...]
    name: str


def cross_fit(
    features: ArrayLike,
    targets: ArrayLike,
    folds: ArrayLike,
    inverse_penalties: ArrayLike,
    sample_weights: ArrayLike | None = None,
    *,
    standardise: bool = True,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
    device: str | torch.device = "cpu",
) -> CrossFit:
    """Score every row by heads that never saw its fold, penalties chosen without it as well.

    With several penalties, each fold and target gets the one with the smallest log loss in a
    cross-validation over the *other* folds. A head for that leaves out two folds, one as the test
    fold and one for the choice; since both roles can be swapped, each pair of folds is fitted once,
    all pairs, targets and penalties in one solve. Only the chosen penalties are then fitted for the
    final heads. Features are standardised on each head's own training rows.

    Where there are too few folds for that, such as two halves, `cross_fit_nested` divides the
    training rows of each fold for the choice.

    Parameters
    ----------
    features : float array, shape (n, d)
    targets : float array, shape (n, k)
        Classes or probabilities; rows with NaN are scored but not trained on.
    folds : array, shape (n,)
        Fold of each row. Rows that belong together, such as a patient's images, share a fold.
    inverse_penalties : float array, shape (c,) or ()
        scikit-learn's C: the values to choose from, or the one to use.
    sample_weights : float array, shape (n,) or (n, k), optional
        How often each row counts, in fitting and in choosing.
    standardise, tolerance, max_iterations, device
        As for `fit_logistic`.

    Returns
    -------
    CrossFit

    Raises
    ------
    ValueError
        As `fit_logistic`; also if there are too few folds: two, or three where a penalty is to be
        chosen.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        As `fit_logistic`.
    """
    table = checked_features(features)
    labels = checked_targets(targets, len(table))
    weights = checked_weights(sample_weights, labels)
    candidates = np.unique(checked_penalties(np.atleast_1d(inverse_penalties), None))
    fold_names, fold_of = checked_folds(folds, len(table), 2 if candidates.size == 1 else 3)
    design = Design(table, standardise, torch.device(device))

    def fit(splits: list[_Split], choices: NDArray, accuracy: float) -> LogisticHeads:
        return _fit_splits(design, labels, weights, splits, choices, accuracy, max_iterations)

    chosen = np.full((fold_names.size, labels.shape[1]), candidates[0])
    if candidates.size > 1:
        splits = [*_pairs(fold_names, fold_of)]
        choices = np.tile(np.repeat(candidates, labels.shape[1]), (len(splits), 1))
        heads = fit(splits, choices, max(tolerance, _SELECTION_TOLERANCE))
        loss = _choice_losses(design, labels, weights, splits, heads, chosen.shape, candidates.size)
        chosen = candidates[loss.argmin(axis=1)]
    tests = [_Split(fold_of == f, (), f"fold {name}") for f, name in enumerate(fold_names)]
    heads = fit(tests, chosen, tolerance)
    logits = np.empty(labels.shape)
    for f, test in enumerate(tests):
        own = slice(f * labels.shape[1], (f + 1) * labels.shape[1])
        logits[test.left_out] = design.scores(heads, own, test.left_out)
    return CrossFit(logits, fold_names, chosen, heads)


def cross_fit_nested(
    features: ArrayLike,
    targets: ArrayLike,
    folds: ArrayLike,
    inner_folds: ArrayLike,
    inverse_penalties: ArrayLike,
    *,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
    device: str | torch.device = "cpu",
) -> CrossFit:
    """Score every row by heads that never saw its fold; inner folds of the rest choose penalties.

    For few and large folds, such as two halves. Each fold's training rows are prepared by
    themselves, since half of the rows may have quite other principal directions than all.

    Parameters
    ----------
    features, targets, folds
        As for `cross_fit`; features are standardised on each head's own training rows.
    inner_folds : array, shape (n,)
        Another division of the rows; rows that belong together share an inner fold too.
    inverse_penalties : float array, shape (c,)
        scikit-learn's C: the values to choose from.
    tolerance, max_iterations, device
        As for `fit_logistic`.

    Returns
    -------
    CrossFit

    Raises
    ------
    ValueError
        As `fit_logistic`; also if there are fewer than two folds or inner folds.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        As `fit_logistic`.
    """
    table = checked_features(features)
    labels = checked_targets(targets, len(table))
    candidates = np.unique(checked_penalties(np.atleast_1d(inverse_penalties), None))
    fold_names, fold_of = checked_folds(folds, len(table), 2)
    inner_names, inner_of = checked_folds(inner_folds, len(table), 2)
    logits = np.empty(labels.shape)
    chosen = np.empty((fold_names.size, labels.shape[1]))
    fitted = []
    for f, fold in enumerate(fold_names):
        training = fold_of != f
        design = Design(table[training], True, torch.device(device))
        own, weights = labels[training], np.ones((training.sum(), 1))
        splits = [
            _Split(inner_of[training] == g, ((0, inner_of[training] == g),),
                   f"fold {fold} and inner fold {name}")
            for g, name in enumerate(inner_names)
        ]  # fmt: skip
        choices = np.tile(np.repeat(candidates, labels.shape[1]), (len(splits), 1))
        accuracy = max(tolerance, _SELECTION_TOLERANCE)
        heads = _fit_splits(design, own, weights, splits, choices, accuracy, max_iterations)
        shape = (1, labels.shape[1])
        loss = _choice_losses(design, own, weights, splits, heads, shape, candidates.size)
        chosen[f] = candidates[loss[0].argmin(axis=0)]
        rest = [_Split(np.zeros(training.sum(), bool), (), f"fold {fold}")]
        final = _fit_splits(design, own, weights, rest, chosen[[f]], tolerance, max_iterations)
        logits[~training] = final.scores(table[~training])
        fitted.append(final)
    return CrossFit(logits, fold_names, chosen, join_heads(fitted))


def _pairs(fold_names: NDArray, fold_of: NDArray) -> Iterator[_Split]:
    """Leave out two folds at a time: each is the test fold once and chooses for the other."""
    for a, b in itertools.combinations(range(fold_names.size), 2):
        in_a, in_b = fold_of == a, fold_of == b
        name = f"fold {fold_names[a]} and {fold_names[b]}"
        yield _Split(in_a | in_b, ((a, in_b), (b, in_a)), name)


def _fit_splits(
    design: Design,
    labels: NDArray,
    weights: NDArray,
    splits: list[_Split],
    choices: NDArray,
    tolerance: float,
    max_iterations: int,
) -> LogisticHeads:
    """Solve for splits x (penalties, targets), in this order; choices have a row for each split."""
    n_targets, n_weights = labels.shape[1], weights.shape[1]
    stacked = np.concatenate([weights * ~split.left_out[:, None] for split in splits], axis=1)
    target_of = np.tile(np.arange(n_targets), choices.size // n_targets)
    split_of = np.repeat(np.arange(len(splits)), choices[0].size)
    weight_of = split_of * n_weights + target_of % n_weights

    def named(j: int) -> str:
        return f"target column {target_of[j]} without {splits[split_of[j]].name}"

    refuse_single_class(labels, stacked, target_of, weight_of, named)
    heads = design.solve(
        labels, stacked, target_of, weight_of, choices.ravel(), tolerance, max_iterations
    )
    warn_unless_converged(heads)
    return heads


def _choice_losses(
    design: Design,
    labels: NDArray,
    weights: NDArray,
    splits: list[_Split],
    heads: LogisticHeads,
    shape: tuple[int, int],
    n_candidates: int,
) -> NDArray[np.float64]:
    """Sum the log loss of each penalty over the rows that choose; shape (f, c, k)."""
    n_folds, n_targets = shape
    loss = np.zeros((n_folds, n_candidates, n_targets))
    width = n_candidates * n_targets
    for number, split in enumerate(splits):
        own = slice(number * width, (number + 1) * width)
        for fold, rows in split.judged:
            logits = design.scores(heads, own, rows).reshape(-1, n_candidates, n_targets)
            loss[fold] += _log_loss(labels[rows], weights[rows], logits)
    return loss


def _log_loss(labels: NDArray, weights: NDArray, logits: NDArray) -> NDArray[np.float64]:
    """Sum the log loss over rows; logits and result with penalties before targets."""
    known = weights * ~np.isnan(labels)
    loss = np.logaddexp(0.0, logits) - np.nan_to_num(labels)[:, None] * logits
    return np.einsum("nk,nck->ck", np.broadcast_to(known, labels.shape), loss)
