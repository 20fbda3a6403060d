"""Features, targets, weights, penalties and folds that fit together, each fault named."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_features(features: ArrayLike) -> NDArray:
    """Return features as a table of single or double precision, shape (n, d)."""
    table = np.asarray(features)
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(f"features have shape {table.shape}: need (rows, features), not empty")
    if table.dtype not in (np.float32, np.float64):
        table = table.astype(np.float64)
    finite = np.isfinite(table)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"features row {row}, column {column} is {table[row, column]}: "
            "drop the row or repair the feature"
        )
    return table


def checked_targets(targets: ArrayLike, n_rows: int) -> NDArray[np.float64]:
    """Return targets in [0, 1], NaN where there is none, shape (n, k)."""
    labels = np.asarray(targets, dtype=np.float64)
    if labels.ndim != 2 or len(labels) != n_rows or labels.shape[1] == 0:
        raise ValueError(f"targets have shape {labels.shape}: need ({n_rows}, problems)")
    outside = (labels < 0) | (labels > 1)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise ValueError(
            f"targets row {row}, column {column} is {labels[row, column]}: "
            "need a number in [0, 1], or NaN to leave the row out"
        )
    return labels


def checked_weights(sample_weights: ArrayLike | None, labels: NDArray) -> NDArray[np.float64]:
    """Return weights of shape (n, 1) or (n, k)."""
    if sample_weights is None:
        return np.ones((len(labels), 1))
    weights = np.asarray(sample_weights, dtype=np.float64)
    if weights.shape not in ((len(labels),), labels.shape):
        raise ValueError(
            f"sample_weights have shape {weights.shape}: need {(len(labels),)} or {labels.shape}"
        )
    weights = weights.reshape(len(labels), -1)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"sample_weights row {row}, column {column} is {weights[row, column]}: "
            "need a finite number, 0 or above"
        )
    return weights


def checked_penalties(values: ArrayLike, n_problems: int | None) -> NDArray[np.float64]:
    """Return C of each problem, or the list as it is where no number of problems is given."""
    penalties = np.asarray(values, dtype=np.float64)
    if n_problems is not None and penalties.shape not in ((), (n_problems,)):
        raise ValueError(
            f"inverse_penalties have shape {penalties.shape}: "
            f"need one, or one for each of the {n_problems} target columns"
        )
    wrong = ~(np.isfinite(penalties) & (penalties > 0))
    if penalties.size == 0 or wrong.any():
        raise ValueError(f"inverse_penalties are {values}: need finite numbers above 0")
    return penalties if n_problems is None else np.broadcast_to(penalties, (n_problems,))


def checked_folds(folds: ArrayLike, n_rows: int, needed: int) -> tuple[NDArray, NDArray[np.int64]]:
    """Return the distinct folds, sorted, and the number of each row's fold."""
    names, fold_of = np.unique(np.asarray(folds), return_inverse=True)
    if fold_of.shape != (n_rows,):
        raise ValueError(f"folds have shape {np.shape(folds)}: need one for each of {n_rows} rows")
    if names.size < needed:
        raise ValueError(
            f"{names.size} folds, but {needed} are needed: one to test, one to train and, for "
            "several penalties, one to choose with; cross_fit_nested chooses within the rest"
        )
    return names, fold_of


def refuse_single_class(
    labels: NDArray,
    weights: NDArray,
    target_of: NDArray,
    weight_of: NDArray,
    named: Callable[[int], str],
) -> None:
    """Refuse problems whose intercept alone would fit, without bound for classes 0 or 1."""
    for j, (target, weight) in enumerate(zip(target_of, weight_of, strict=True)):
        seen = labels[(weights[:, weight] > 0) & ~np.isnan(labels[:, target]), target]
        if seen.size == 0:
            raise ValueError(f"{named(j)} has no rows: every target is NaN or has weight 0")
        if seen.min() == seen.max():
            raise ValueError(
                f"{named(j)} has {seen.size} rows, all with target {seen[0]:g}: "
                "a logistic regression needs two classes; leave the column out"
            )
