"""Many ridge logistic regressions on the same features in one solve.

A sweep over penalties, labels and folds fits hundreds of heads to one feature matrix. Fitted one by
one, each step of each head reads the whole matrix from memory for two matrix-vector products.
Fitted together, the heads are the rows of one matrix and a step of all of them is two matrix
products, which run at the speed of the arithmetic.

The solver is L-BFGS, each head with its own curvature pairs, step length and end. Its initial
inverse Hessian is exact for a logistic regression whose fitted probabilities all have the same
variance: that needs one eigendecomposition of the features' covariance, which all heads share, and
saves nine steps in ten. Because a linear predictor is linear along a search direction, the line
search needs no further matrix product. Most steps run in single precision; the last ones, and the
gradients that decide about the end, in double precision.

The objective is scikit-learn's ``LogisticRegression(C=C)``, targets between 0 and 1 allowed.
"""

import itertools
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from .checks import (
    checked_features,
    checked_penalties,
    checked_targets,
    checked_weights,
    refuse_single_class,
)
from .design import Design
from .heads import LogisticHeads

TOLERANCE = 1e-6
MAX_ITERATIONS = 1000

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


def fit_logistic(
    features: ArrayLike,
    targets: ArrayLike,
    inverse_penalties: ArrayLike,
    sample_weights: ArrayLike | None = None,
    *,
    standardise: bool = False,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
    start: LogisticHeads | None = None,
    device: str | torch.device = "cpu",
) -> LogisticHeads:
    """Fit k ridge logistic regressions to the same features at once.

    Problem j minimises ``sum_i w_ij loss(y_ij, x_i b_j + a_j) + |b_j|^2 / (2 C_j)``, the objective
    of scikit-learn's ``LogisticRegression(C=C_j)``. A row takes part in some problems only where
    its target is NaN or its weight 0 in the others, so that penalties, labels and folds all become
    columns of one call.

    Parameters
    ----------
    features : float array, shape (n, d)
    targets : float array, shape (n, k)
        Classes 0 and 1, or probabilities between them (smoothed labels); NaN leaves a row out.
    inverse_penalties : float array, shape (k,) or ()
        scikit-learn's C; ``np.inf`` is not allowed.
    sample_weights : float array, shape (n,) or (n, k), optional
        How often each row counts; 0 leaves it out.
    standardise : bool
        Penalise the coefficients of features with mean 0 and variance 1 over the problem's own
        rows, with its own weights, as after scikit-learn's ``StandardScaler``. Folds thereby differ
        in their scale without a copy of the features for each.
    tolerance : float
        Largest absolute entry of the mean loss's gradient at which a problem ends, scikit-learn's
        ``tol``.
    max_iterations : int
        Steps after which a problem ends without having converged.
    start : LogisticHeads, optional
        Heads to start from, such as those of a neighbouring penalty.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    LogisticHeads

    Raises
    ------
    ValueError
        If shapes do not fit, a feature is not finite, a target lies outside [0, 1], a weight is
        negative, a penalty is not positive, or a problem's rows all have the same target.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If a problem ended above the tolerance: at `max_iterations`, or where double precision
        resolves no further descent.
    """
    table = checked_features(features)
    labels = checked_targets(targets, len(table))
    n_problems = labels.shape[1]
    weights = checked_weights(sample_weights, labels)
    penalties = checked_penalties(inverse_penalties, n_problems)
    problems = np.arange(n_problems)
    shared = np.zeros(n_problems, dtype=int) if weights.shape[1] == 1 else problems
    refuse_single_class(labels, weights, problems, shared, lambda j: f"target column {j}")
    if start is not None and start.coefficients.shape != (n_problems, table.shape[1]):
        raise ValueError(
            f"start has coefficients of shape {start.coefficients.shape}: "
            f"need {(n_problems, table.shape[1])}, one row for each target column"
        )
    design = Design(table, standardise, torch.device(device))
    heads = design.solve(
        labels, weights, problems, shared, penalties, tolerance, max_iterations, start
    )
    _warn_unless_converged(heads)
    return heads


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
    fold_names, fold_of = np.unique(np.asarray(folds), return_inverse=True)
    if fold_of.shape != (len(table),):
        raise ValueError(f"folds have shape {np.shape(folds)}: need one for each of {len(table)}")
    needed = 2 if candidates.size == 1 else 3
    if fold_names.size < needed:
        raise ValueError(
            f"{fold_names.size} folds, but {needed} are needed: "
            "one to test, one to train and, for several penalties, one to choose with"
        )
    n_folds, n_targets = fold_names.size, labels.shape[1]
    n_weights = weights.shape[1]
    design = Design(table, standardise, torch.device(device))

    def fit(left_out: list[tuple[int, ...]], choices: NDArray, accuracy: float) -> LogisticHeads:
        """Solve for (sets of left-out folds) x (penalties, targets), both in this order."""
        kept = [weights * ~np.isin(fold_of, out)[:, None] for out in left_out]
        target_of = np.tile(np.arange(n_targets), choices.size // n_targets)
        set_of = np.repeat(np.arange(len(left_out)), choices[0].size)
        weight_of = set_of * n_weights + target_of % n_weights

        def named(j: int) -> str:
            names = " and ".join(str(fold_names[f]) for f in left_out[set_of[j]])
            return f"target column {target_of[j]} without fold {names}"

        stacked = np.concatenate(kept, axis=1)
        refuse_single_class(labels, stacked, target_of, weight_of, named)
        heads = design.solve(
            labels, stacked, target_of, weight_of, choices.ravel(), accuracy, max_iterations
        )
        _warn_unless_converged(heads)
        return heads

    if candidates.size == 1:
        chosen = np.full((n_folds, n_targets), candidates[0])
    else:
        pairs = list(itertools.combinations(range(n_folds), 2))
        choices = np.tile(np.repeat(candidates, n_targets), (len(pairs), 1))
        inner = fit(pairs, choices, max(tolerance, _SELECTION_TOLERANCE))
        loss = np.zeros((n_folds, candidates.size, n_targets))
        for p, pair in enumerate(pairs):
            heads = slice(p * choices[0].size, (p + 1) * choices[0].size)
            for test, held_out in (pair, pair[::-1]):
                rows = fold_of == held_out
                logits = design.scores(inner, heads, rows).reshape(-1, candidates.size, n_targets)
                loss[test] += _log_loss(labels[rows], weights[rows], logits)
        chosen = candidates[loss.argmin(axis=1)]
    outer = fit([(f,) for f in range(n_folds)], chosen, tolerance)
    logits = np.empty(labels.shape)
    for f in range(n_folds):
        heads = slice(f * n_targets, (f + 1) * n_targets)
        logits[fold_of == f] = design.scores(outer, heads, fold_of == f)
    return CrossFit(logits, fold_names, chosen, outer)


def _warn_unless_converged(heads: LogisticHeads) -> None:
    late = np.flatnonzero(~heads.converged)
    if late.size:
        warnings.warn(
            f"{late.size} of {heads.converged.size} problems, the first number {late[0]}, ended "
            f"above the tolerance after at most {heads.iterations[late].max()} steps (largest "
            f"gradient {heads.gradient_norms[late].max():.1e}): raise tolerance or max_iterations",
            ConvergenceWarning,
            stacklevel=3,
        )


def _log_loss(labels: NDArray, weights: NDArray, logits: NDArray) -> NDArray[np.float64]:
    """Sum the log loss over rows; logits and result with penalties before targets."""
    known = weights * ~np.isnan(labels)
    loss = np.logaddexp(0.0, logits) - np.nan_to_num(labels)[:, None] * logits
    return np.einsum("nk,nck->ck", np.broadcast_to(known, labels.shape), loss)
