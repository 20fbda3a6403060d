"""How often each class of a finding occurs, and the weights that follow from it."""

import numpy as np


def class_frequencies(targets: np.ndarray) -> np.ndarray:
    """Return the fraction of each class among the hard labels of each finding.

    Parameters
    ----------
    targets : ndarray, shape (n_reports, n_findings, 3)
        Probabilities; NaN where the teacher gave no answer.

    Returns
    -------
    ndarray of float64, shape (n_findings, 3)
        Each count is taken one higher, so that no class is impossible.
    """
    answered = ~np.isnan(targets).any(axis=-1)
    hard = np.where(answered, np.nan_to_num(targets).argmax(axis=-1), -1)
    counts = 1.0 + (hard[..., None] == np.arange(targets.shape[-1])).sum(axis=0)
    return counts / counts.sum(axis=-1, keepdims=True)


def square_root_weights(frequencies: np.ndarray) -> np.ndarray:
    """Weigh classes by one over the square root of their frequency.

    A finding of one report in a hundred would otherwise hardly move the student; weights of one
    over the frequency itself would let a handful of reports decide.

    Parameters
    ----------
    frequencies : ndarray, shape (n_findings, 3)

    Returns
    -------
    ndarray of float32, shape (n_findings, 3)
        Scaled so that the mean weight over a finding's reports is 1.
    """
    weights = frequencies**-0.5
    scale = (frequencies * weights).sum(axis=-1, keepdims=True)
    return (weights / scale).astype(np.float32)
