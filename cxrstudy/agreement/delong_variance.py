"""DeLong's variance of AUROC: an analytic check on the bootstrap."""

import numpy as np


def _midranks(values: np.ndarray) -> np.ndarray:
    """Rank each column from 1, ties at their mean rank."""
    ranks = np.empty_like(values)
    for column, target in zip(values.T, ranks.T, strict=True):
        _, group, size = np.unique(column, return_inverse=True, return_counts=True)
        target[:] = (np.cumsum(size) - (size - 1) / 2)[group]
    return ranks


def delong(truth, scores) -> tuple[np.ndarray, np.ndarray]:
    """AUROC of one or several models on the same rows, and their covariance.

    Parameters
    ----------
    truth : array-like of shape (n_rows,)
        0 or 1, without missing values.
    scores : array-like of shape (n_rows,) or (n_rows, n_models)

    Returns
    -------
    auroc : numpy.ndarray of float64, shape (n_models,)
    covariance : numpy.ndarray of float64, shape (n_models, n_models)

    Raises
    ------
    ValueError
        If a value is missing, truth is not 0 or 1, or a class has fewer than two rows.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988). Biometrics 44, 837-845.
    Sun and Xu (2014). IEEE Signal Processing Letters 21, 1389-1393 (by midranks).
    """
    labels = np.asarray(truth)
    values = np.asarray(scores, np.float64).reshape(len(labels), -1)
    positive = labels == 1
    if not np.all(positive | (labels == 0)) or np.isnan(values).any():
        raise ValueError("truth must be 0 or 1 and scores complete; drop the other rows first")
    n_positive, n_negative = positive.sum(), (~positive).sum()
    if min(n_positive, n_negative) < 2:
        raise ValueError("DeLong's variance needs two positives and two negatives")
    midrank = _midranks(values)
    wins = (midrank[positive] - _midranks(values[positive])) / n_negative
    losses = 1 - (midrank[~positive] - _midranks(values[~positive])) / n_positive
    covariance = np.cov(wins, rowvar=False) / n_positive + np.cov(losses, rowvar=False) / n_negative
    return wins.mean(axis=0), np.atleast_2d(covariance)
