"""Agreement metrics of 2x2 tables, each defined once, and their averages over observations.

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
"""

import numpy as np

# Of arrays or tensors: n pairs, p positive, q called positive, tp both.
FORMULAS = {
    "f1": lambda n, p, q, tp: 2 * tp / (p + q),
    "precision": lambda n, p, q, tp: tp / q,
    "recall": lambda n, p, q, tp: tp / p,
    "specificity": lambda n, p, q, tp: (n - p - q + tp) / (n - p),
    "kappa": lambda n, p, q, tp: 1 - n * (p + q - 2 * tp) / (p * (n - q) + q * (n - p)),
    "mcc": lambda n, p, q, tp: (n * tp - p * q) / ((p * (n - p)) ** 0.5 * (q * (n - q)) ** 0.5),
    "youden": lambda n, p, q, tp: tp / p + (n - p - q + tp) / (n - p) - 1,
    "accuracy": lambda n, p, q, tp: (n - p - q + 2 * tp) / n,
}

COUNT_METRICS = tuple(FORMULAS)
"""Metrics of a 2x2 table; the position of a name is its code in arrays of metrics."""


def count_metric(metric: str, n, positives, predicted, true_positives, undefined: str = "nan"):
    """Evaluate a count metric on one table or on arrays of tables, which broadcast.

    ``undefined="zero"`` replaces NaN by 0, which is scikit-learn's ``zero_division=0`` for F1,
    precision and recall and its fixed convention for MCC.
    """
    if metric not in COUNT_METRICS:
        raise ValueError(f"unknown count metric {metric!r}; choose from {COUNT_METRICS}")
    if undefined not in ("nan", "zero"):
        raise ValueError(f"undefined must be 'nan' or 'zero', got {undefined!r}")
    counts = (np.asarray(count, float) for count in (n, positives, predicted, true_positives))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = FORMULAS[metric](*np.broadcast_arrays(*counts))
    return np.nan_to_num(values, nan=0.0) if undefined == "zero" else values


def fill_averages(values, positives, averaged, zero_undefined: bool) -> None:
    """Write the macro and the prevalence-weighted average behind the observations' values.

    An undefined value makes the macro average undefined, and the weighted one only where its
    weight is positive; with ``zero_undefined`` it counts as 0 instead.
    """
    # values: (n_methods, n_observations + 2, n_tables), the last two observations to be filled;
    # positives, the weights: (n_methods, n_observations, n_tables); averaged: (n_observations,)
    members, weights = values[:, :-2][:, averaged], positives[:, averaged]
    if zero_undefined:
        members = np.nan_to_num(members, nan=0.0)
    with np.errstate(invalid="ignore"):
        values[:, -2] = members.sum(axis=1) / averaged.sum()
        weighted = np.where(weights > 0, weights * members, 0.0)
        values[:, -1] = weighted.sum(axis=1) / weights.sum(axis=1)
