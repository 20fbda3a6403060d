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

import warnings

import numpy as np
import torch
from numpy.typing import ArrayLike
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
        in their scale without a copy of the features for each. A feature with less than a
        ten-thousandth of its overall variance among these rows is left on its overall scale.
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
    warn_unless_converged(heads)
    return heads


def warn_unless_converged(heads: LogisticHeads) -> None:
    """Warn of problems that ended above their tolerance; on behalf of the caller's caller."""
    late = np.flatnonzero(~heads.converged)
    if late.size:
        warnings.warn(
            f"{late.size} of {heads.converged.size} problems, the first number {late[0]}, ended "
            f"above the tolerance after at most {heads.iterations[late].max()} steps (largest "
            f"gradient {heads.gradient_norms[late].max():.1e}): raise tolerance or max_iterations",
            ConvergenceWarning,
            stacklevel=3,
        )
