"""Averages over observations inside compiled kernels."""

import numpy as np

from cxrstudy.compiled import numba


@numba.njit(cache=True, error_model="numpy")
def fill_averages(values, positives, averaged, zero_undefined, length, first):
    """Fill the macro and the prevalence-weighted average from the observation rows.

    An undefined value makes the macro average undefined; it makes the weighted average undefined
    only where its weight is positive.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n_observations + 2, n_replicates)
        The last two rows are filled at ``first`` to ``first + length``.
    positives : numpy.ndarray of float64, shape (n_observations, at least length)
        Weighted truth positives: the weights.
    averaged : numpy.ndarray of bool, shape (n_observations,)
        Observations that enter the averages; without any, both are NaN.
    zero_undefined : bool
        Whether an undefined value counts as 0 instead.
    length, first : int
    """
    n_observations = averaged.size
    macro = values[n_observations, first : first + length]
    weighted = values[n_observations + 1, first : first + length]
    total = np.zeros(length)
    macro[:] = 0.0
    weighted[:] = 0.0
    members = 0
    for observation in range(n_observations):
        if not averaged[observation]:
            continue
        members += 1
        for i in range(length):
            value = values[observation, first + i]
            if zero_undefined and np.isnan(value):
                value = 0.0
            weight = positives[observation, i]
            macro[i] += value
            total[i] += weight
            weighted[i] += weight * value if weight > 0 else 0.0
    for i in range(length):
        macro[i] /= members
        weighted[i] /= total[i]
