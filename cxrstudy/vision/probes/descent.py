"""L-BFGS for many logistic regressions side by side.

Each problem has its own curvature pairs, step length and end; the matrix products are shared.

References
----------
Nocedal and Wright 2006, "Numerical Optimization", chapter 7.2.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

_CURVATURE_PAIRS = 10
_LINE_SEARCH_STEPS = 30
_SLOPE_REDUCTION = 0.5


@dataclass
class Columns:
    """Problems that are solved side by side, one in each row.

    The mean loss is minimised: weights sum to 1. Parameters are d coefficients and the intercept.
    """

    targets: Tensor  # [k, n]
    weights: Tensor  # [k, n]
    penalties: Tensor  # [k, d + 1], curvature of the penalty; 0 for the intercept
    ridge: Tensor  # [k, 1], the same as one number
    stretch: Tensor  # [k, d], user's gradient for one unit of the internal gradient ...
    shift: Tensor  # [k, d], ... and for one unit of the intercept's gradient

    def take(self, rows: Tensor) -> "Columns":
        """Keep some problems."""
        return Columns(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to(self, dtype: torch.dtype) -> "Columns":
        """Change the precision."""
        return Columns(*(getattr(self, field.name).to(dtype) for field in fields(self)))

    def gradient_norms(self, gradient: Tensor) -> Tensor:
        """Largest absolute entry of the user's gradient, from the internal one."""
        user = self.stretch * gradient[:, :-1] + self.shift * gradient[:, -1:]
        return torch.maximum(user.abs().amax(1), gradient[:, -1].abs())


