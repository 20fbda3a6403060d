"""Many ridge logistic regressions on the same features, in one solve.

Together the heads of a sweep are the rows of one matrix, and a step of all of them is two matrix
products, at the speed of the arithmetic. The sum of all losses is minimised by SciPy's L-BFGS. Of
each head's Hessian only the variance of the rows, p (1 - p), is unknown beforehand; with that of
the prevalence in its place the inverse is known from the eigenvectors of the features' covariance.
A change of variables by its square root leaves well-conditioned problems: ten to thirty steps.
A head of few rows is solved by itself, in the directions in which its rows vary.
"""

import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from scipy.optimize import OptimizeResult, minimize
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

TOLERANCE = 1e-6
"""Largest entry of the gradient at which a solve ends, as scikit-learn's ``tol``: of the mean loss
of a head, penalty included, for features scaled to variance 1."""

MAX_STEPS = 1000

# Newton steps that may follow; each squares what is left of the gradient.
_NEWTON_STEPS = 3
_STEPS_USED_UP = 1  # status of SciPy's L-BFGS
# Heads that are solved together. More would drive the logits out of the processor's cache.
_BLOCK = 32
# Of so many rows a feature, and fewer, the directions are found faster than the steps are made.
_FEW_ROWS = 0.5
# Share of a feature's variance over all rows. Standardising what has less would magnify a few odd
# values a hundredfold.
_LEAST_VARIANCE = 1e-4


@dataclass(frozen=True)
class LogisticHeads:
    """Fitted logistic regressions, one for each problem."""

    coefficients: NDArray[np.float64]  # [k, d], for one unit of each feature as it was passed
    intercepts: NDArray[np.float64]  # [k]

    def scores(self, features: ArrayLike) -> NDArray[np.float64]:
        """Logits of rows under every head, shape (n, k)."""
        return np.asarray(features, np.float64) @ self.coefficients.T + self.intercepts


def fit_logistic(
    features: "ArrayLike | Design",
    targets: ArrayLike,
    inverse_penalties: ArrayLike,
    sample_weights: ArrayLike | None = None,
    *,
    standardise: bool = False,
    tolerance: float = TOLERANCE,
    device: str = "auto",
) -> LogisticHeads:
    """Fit k ridge logistic regressions to the same features at once.

    Problem j minimises ``sum_i w_ij loss(y_ij, x_i b_j + a_j) + |b_j|^2 / (2 C_j)``, the objective
    of scikit-learn's ``LogisticRegression(C=C_j)``. Targets [n, k] are classes or probabilities
    between them; NaN leaves a row out. Weights are [n] or [n, k], C is [k] or one number.

    With `standardise` the penalty is on coefficients of features with mean 0 and variance 1 over
    the problem's own rows, as after scikit-learn's ``StandardScaler``; a feature that hardly varies
    among them keeps its overall scale.

    A `Design` in place of the features spares preparing them again and again; it knows whether to
    standardise, and on which device.
    """
    given = features.raw if isinstance(features, Design) else features
    given, labels = checked_inputs(given, targets)
    design = features if isinstance(features, Design) else Design(given, standardise, device)
    weights = np.ones(labels.shape) if sample_weights is None else np.asarray(sample_weights, float)
    if weights.shape == labels.shape[:1]:
        weights = np.repeat(weights[:, None], labels.shape[1], axis=1)
    if weights.shape != labels.shape or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(
            f"sample_weights of shape {weights.shape} must be finite, not negative, and have shape "
            f"{labels.shape[:1]} or {labels.shape}"
        )
    penalties = checked_penalties(inverse_penalties)
    if penalties.shape not in ((), (labels.shape[1],)):
        raise ValueError(f"give one, or one for each of the {labels.shape[1]} columns of targets")
    penalties = np.broadcast_to(penalties, labels.shape[1])
    return design.solve(labels.T, weights.T, penalties, tolerance)


