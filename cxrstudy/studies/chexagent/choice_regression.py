"""Conditional logistic regression: which of its own options each question's inputs speak for.

Every option names labels, and scores ``sum over its labels of (x w_label + b_label)``; a softmax
over the question's own options makes that its probability. With equal options this is the
multinomial regression. With sets of labels it is the log odds of the set's members; taking those of
the others off would only double it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.model_selection import GroupKFold

_N_INNER = 3  # folds that choose the penalty
# Variance that intercepts may have. It keeps finite the one of a label that is never right.
_INTERCEPT_VARIANCE = 100.0
_GRADIENT_TOLERANCE = 1e-6  # of the mean loss
_SELECTION_TOLERANCE = 1e-4

Names = list[list[tuple[str, ...]]]
"""Of each question's options, the labels."""


@dataclass(frozen=True)
class Options:
    """Which labels each option of each question names."""

    names: NDArray[np.float64]  # (n_questions, n_options, n_labels), 1 or 0
    missing: NDArray[np.bool_]  # (n_questions, n_options), where a question has fewer options

    @classmethod
    def of(cls, names: Names, labels: Sequence[str]) -> Self:
        """Mark the labels; one that was in no option learned from has no weight."""
        column = {label: place for place, label in enumerate(labels)}
        marked = np.zeros((len(names), max(map(len, names)), len(labels)))
        missing = np.ones(marked.shape[:2], bool)
        for row, of_item in enumerate(names):
            missing[row, : len(of_item)] = False
            for place, of_option in enumerate(of_item):
                marked[row, place, [column[label] for label in of_option if label in column]] = 1.0
        return cls(marked, missing)

    def of_rows(self, rows: NDArray) -> "Options":
        """Keep some questions."""
        return Options(self.names[rows], self.missing[rows])

    def log_likelihoods(self, scores: NDArray) -> NDArray[np.float64]:
        """Turn scores of labels, (n_questions, n_labels), into log-probabilities of options."""
        of_options = np.matmul(self.names, scores[:, :, None])[:, :, 0]
        return log_softmax(np.where(self.missing, -np.inf, of_options), axis=1)


@dataclass(frozen=True)
class Heads:
    """Fitted weights, one row for each label."""

    labels: list[str]
    coefficients: NDArray[np.float64]  # (n_labels, n_inputs)
    intercepts: NDArray[np.float64]  # (n_labels,)

    def scores(self, inputs: NDArray) -> NDArray[np.float64]:
        """Score every label on inputs, (n_questions, n_inputs)."""
        return inputs @ self.coefficients.T + self.intercepts


class Design:
    """Standardised inputs in their principal directions: n questions have no more than n of them.

    A ridge regression has the same solution there, and steps along them need not be many.
    """

    def __init__(self, inputs: NDArray[np.float64]) -> None:
        self.mean, deviation = inputs.mean(0), inputs.std(0)
        self.scale = np.where(deviation > 0, deviation, 1.0)
        rows = (inputs - self.mean) / self.scale
        wide = rows.shape[1] > len(rows)
        spectrum, basis = eigh(rows @ rows.T if wide else rows.T @ rows)
        spanned = spectrum > spectrum[-1] * max(rows.shape) * np.finfo(float).eps
        self.variance = spectrum[spanned] / len(rows)
        self.basis = basis[:, spanned]
        if wide:
            self.basis = rows.T @ (self.basis / np.sqrt(spectrum[spanned]))
        self.rows = rows @ self.basis

    def solve(
        self,
        options: Options,
        answers: NDArray,
        inverse_penalty: float,
        chosen: NDArray,
        start: NDArray | None,
        tolerance: float,
    ) -> NDArray[np.float64]:
        """Fit some rows; weights in the principal directions, the intercept last, per label."""
        rows, n_labels = self.rows[chosen], options.names.shape[2]
        penalty = np.full(rows.shape[1] + 1, 1 / (inverse_penalty * len(rows)))
        penalty[-1] = 1 / (_INTERCEPT_VARIANCE * len(rows))
        # About the curvature of the loss.
        unit = 1 / np.sqrt(np.append(self.variance, 1.0) / (2 * n_labels) + penalty)
        right = np.take_along_axis(options.names, answers[:, None, None], axis=1)[:, 0]
        places = np.arange(len(rows)), answers

        def loss_and_slope(flat: NDArray) -> tuple[float, NDArray]:
            weights = flat.reshape(n_labels, -1) * unit
            found = options.log_likelihoods(rows @ weights[:, :-1].T + weights[:, -1])
            expected = np.einsum("iof,io->if", options.names, np.exp(found))
            residual = (expected - right) / len(rows)
            slope = np.column_stack([residual.T @ rows, residual.sum(0)]) + penalty * weights
            loss = -found[places].mean() + 0.5 * (penalty * weights**2).sum()
            return loss, (slope * unit).ravel()

        first = np.zeros((n_labels, len(unit))) if start is None else start / unit
        limits = {"maxiter": 1000, "maxfun": 2000, "gtol": tolerance, "ftol": 0.0}
        result = minimize(
            loss_and_slope, first.ravel(), jac=True, method="L-BFGS-B", options=limits
        )
        if np.abs(result.jac).max() > 10 * tolerance:
            raise ArithmeticError(f"no solution within {result.nit} steps: {result.message}")
        return result.x.reshape(n_labels, -1) * unit

    def scores(self, weights: NDArray, chosen: NDArray) -> NDArray[np.float64]:
        """Score every label on some rows, with weights as `solve` gives them."""
        return self.rows[chosen] @ weights[:, :-1].T + weights[:, -1]

    def heads(self, weights: NDArray, labels: list[str]) -> Heads:
        """Undo directions and scale."""
        coefficients = weights[:, :-1] @ self.basis.T / self.scale
        return Heads(labels, coefficients, weights[:, -1] - coefficients @ self.mean)


def fit_heads(
    inputs: NDArray[np.float64],
    names: Names,
    answers: NDArray[np.intp],
    groups: Sequence[str],
    inverse_penalties: Sequence[float],
) -> tuple[float, Heads]:
    """Fit a regression; of several penalties, folds of groups choose one, which is returned."""
    labels = sorted({label for row in names for of_option in row for label in of_option})
    options, design = Options.of(names, labels), Design(inputs)
    best = inverse_penalties[0]
    if len(inverse_penalties) > 1:
        losses = np.zeros(len(inverse_penalties))
        for learned, judged in GroupKFold(_N_INNER).split(groups, groups=groups):
            start = None
            for which, penalty in enumerate(inverse_penalties):
                start = design.solve(
                    options.of_rows(learned), answers[learned], penalty, learned, start,
                    _SELECTION_TOLERANCE,
                )  # fmt: skip
                found = options.of_rows(judged).log_likelihoods(design.scores(start, judged))
                losses[which] -= found[np.arange(len(judged)), answers[judged]].sum()
        best = inverse_penalties[int(losses.argmin())]
    every = np.arange(len(answers))
    found = design.solve(options, answers, best, every, None, _GRADIENT_TOLERANCE)
    return best, design.heads(found, labels)
