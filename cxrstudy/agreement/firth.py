"""Firth-penalised logistic regression on one-hot codes, fast enough to refit in every replicate.

With a few hundred studies some label never occurs without the finding, and the odds ratio of an
ordinary logistic regression is then infinite. Firth adds half the log determinant of the
information to the log-likelihood, which keeps every coefficient finite and removes the leading
term of its bias. Studies with the same codes share a row of trials and successes, and like in
`cxrstudy.agreement.one_hot_logistic` the steps visit only the few codes that are set in a row.

References
----------
Firth 1993, "Bias reduction of maximum likelihood estimates", Biometrika 80. Heinze and Schemper
2002, "A solution to the problem of separation in logistic regression", Statistics in Medicine 21.
"""

import math

import numba
import numpy as np

MAX_STEPS = 200
LARGEST_STEP = 5.0
SMALLEST_STEP = 1e-12
RANK_TOLERANCE = 1e-9


@numba.njit(cache=True)
def _factorise(matrix):
    """Replace a symmetric matrix by its Cholesky factor; return its log determinant.

    Reads and writes the lower triangle only. NaN stands for a singular matrix.
    """
    log_determinant = 0.0
    for i in range(len(matrix)):
        diagonal = matrix[i, i]
        for j in range(i + 1):
            entry = matrix[i, j]
            for k in range(j):
                entry -= matrix[i, k] * matrix[j, k]
            if j < i:
                matrix[i, j] = entry / matrix[j, j]
        if not entry > RANK_TOLERANCE * diagonal:
            return np.nan
        matrix[i, i] = math.sqrt(entry)
        log_determinant += math.log(entry)
    return log_determinant


@numba.njit(cache=True)
def _invert(factor):
    """Invert the matrix of which `factor` is the Cholesky factor."""
    p = len(factor)
    root = np.zeros((p, p))
    for i in range(p):
        root[i, i] = 1.0
        for k in range(i):
            for j in range(k + 1):
                root[i, j] -= factor[i, k] * root[k, j]
        root[i, : i + 1] /= factor[i, i]
    return root.T @ root


@numba.njit(cache=True)
def _evaluate(active, successes, trials, beta, probability, factor):
    """Fill the probabilities and the factor of the information; return the penalised likelihood.

    The log-likelihood is NaN where the information is singular, so that these rows do not
    determine every coefficient.
    """
    factor[:] = 0.0
    likelihood = 0.0
    for i in range(trials.size):
        if trials[i] == 0.0:
            continue
        eta = 0.0
        for a in active[i]:
            if a < 0:
                break
            eta += beta[a]
        small = math.exp(-abs(eta))
        probability[i] = (1.0 if eta >= 0 else small) / (1.0 + small)
        likelihood += successes[i] * eta - trials[i] * (max(eta, 0.0) + math.log1p(small))
        curve = trials[i] * small / (1.0 + small) ** 2
        for a in active[i]:
            if a < 0:
                break
            for b in active[i]:
                factor[a, b] += curve
                if a == b:
                    break
    return likelihood + 0.5 * _factorise(factor)


@numba.njit(cache=True)
def _score(active, successes, trials, probability, covariance):
    """Gradient of the penalised log-likelihood.

    The penalty acts like ``leverage`` further trials, half of them successes.
    """
    score = np.zeros(len(covariance))
    for i in range(trials.size):
        if trials[i] == 0.0:
            continue
        spread = 0.0
        for a in active[i]:
            if a < 0:
                break
            for b in active[i]:
                if a == b:
                    break
                spread += 2.0 * covariance[a, b]
            spread += covariance[a, a]
        leverage = trials[i] * probability[i] * (1.0 - probability[i]) * spread
        residual = successes[i] + 0.5 * leverage - (trials[i] + leverage) * probability[i]
        for a in active[i]:
            if a < 0:
                break
            score[a] += residual
    return score


@numba.njit(cache=True)
def fit(active, successes, trials, start, tolerance):
    """Fit by Fisher scoring until the penalised score vanishes.

    Scoring alone converges linearly, because it holds the leverages fixed. A secant through the
    last two steps (Anderson's acceleration of depth one) saves a third of the steps.

    Parameters
    ----------
    active : int16 array, shape (n, m)
        From `cxrstudy.agreement.one_hot_logistic.active_columns`: ascending, intercept last.
    successes, trials : float array, shape (n,)
        Image-positive studies, and all studies, with the codes of each row.
    start : float array, shape (p + 1,)
        Coefficients to start from.
    tolerance : float
        Largest entry of the score, in studies, at which to stop.

    Returns
    -------
    beta : float array, shape (p + 1,)
        Log odds ratios, intercept last; NaN where the rows do not determine all of them, or the
        iteration does not converge.
    covariance : float array, shape (p + 1, p + 1)
        Inverse information at `beta`.
    """
    p = start.size
    undefined = np.full(p, np.nan), np.full((p, p), np.nan)
    probability = np.empty(trials.size)
    factor = np.empty((p, p))
    beta, last_beta, last_step = start.copy(), start.copy(), np.zeros(p)
    value = _evaluate(active, successes, trials, beta, probability, factor)
    for _ in range(MAX_STEPS):
        if np.isnan(value):
            return undefined
        covariance = _invert(factor)
        score = _score(active, successes, trials, probability, covariance)
        if np.max(np.abs(score)) < tolerance:
            return beta, covariance
        step = covariance @ score
        step *= min(1.0, LARGEST_STEP / np.max(np.abs(step)))
        move = step - _secant(step, step - last_step, beta - last_beta)
        last_beta, last_step = beta, step
        least = value - 1e-10 * abs(value)
        value = _evaluate(active, successes, trials, beta + move, probability, factor)
        if not value >= least:
            move = step
            value = _evaluate(active, successes, trials, beta + move, probability, factor)
        while not value >= least and np.max(np.abs(move)) > SMALLEST_STEP:
            move = 0.5 * move
            value = _evaluate(active, successes, trials, beta + move, probability, factor)
        beta = beta + move
    return undefined


@numba.njit(cache=True)
def _secant(step, step_change, beta_change):
    """Part of a step that the trend of the last two steps says is not needed."""
    length = np.dot(step_change, step_change)
    if not np.any(beta_change) or length == 0.0:
        return np.zeros(step.size)
    return np.dot(step, step_change) / length * (beta_change + step_change)


@numba.njit(cache=True, parallel=True)
def fit_replicates(active, row_of_study, images, weights, start, tolerance):
    """Fit every image observation on every set of study weights.

    Parameters
    ----------
    active : int16 array, shape (n_rows, m)
        Distinct sets of codes.
    row_of_study : int64 array, shape (n_studies,)
    images : int8 array, shape (n_observations, n_studies)
        Image labels 1 and 0.
    weights : integer array, shape (n_replicates, n_studies)
        How often each study counts.
    start : float array, shape (n_observations, p + 1)
        Coefficients to start from.
    tolerance : float
        See `fit`.

    Returns
    -------
    float array, shape (n_observations, p + 1, n_replicates)
    """
    coefficients = np.empty((start.shape[0], start.shape[1], len(weights)))
    for replicate in numba.prange(len(weights)):
        weight = weights[replicate]
        trials = np.zeros(len(active))
        successes = np.zeros((len(images), len(active)))
        for i in range(row_of_study.size):
            trials[row_of_study[i]] += weight[i]
            for k in range(len(images)):
                successes[k, row_of_study[i]] += weight[i] * images[k, i]
        for k in range(len(images)):
            beta, _ = fit(active, successes[k], trials, start[k], tolerance)
            coefficients[k, :, replicate] = beta
    return coefficients
