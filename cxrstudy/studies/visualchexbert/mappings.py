"""Students of an image model, thresholds and regressions, refitted in every resample at once.

A student is a ridge regression from report codes to an image model's score. It has few columns,
so a resample costs one small inverse, and the student without a study follows in closed form.
Weights, (n_resamples, n_rows), say how often each resample holds each row; a row is left out with
all its copies.
"""

import numpy as np
from numpy.typing import NDArray

RIDGE_PENALTY = 1.0
INVERSE_PENALTY = 1.0
"""The paper's C of the regression on the outputs."""

_TOLERANCE = 1e-8
_MAX_STEPS = 60


def with_intercept(columns: NDArray) -> NDArray[np.float64]:
    """Append a column of ones, which no penalty touches."""
    ones = np.ones((*columns.shape[:-1], 1))
    return np.concatenate([columns, ones], axis=-1).astype(np.float64)


def left_out_students(design: NDArray, scores: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Predict each row's scores by the ridge regression without that row and its copies.

    The design is (n_rows, p), its last column the intercept; scores are (n_rows, n_scores).
    Returns (n_resamples, n_rows, n_scores); exact.
    """
    gram = gram_matrices(design, weights) + _ridge(design.shape[1])
    inverse = np.linalg.inv(gram)
    cross = np.matmul((weights[:, :, None] * scores).swapaxes(1, 2), design).swapaxes(1, 2)
    fitted = np.matmul(design, np.matmul(inverse, cross))
    leverage = weights * (np.matmul(design, inverse) * design).sum(axis=-1)
    return (fitted - leverage[..., None] * scores) / (1.0 - leverage)[..., None]


def student_sums(design: NDArray, scores: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Sum what a ridge regression needs of some rows; sums of several parts can be added.

    Returns (n_resamples, p, p + n_scores).
    """
    columns = np.concatenate([design, scores], axis=1)
    products = (design[:, :, None] * columns[:, None, :]).reshape(len(design), -1)
    return (weights @ products).reshape(len(weights), design.shape[1], -1)


def students(sums: NDArray) -> NDArray[np.float64]:
    """Solve the ridge regressions of `student_sums`; (n_resamples, p, n_scores)."""
    p = sums.shape[1]
    return np.linalg.solve(sums[:, :, :p] + _ridge(p), sums[:, :, p:])


def gram_matrices(design: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Sum the weighted outer products of the rows; the design is shared or one for each resample.

    >>> gram_matrices(np.array([[1.0, 2.0]]), np.array([[3.0]])).tolist()
    [[[3.0, 6.0], [6.0, 12.0]]]
    """
    p = design.shape[-1]
    if design.ndim == 2:
        products = (design[:, :, None] * design[:, None, :]).reshape(len(design), p * p)
        return (weights @ products).reshape(len(weights), p, p)
    return np.matmul((weights[..., None] * design).swapaxes(1, 2), design)


def _ridge(p: int) -> NDArray:
    penalty = np.full(p, RIDGE_PENALTY)
    penalty[-1] = 1e-12
    return np.diag(penalty)


def _logits(design: NDArray, beta: NDArray) -> NDArray:
    return beta @ design.T if design.ndim == 2 else np.matmul(design, beta[..., None])[..., 0]


def _balanced(truth: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Let both classes carry half of the weight; 0 everywhere where one class is missing."""
    total, positive = weights.sum(axis=1), weights @ truth
    usable = (positive > 0) & (positive < total)
    own = np.where(truth == 1, positive[:, None], (total - positive)[:, None])
    own = np.where(usable[:, None], own, np.inf)
    return weights * total[:, None] / (2.0 * own)


def fit_regressions(
    design: NDArray, truth: NDArray, weights: NDArray, penalty: float = INVERSE_PENALTY
) -> NDArray[np.float64]:
    """Fit a balanced ridge logistic regression in each resample; (n_resamples, p).

    scikit-learn's ``LogisticRegression(C=penalty, class_weight="balanced")``. A resample that
    lacks a class gets an intercept of minus infinity: it calls nobody positive.
    """
    balanced = penalty * _balanced(truth, weights)
    beta = np.zeros((len(weights), design.shape[-1]))
    left = np.flatnonzero(balanced.any(axis=1))
    beta[np.setdiff1d(np.arange(len(beta)), left), -1] = -np.inf
    for _ in range(_MAX_STEPS):
        part = design if design.ndim == 2 else design[left]
        gradient, hessian = _slopes(part, truth, balanced[left], beta[left])
        wrong = np.abs(gradient).max(axis=1, initial=0.0) > _TOLERANCE
        left, gradient, hessian = left[wrong], gradient[wrong], hessian[wrong]
        if not left.size:
            return beta
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        beta[left] -= _damped(part if part.ndim == 2 else part[wrong], truth, balanced[left],
                              beta[left], step, gradient)  # fmt: skip
    raise ValueError(f"{left.size} logistic regressions did not converge")


def _slopes(design: NDArray, truth: NDArray, balanced: NDArray, beta: NDArray):
    """Gradient and Hessian of each resample's objective."""
    probability = 1.0 / (1.0 + np.exp(-_logits(design, beta)))
    slope = balanced * (probability - truth)
    gradient = slope @ design if design.ndim == 2 else np.matmul(slope[:, None], design)[:, 0]
    gradient[:, :-1] += beta[:, :-1]
    hessian = gram_matrices(design, balanced * probability * (1.0 - probability))
    diagonal = np.arange(design.shape[-1] - 1)
    hessian[:, diagonal, diagonal] += 1.0
    return gradient, hessian


def _damped(design, truth, balanced, beta, step, gradient) -> NDArray:
    """Halve steps that would raise the slope along themselves: the objective is convex."""
    scale = np.ones(len(beta))
    before = np.abs((gradient * step).sum(axis=1))
    for _ in range(20):
        candidate = beta - scale[:, None] * step
        probability = 1.0 / (1.0 + np.exp(-_logits(design, candidate)))
        slope = balanced * (probability - truth)
        trial = slope @ design if design.ndim == 2 else np.matmul(slope[:, None], design)[:, 0]
        trial[:, :-1] += candidate[:, :-1]
        far = np.abs((trial * step).sum(axis=1)) > before
        if not far.any():
            break
        scale[far] *= 0.5
    return scale[:, None] * step


def regression_classes(design: NDArray, beta: NDArray) -> NDArray[np.bool_]:
    """Call a row positive where the regression gives it more than one half."""
    return _logits(design, beta) > 0.0


def left_out_regression_classes(
    design: NDArray, truth: NDArray, weights: NDArray, penalty: float = INVERSE_PENALTY
) -> NDArray[np.bool_]:
    """Call each row by the regression without that row and its copies, one Newton step away.

    The design is (n_resamples, n_rows, p). `one_hot_logistic.left_out_classes` is the same for
    one-hot codes: without the row the classes are balanced with other weights, too.
    """
    beta = fit_regressions(design, truth, weights, penalty)
    balanced = _balanced(truth, weights)
    probability = 1.0 / (1.0 + np.exp(-_logits(design, beta)))
    slope, curve = penalty * balanced * (probability - truth), probability * (1.0 - probability)
    hessian = gram_matrices(design, penalty * balanced * curve)
    diagonal = np.arange(design.shape[-1] - 1)
    hessian[:, diagonal, diagonal] += 1.0
    towards = np.matmul(design, np.linalg.inv(hessian))
    leverage = (towards * design).sum(axis=-1)
    positive = truth == 1
    # How far each class's gradient moves each row's logit.
    moved = [
        np.matmul(towards, np.matmul((slope * part)[:, None], design)[:, 0, :, None])[..., 0]
        for part in (~positive, positive)
    ]
    own_moved, other_moved = (np.where(positive, *pair) for pair in (moved[::-1], moved))
    total, events = weights.sum(axis=1, keepdims=True), (weights @ truth)[:, None]
    in_class = np.where(positive, events, total - events)
    other = 1.0 - weights / total
    remaining = in_class - weights
    own = np.divide(other * in_class, remaining, out=np.zeros_like(remaining), where=remaining > 0)
    share = penalty * balanced * own
    change = (own - 1.0) * own_moved + (other - 1.0) * other_moved
    change -= share * (probability - truth) * leverage
    return _logits(design, beta) - change / (1.0 - share * curve * leverage) > 0.0


def exact_left_out_regression_classes(
    design: NDArray, truth: NDArray, penalty: float = INVERSE_PENALTY
) -> NDArray[np.bool_]:
    """Call each row of one sample, (n_rows, p), by the regression refitted without that row."""
    beta = fit_regressions(design, truth, 1.0 - np.eye(len(design)), penalty)
    return (design * beta).sum(axis=1) > 0.0


def youden_thresholds(outputs: NDArray, truth: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Find each resample's output with the highest Youden index; rows at or above are positive.

    The highest of several; infinite where the resample lacks a class.
    """
    falling, order, closes = _falling(outputs)
    drawn = np.take_along_axis(weights, order, axis=1)
    hits, alarms = _called(drawn, truth[order])
    events, others = hits[:, -1:], alarms[:, -1:]
    # Multiplied out, so that ties are exact: hits / events - alarms / others.
    index = np.where(closes, hits * others - alarms * events, -np.inf)
    best = index.argmax(axis=1)[:, None]
    chosen = np.take_along_axis(falling, best, axis=1)[:, 0]
    return np.where((events * others)[:, 0] > 0, chosen, np.inf)


def left_out_threshold_classes(
    outputs: NDArray, truth: NDArray, weights: NDArray
) -> NDArray[np.bool_]:
    """Call each row by the threshold that is best by Youden's index without it and its copies.

    Leaving a row out changes the index only at the cuts that call it. So it is called if the best
    of these beats the best of the cuts above it. Weights are whole numbers, and ties exact.
    """
    _, order, closes = _falling(outputs)
    drawn = np.take_along_axis(weights, order, axis=1).astype(np.float64)
    positive = truth[order] == 1
    hits, alarms = _called(drawn, positive)
    events, others = hits[:, -1:], alarms[:, -1:]
    called = np.zeros(drawn.shape, bool)
    for copies in np.unique(drawn[drawn > 0]):
        for is_event in (False, True):
            rows = (drawn == copies) & (positive == is_event)
            if not rows.any():
                continue
            left, right = (events - copies, others) if is_event else (events, others - copies)
            index = np.where(closes, hits * right - alarms * left, -np.inf)
            lost = -copies * right if is_event else copies * left
            above, below = _best_on_either_side(index, closes)
            called |= rows & (below + lost > above)
    found = np.empty_like(called)
    np.put_along_axis(found, order, called, axis=1)
    return found


def _falling(outputs: NDArray) -> tuple[NDArray, NDArray, NDArray[np.bool_]]:
    """Sort outputs downwards: values, rows, and which place ends a tie."""
    order = np.argsort(-outputs, axis=1, kind="stable")
    falling = np.take_along_axis(outputs, order, axis=1)
    closes = np.ones(outputs.shape, bool)
    closes[:, :-1] = falling[:, :-1] != falling[:, 1:]
    return falling, order, closes


def _called(drawn: NDArray, positive: NDArray) -> tuple[NDArray, NDArray]:
    """Count the positives and the negatives down to each place."""
    hits = np.cumsum(drawn * positive, axis=1, dtype=np.float64)
    return hits, np.cumsum(drawn, axis=1, dtype=np.float64) - hits


def _best_on_either_side(index: NDArray, closes: NDArray) -> tuple[NDArray, NDArray]:
    """Best index at the cuts that end above a place's tie, and at those that call it."""
    below = np.maximum.accumulate(index[:, ::-1], axis=1)[:, ::-1]
    reached = np.maximum.accumulate(index, axis=1)
    before = np.full(index.shape, -np.inf)
    before[:, 1:] = reached[:, :-1]
    # Within a tie no cut lies between its members: index is minus infinity there.
    return before, below
