"""Fitted heads: coefficients of many logistic regressions."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class LogisticHeads:
    """Fitted logistic regressions, one for each problem.

    Attributes
    ----------
    coefficients : float64 array, shape (k, d)
        Log odds ratios for one unit of each feature as it was passed, also where the problem was
        solved on standardised features.
    intercepts : float64 array, shape (k,)
    iterations : int64 array, shape (k,)
        Steps taken.
    converged : bool array, shape (k,)
        Whether the gradient fell to the tolerance.
    gradient_norms : float64 array, shape (k,)
        Largest absolute entry of the mean loss's gradient, penalty included: scikit-learn's
        criterion for ``tol``. With ``standardise``, the gradient for standardised features.
    """

    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    gradient_norms: NDArray[np.float64]

    def scores(self, features: ArrayLike) -> NDArray[np.float64]:
        """Logits of rows under every head.

        Parameters
        ----------
        features : array, shape (n, d)

        Returns
        -------
        float64 array, shape (n, k)
        """
        return np.asarray(features, dtype=np.float64) @ self.coefficients.T + self.intercepts


def join_heads(parts: Sequence[LogisticHeads]) -> LogisticHeads:
    """Put heads of several solves into one collection, in their order.

    Parameters
    ----------
    parts : sequence of LogisticHeads

    Returns
    -------
    LogisticHeads
    """
    joined = (
        np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(LogisticHeads)
    )
    return LogisticHeads(*joined)