class Design:
    """Features centred, scaled and with eigenvectors: other variables of the same problems."""

    def __init__(self, features: NDArray, standardise: bool, device: str = "auto") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.raw, self.standardise, self.device = features, standardise, device
        table = torch.tensor(features, dtype=torch.float64, device=device)
        self.mean = table.mean(0)
        table -= self.mean
        variance = table.square().mean(0)
        if not standardise:
            variance = variance.mean().expand_as(variance)
        self.scale = torch.where(variance > 0, variance, 1.0).sqrt()
        self.features = table / self.scale
        covariance = self.features.T @ self.features / len(table)
        # SciPy's solver also converges where most features are constant; torch's may not.
        spectrum, basis = (table.new_tensor(part) for part in eigh(covariance.cpu().numpy()))
        self.spectrum, self.basis = spectrum.clamp(min=0.0), basis

    def part(self, rows: NDArray[np.bool_]) -> "Design":
        """Select rows; scale and eigenvectors stay those of all, which changes no solution."""
        part = copy(self)
        part.raw, part.features = self.raw[rows], self.features[torch.from_numpy(rows)]
        return part

    def solve(
        self, targets: NDArray, weights: NDArray, inverse_penalties: NDArray, tolerance: float
    ) -> LogisticHeads:
        """Solve k problems, one in each row of targets and weights, [k, n]."""
        _refuse_single_class(targets, weights)
        heads = LogisticHeads(np.empty((len(targets), self.mean.numel())), np.empty(len(targets)))
        # Problems with about the same penalty need about the same number of steps.
        order = np.argsort(inverse_penalties, kind="stable")
        learned = (weights > 0) & ~np.isnan(targets)
        few = learned.sum(1) < self.mean.numel() * _FEW_ROWS
        blocks = [np.array([problem]) for problem in np.flatnonzero(few)]
        order = order[~few[order]]
        blocks += [order[first : first + _BLOCK] for first in range(0, len(order), _BLOCK)]
        largest = 0.0
        for block in blocks:
            rows = learned[block].any(0)
            known = np.ix_(block, rows)
            parts = (targets[known], weights[known], inverse_penalties[block, None])
            tensors = [torch.tensor(part, device=self.device) for part in parts]
            part = self if rows.all() else self.part(rows)
            solve = part._solve_in_row_space if few[block[0]] else part._solve_block
            coefficients, intercepts, norm = solve(*tensors, tolerance)
            coefficients = coefficients / self.scale
            heads.coefficients[block] = coefficients.cpu()
            heads.intercepts[block] = (intercepts[:, 0] - coefficients @ self.mean).cpu()
            largest = max(largest, norm)
        if largest > tolerance:
            warnings.warn(
                f"logistic regressions ended at a gradient of {largest:.1e}, above the tolerance "
                f"of {tolerance:.1e}: raise it, or penalise more",
                ConvergenceWarning,
                stacklevel=3,
            )
        return heads

    def _solve_block(
        self, targets: Tensor, weights: Tensor, inverse_penalties: Tensor, tolerance: float
    ) -> tuple[Tensor, Tensor, float]:
        """Coefficients of the scaled features, intercepts [k, 1], and the largest gradient."""
        weights = torch.where(targets.isnan(), 0.0, weights)
        targets = targets.nan_to_num()
        total = weights.sum(1, keepdim=True)
        weights = weights / total
        # Of the penalty, [k, d].
        curvature = self._units(weights).square() / (inverse_penalties * total)
        prevalence = (weights * targets).sum(1, keepdim=True)
        variance = prevalence * (1.0 - prevalence)
        root = (variance * self.spectrum + curvature.mean(1, keepdim=True)).rsqrt()

        def parameters(point: Tensor) -> tuple[Tensor, Tensor]:
            return (root * point[:, :-1]) @ self.basis.T, point[:, -1:] / variance.sqrt()

        def loss(coefficients: Tensor, intercepts: Tensor) -> Tensor:
            logits = coefficients @ self.features.T + intercepts
            rows = binary_cross_entropy_with_logits(logits, targets, weights, reduction="sum")
            return rows + 0.5 * (curvature * coefficients.square()).sum()

        point = torch.cat([torch.zeros_like(root), prevalence.logit() * variance.sqrt()], 1)
        point, norm = _minimise(loss, parameters, point, tolerance)
        return *parameters(point), norm

    def _solve_in_row_space(
        self, targets: Tensor, weights: Tensor, inverse_penalties: Tensor, tolerance: float
    ) -> tuple[Tensor, Tensor, float]:
        """Solve one problem where its rows span fewer dimensions than the features do.

        In its own units its penalty is the same in all directions, and no solution leaves the span
        of its rows. Among their principal components it is a small problem, solved as any other.
        """
        units = self._units(weights / weights.sum())
        rows = self.features / units
        mean = rows.mean(0)
        rows = rows - mean
        spectrum, basis = (rows.new_tensor(part) for part in eigh((rows @ rows.T).cpu().numpy()))
        spanned = spectrum > spectrum[-1] * len(rows) * torch.finfo(spectrum.dtype).eps
        root, basis = spectrum[spanned].sqrt(), basis[:, spanned]
        small = copy(self)
        small.standardise, small.scale = False, torch.ones_like(root)
        small.features, small.spectrum = basis * root, root.square() / len(rows)
        small.basis = torch.eye(len(root), dtype=root.dtype, device=root.device)
        found, intercepts, norm = small._solve_block(targets, weights, inverse_penalties, tolerance)
        coefficients = (found / root) @ (basis.T @ rows)
        return coefficients / units, intercepts - coefficients @ mean[:, None], norm

    def _units(self, weights: Tensor) -> Tensor:
        """Say what each problem's penalty takes as one unit of a scaled feature, [k, d]."""
        if not self.standardise:
            return (1.0 / self.scale).expand(len(weights), -1)
        variance = weights @ self.features.square() - (weights @ self.features).square()
        return torch.where(variance > _LEAST_VARIANCE, variance, 1.0).sqrt()


