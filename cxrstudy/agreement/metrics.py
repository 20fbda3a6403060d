"""Agreement metrics of a weighted 2x2 table, each defined once.

A table is described by four counts: complete pairs ``n``, truth positives ``p``, predicted
positives ``q`` and true positives ``tp``.  Counts may be weighted.

A metric is *undefined* (NaN) exactly when its denominator is zero:

============  ===================================================
f1            neither truth nor prediction has a positive
precision     no predicted positive
recall        no truth positive
specificity   no truth negative
kappa         both are constant and equal
mcc           truth or prediction is constant
youden        truth is constant
accuracy      there is no complete pair
============  ===================================================

``undefined="zero"`` replaces NaN by 0, which is scikit-learn's ``zero_division=0`` for F1,
precision and recall and its fixed convention for MCC.
"""

import numpy as np

from cxrstudy.compiled import numba

COUNT_METRICS = (
    "f1",
    "precision",
    "recall",
    "specificity",
    "kappa",
    "mcc",
    "youden",
    "accuracy",
)
"""Metrics of a 2x2 table; the position of a name is its code inside compiled kernels."""

_jit = numba.njit(cache=True, error_model="numpy", inline="always")


@_jit
def _f1(n, p, q, tp):
    return 2.0 * tp / (p + q)


@_jit
def _precision(n, p, q, tp):
    return tp / q


@_jit
def _recall(n, p, q, tp):
    return tp / p


@_jit
def _specificity(n, p, q, tp):
    return (n - p - q + tp) / (n - p)


@_jit
def _kappa(n, p, q, tp):
    return 1.0 - n * (p + q - 2.0 * tp) / (p * (n - q) + q * (n - p))


@_jit
def _mcc(n, p, q, tp):
    return (n * tp - p * q) / (np.sqrt(p * (n - p)) * np.sqrt(q * (n - q)))


@_jit
def _youden(n, p, q, tp):
    return tp / p + (n - p - q + tp) / (n - p) - 1.0


@_jit
def _accuracy(n, p, q, tp):
    return (n - p - q + 2.0 * tp) / n


@numba.njit(cache=True, error_model="numpy")
def evaluate_counts(code, n, p, q, tp, length, out, first):
    """Write the metric with this code for ``length`` tables to ``out[first:]``.

    The branch stands outside the loops so that each loop is vectorised.

    Parameters
    ----------
    code : int
        Position in `COUNT_METRICS`.
    n, p, q, tp : numpy.ndarray of float64
        Counts of each table.
    length : int
    out : numpy.ndarray of float64
    first : int
    """
    if code == 0:
        for i in range(length):
            out[first + i] = _f1(n[i], p[i], q[i], tp[i])
    elif code == 1:
        for i in range(length):
            out[first + i] = _precision(n[i], p[i], q[i], tp[i])
    elif code == 2:
        for i in range(length):
            out[first + i] = _recall(n[i], p[i], q[i], tp[i])
    elif code == 3:
        for i in range(length):
            out[first + i] = _specificity(n[i], p[i], q[i], tp[i])
    elif code == 4:
        for i in range(length):
            out[first + i] = _kappa(n[i], p[i], q[i], tp[i])
    elif code == 5:
        for i in range(length):
            out[first + i] = _mcc(n[i], p[i], q[i], tp[i])
    elif code == 6:
        for i in range(length):
            out[first + i] = _youden(n[i], p[i], q[i], tp[i])
    else:
        for i in range(length):
            out[first + i] = _accuracy(n[i], p[i], q[i], tp[i])


def count_metric(metric: str, n, positives, predicted, true_positives, undefined: str = "nan"):
    """Evaluate a count metric on one table or arrays of tables.

    Parameters
    ----------
    metric : str
        One of `COUNT_METRICS`.
    n, positives, predicted, true_positives : float or array-like
        Complete pairs, truth positives, predicted positives and true positives; broadcast.
    undefined : {"nan", "zero"}
        What an undefined value becomes.

    Returns
    -------
    float or numpy.ndarray

    Raises
    ------
    ValueError
        If the metric or the policy is unknown.
    """
    if metric not in COUNT_METRICS:
        raise ValueError(f"unknown count metric {metric!r}; choose from {COUNT_METRICS}")
    if undefined not in ("nan", "zero"):
        raise ValueError(f"undefined must be 'nan' or 'zero', got {undefined!r}")
    counts = np.broadcast_arrays(n, positives, predicted, true_positives)
    shape = counts[0].shape
    columns = [np.ascontiguousarray(count, float).ravel() for count in counts]
    values = np.empty(columns[0].size)
    evaluate_counts(COUNT_METRICS.index(metric), *columns, values.size, values, 0)
    if undefined == "zero":
        values = np.nan_to_num(values, nan=0.0)
    return values.reshape(shape)[()]
