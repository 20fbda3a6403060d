"""Firth-penalised logistic regression on one-hot codes, fast enough to refit in every replicate.

With a few hundred studies some label never occurs without the finding, and the odds ratio of an
ordinary logistic regression is then infinite. Firth adds half the log determinant of the
information to the log-likelihood, which keeps every coefficient finite and removes the leading
term of its bias. Studies with the same codes share a row of trials and successes, and like in
`one_hot_logistic` the steps visit only the few codes that are set in a row.

References
----------
Firth 1993, "Bias reduction of maximum likelihood estimates", Biometrika 80. Heinze and Schemper
2002, "A solution to the problem of separation in logistic regression", Statistics in Medicine 21.
"""

import math

import numpy as np

from cxrstudy.compiled import numba

MAX_STEPS = 200
LARGEST_STEP = 5.0
SMALLEST_STEP = 1e-12
RANK_TOLERANCE = 1e-9

# The inner loops of both routines add a multiple of one row to another: they run along memory, and
# need no library, whose threads would wait for each other inside ours.


@numba.njit(cache=True)
def _factorise(matrix):
    """Replace a symmetric matrix by R with R'R = matrix; return its log determinant.

    Reads and writes the upper triangle only. NaN stands for a singular matrix.
    """
    p = len(matrix)
    log_determinant = 0.0
    diagonal = np.diag(matrix).copy()
    for k in range(p):
        pivot = matrix[k, k]
        if not pivot > RANK_TOLERANCE * diagonal[k]:
            return np.nan
        log_determinant += math.log(pivot)
        scale = 1.0 / math.sqrt(pivot)
        for j in range(k, p):
            matrix[k, j] *= scale
        for i in range(k + 1, p):
            multiple = matrix[k, i]
            for j in range(i, p):
                matrix[i, j] -= multiple * matrix[k, j]
    return log_determinant


@numba.njit(cache=True)
def _invert(factor):
    """Invert the matrix of which `factor` is the upper factor."""
    p = len(factor)
    root = np.zeros((p, p))
    inverse = np.zeros((p, p))
    for i in range(p):
        root[i, i] = 1.0
        for k in range(i):
            multiple = factor[k, i]
            for j in range(k + 1):
                root[i, j] -= multiple * root[k, j]
        for j in range(i + 1):
            root[i, j] /= factor[i, i]
    for k in range(p):
        for i in range(k + 1):
            multiple = root[k, i]
            for j in range(i + 1):
                inverse[i, j] += multiple * root[k, j]
    for i in range(p):
        for j in range(i):
            inverse[j, i] = inverse[i, j]
    return inverse


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
                factor[b, a] += curve
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

    ``successes`` and ``trials`` count the image-positive studies, and all studies, with the codes
    of each row. ``tolerance`` is the largest entry of the score, in studies, at which to stop.
    Returns the log odds ratios, intercept last, and the inverse information; NaN where the rows
    do not determine all of them, or the iteration does not converge.
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

    ``active`` holds the distinct sets of codes and ``row_of_study`` which of them a study has;
    ``images`` has shape (n_observations, n_studies) and ``weights`` (n_replicates, n_studies).
    Coefficients have shape (n_observations, p + 1, n_replicates).
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