def descend(
    features: Tensor,
    eigen: tuple[Tensor, Tensor],
    columns: Columns,
    point: Tensor,
    steps: Tensor,
    floor: float,
    tolerance: float,
    max_iterations: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Minimise in the precision of the features; problems that end leave the products.

    A problem ends at the tolerance, where its gradient falls to the floor of the precision, or
    where no step improves it beyond rounding.

    Parameters
    ----------
    features : tensor, shape (n, d + 1)
        Centred features and a column of ones.
    eigen : tensors, shapes (d, d) and (d,)
        Eigenvectors and eigenvalues of the features' covariance.
    columns : Columns
        In the same precision.
    point : float64 tensor, shape (k, d + 1)
        Parameters to start from.
    steps : int64 tensor, shape (k,)
        Steps taken before.
    floor : float
        Largest absolute entry of the internal gradient at which to end.
    tolerance : float
        Largest absolute entry of the user's gradient at which to end.
    max_iterations : int
        Most steps, those before included.

    Returns
    -------
    points, norms, steps : tensors
        Parameters, norms of the user's gradient and steps so far, in double precision.
    """
    points, steps = point.clone(), steps.clone()
    norms = torch.full_like(points[:, 0], torch.inf)
    active = torch.arange(len(points), device=points.device)
    point = point.to(features.dtype)
    predictor = point @ features.T
    pairs = _CurvaturePairs(active)
    while True:
        probability = torch.sigmoid(predictor)
        gradient = (columns.weights * (probability - columns.targets)) @ features
        gradient += columns.penalties * point
        norm = columns.gradient_norms(gradient)
        points[active], norms[active] = point.double(), norm.double()
        pairs.note(point, gradient)
        going = (norm > tolerance) & (gradient.abs().amax(1) > floor) & ~pairs.exhausted
        going &= steps[active] < max_iterations
        if not going.any():
            return points, norms, steps
        if not going.all():
            active, columns = active[going], columns.take(going)
            point, predictor, gradient = point[going], predictor[going], gradient[going]
            probability = probability[going]
            pairs.take(going)
        variance = (columns.weights * probability * (1.0 - probability)).sum(1, keepdim=True)
        initial = _equal_variance_inverse(eigen, variance, columns.ridge)
        direction = -pairs.multiply(gradient, initial)
        change = direction @ features.T
        slope = torch.linalg.vecdot(gradient, direction)
        length = _step_lengths(columns, point, direction, predictor, change, slope)
        pairs.forget(length == 0.0)
        point = torch.addcmul(point, length[:, None], direction)
        predictor = torch.addcmul(predictor, length[:, None], change)
        steps[active] += 1


def _equal_variance_inverse(
    eigen: tuple[Tensor, Tensor], variance: Tensor, ridge: Tensor
) -> Callable[[Tensor], Tensor]:
    """Inverse Hessian of a regression whose rows all have the same variance p (1 - p)."""
    basis, spectrum = eigen
    curvature = variance * spectrum + ridge

    def multiply(gradient: Tensor) -> Tensor:
        step = ((gradient[:, :-1] @ basis) / curvature) @ basis.T
        return torch.cat([step, gradient[:, -1:] / variance], 1)

    return multiply


class _CurvaturePairs:
    """The last steps of every problem and how its gradient changed along them."""

    def __init__(self, problems: Tensor) -> None:
        self._pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        self._last: tuple[Tensor, Tensor] | None = None
        self._forgotten = torch.zeros_like(problems, dtype=torch.bool)
        self.exhausted = self._forgotten

    def note(self, point: Tensor, gradient: Tensor) -> None:
        """Add the pair of the last step."""
        if self._last is not None:
            step, change = point - self._last[0], gradient - self._last[1]
            product = torch.linalg.vecdot(step, change)[:, None]
            # A step of length 0, or one lost in rounding, says nothing about the curvature.
            inverse = torch.where(product > 0, 1.0 / product, 0.0)
            inverse = torch.where(inverse.isfinite(), inverse, 0.0)
            self._pairs = [*self._pairs[1 - _CURVATURE_PAIRS :], (step, change, inverse)]
        self._last = point, gradient

    def take(self, rows: Tensor) -> None:
        """Keep some problems."""
        self._pairs = [tuple(part[rows] for part in pair) for pair in self._pairs]
        self._last = self._last[0][rows], self._last[1][rows]
        self._forgotten = self._forgotten[rows]

    def forget(self, stuck: Tensor) -> None:
        """Let problems that cannot move try without pairs; give up those that did."""
        self.exhausted = stuck & self._forgotten
        self._forgotten = stuck
        if stuck.any():
            self._pairs = [
                (step, change, inverse.masked_fill(stuck[:, None], 0.0))
                for step, change, inverse in self._pairs
            ]

    def multiply(self, gradient: Tensor, initial: Callable[[Tensor], Tensor]) -> Tensor:
        """Multiply by the approximate inverse Hessian: the two-loop recursion."""
        vector, shares = gradient.clone(), []
        for step, change, inverse in reversed(self._pairs):
            share = inverse * torch.linalg.vecdot(step, vector)[:, None]
            vector.addcmul_(share, change, value=-1.0)
            shares.append(share)
        vector = initial(vector)
        for (step, change, inverse), share in zip(self._pairs, reversed(shares), strict=True):
            excess = share - inverse * torch.linalg.vecdot(change, vector)[:, None]
            vector.addcmul_(excess, step)
        return vector


def _step_lengths(
    columns: Columns,
    point: Tensor,
    direction: Tensor,
    predictor: Tensor,
    change: Tensor,
    first_slope: Tensor,
) -> Tensor:
    """Minimise every problem along its direction, roughly, by Newton steps within a bracket.

    The loss is convex, so that the sign of its slope says on which side the minimum lies. A length
    will do once it halves the slope and does not raise the loss by more than rounding.

    Returns
    -------
    tensor, shape (k,)
        0 where no length will do: there rounding is all that is left to improve.
    """
    bend = columns.penalties * direction
    penalty_slope = torch.linalg.vecdot(bend, point)
    penalty_curvature = torch.linalg.vecdot(bend, direction)
    rounding = 100.0 * torch.finfo(point.dtype).eps

    def loss(at: Tensor, length: Tensor) -> Tensor:
        # The difference of two large numbers would lose the small losses of confident rows.
        size = at.abs()
        wrong = torch.where(at > 0, 1.0 - columns.targets, columns.targets)
        rows = torch.linalg.vecdot(columns.weights, torch.exp(-size).log1p_().addcmul_(size, wrong))
        return rows + length * (penalty_slope + 0.5 * length * penalty_curvature)

    length = torch.ones_like(first_slope)
    low, high = torch.zeros_like(length), torch.full_like(length, torch.inf)
    first_loss = loss(predictor, low)
    for _ in range(_LINE_SEARCH_STEPS):
        at = torch.addcmul(predictor, length[:, None], change)
        probability = torch.sigmoid(at)
        pull = columns.weights * change
        slope = (pull * (probability - columns.targets)).sum(1)
        slope += penalty_slope + length * penalty_curvature
        will_do = (slope.abs() <= _SLOPE_REDUCTION * first_slope.abs()) & (first_slope < 0)
        will_do &= loss(at, length) <= first_loss + rounding * first_loss.abs()
        if will_do.all():
            break
        curvature = (pull * change * probability * (1.0 - probability)).sum(1) + penalty_curvature
        low = torch.where(slope < 0, length, low)
        high = torch.where(slope < 0, high, length)
        newton = length - slope / curvature
        middle = torch.where(high.isinf(), 2.0 * length, 0.5 * (low + high))
        inside = (newton > low) & (newton < high)
        length = torch.where(will_do, length, torch.where(inside, newton, middle))
    return torch.where(will_do, length, 0.0)