def _minimise(
    loss: Callable[[Tensor, Tensor], Tensor],
    parameters: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor,
    tolerance: float,
) -> tuple[Tensor, float]:
    """Minimise over points, until the gradient by the parameters they stand for is small."""
    norm = np.inf

    def value_and_slope(flat: NDArray) -> tuple[float, NDArray]:
        nonlocal norm
        point = start.new_tensor(flat).view_as(start).requires_grad_()
        found = parameters(point)
        value = loss(*found)
        slope, *gradients = torch.autograd.grad(value, (point, *found))
        norm = max(float(gradient.abs().max()) for gradient in gradients)
        return value.item(), slope.cpu().numpy().ravel()

    def stop_if_small(intermediate_result: OptimizeResult) -> None:
        if norm <= tolerance:
            raise StopIteration

    options = {"maxiter": MAX_STEPS, "maxfun": 10 * MAX_STEPS, "ftol": 0.0, "gtol": 0.0}
    result = minimize(
        value_and_slope, start.cpu().numpy().ravel(), jac=True, method="L-BFGS-B",
        callback=stop_if_small, options=options,
    )  # fmt: skip
    flat = result.x
    _, slope = value_and_slope(flat)
    # L-BFGS ends where rounding hides a fall of the loss, at a gradient of some 1e-8. Newton's
    # steps look at the gradient alone.
    for _ in range(_NEWTON_STEPS if result.status != _STEPS_USED_UP else 0):
        if norm <= tolerance:
            break
        flat = flat + _newton_step(loss, parameters, start.new_tensor(flat).view_as(start), slope)
        _, slope = value_and_slope(flat)
    return start.new_tensor(flat).view_as(start), norm


def _newton_step(loss, parameters, point: Tensor, slope: NDArray) -> NDArray:
    """Solve for the step by conjugate gradients, with products of the Hessian only."""
    point = point.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(*parameters(point)), point, create_graph=True)

    def times_hessian(direction: NDArray) -> NDArray:
        along = point.new_tensor(direction).view_as(point)
        (product,) = torch.autograd.grad(gradient, point, along, retain_graph=True)
        return product.cpu().numpy().ravel()

    hessian = LinearOperator((slope.size, slope.size), times_hessian, dtype=np.float64)
    return cg(hessian, -slope, rtol=1e-6)[0]


def checked_inputs(features: ArrayLike, targets: ArrayLike) -> tuple[NDArray, NDArray[np.float64]]:
    """Return features [n, d] without gaps and targets [n, k] in [0, 1] or NaN."""
    features = check_array(features, dtype=(np.float64, np.float32), input_name="features")
    labels = check_array(
        targets, dtype=np.float64, ensure_all_finite="allow-nan", input_name="targets"
    )
    if len(labels) != len(features):
        raise ValueError(f"{len(labels)} rows of targets do not fit {len(features)} of features")
    outside = (labels < 0) | (labels > 1)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise ValueError(
            f"targets row {row}, column {column} is {labels[row, column]}: need a number in "
            "[0, 1], or NaN to leave the row out"
        )
    return features, labels


def checked_penalties(values: ArrayLike) -> NDArray[np.float64]:
    """Return penalties that are finite and positive."""
    penalties = np.asarray(values, np.float64)
    if not (np.isfinite(penalties) & (penalties > 0)).all():
        raise ValueError(f"inverse_penalties are {values}: need finite numbers above 0")
    return penalties


def _refuse_single_class(targets: NDArray, weights: NDArray) -> None:
    """Refuse problems whose intercept would grow without bound, [k, n]."""
    positive, negative = (np.nansum(weights * part, axis=1) for part in (targets, 1.0 - targets))
    lacking = np.flatnonzero((positive == 0) | (negative == 0))
    if lacking.size:
        rows = int(((weights[lacking[0]] > 0) & ~np.isnan(targets[lacking[0]])).sum())
        raise ValueError(
            f"problem {lacking[0]} of {len(targets)} trains on {rows} rows of one class: a "
            "logistic regression needs two; leave the column out, or choose other folds"
        )
