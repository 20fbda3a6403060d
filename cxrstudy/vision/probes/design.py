"""The features of many logistic regressions, prepared once for every solve on them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .descent import Columns, descend
from .heads import LogisticHeads

# Problems that are solved side by side. More would not make the matrix products faster, but would
# drive the vectors of length n_rows out of the processor's cache.
_BLOCK = 128
# Single precision resolves the gradients of centred and scaled features down to here.
_SINGLE_PRECISION_FLOOR = 1e-6
# Share of a feature's variance over all rows. Standardising what has less would magnify a few odd
# values a hundredfold, and each step of the solver would be decided by them.
_LEAST_VARIANCE = 1e-4


class Design:
    """Features prepared once for every solve on them.

    Centring and scaling are changes of variables: they leave every problem and its solution as it
    was, whichever rows take part, and only make the numbers easy to compute with.
    """

    def __init__(self, features: NDArray, standardise: bool, device: torch.device) -> None:
        self.standardise = standardise
        self.device = device
        table = torch.tensor(features, dtype=torch.float64, device=device)
        n, d = table.shape
        self.mean = table.mean(0)
        table -= self.mean
        variance = table.square().mean(0)
        if not standardise:
            variance = variance.mean().expand(d)
        self.scale = torch.where(variance > 0, variance, 1.0).sqrt()
        table /= self.scale
        self.double = torch.cat([table, torch.ones(n, 1, dtype=table.dtype, device=device)], 1)
        self.single = self.double.float()
        centred = self.single[:, :-1]
        # A covariance in single precision does, but not its eigenvectors: features that never vary
        # have many equal eigenvalues, and products with the vectors must be as precise as the
        # gradient, as small eigenvalues magnify rounding until steps no longer point downhill.
        spectrum, basis = torch.linalg.eigh((centred.T @ centred / n).double())
        self.eigen = basis, spectrum.clamp(min=0.0)

    def solve(
        self,
        labels: NDArray,
        weights: NDArray,
        target_of: NDArray,
        weight_of: NDArray,
        penalties: NDArray,
        tolerance: float,
        max_iterations: int,
        start: LogisticHeads | None = None,
    ) -> LogisticHeads:
        """Solve problem j for ``labels[:, target_of[j]]`` and ``weights[:, weight_of[j]]``."""
        n_problems, n_features = target_of.size, self.mean.numel()
        labels_by_row = torch.tensor(labels.T, device=self.device)
        weights_by_row = torch.tensor(weights.T, device=self.device)
        result = LogisticHeads(
            np.empty((n_problems, n_features)),
            np.empty(n_problems),
            np.empty(n_problems, dtype=np.int64),
            np.empty(n_problems, dtype=bool),
            np.empty(n_problems),
        )
        # Problems with the same penalty need about the same number of steps and end together.
        order = np.argsort(penalties, kind="stable")
        for first in range(0, n_problems, _BLOCK):
            block = order[first : first + _BLOCK]
            columns = self._columns(
                labels_by_row[target_of[block]],
                weights_by_row[weight_of[block]],
                torch.tensor(penalties[block], device=self.device),
            )
            point = self._start(columns, None if start is None else (start, block))
            steps = torch.zeros(block.size, dtype=torch.int64, device=self.device)
            limits = tolerance, max_iterations
            for features, floor in ((self.single, _SINGLE_PRECISION_FLOOR), (self.double, 0.0)):
                eigen = tuple(part.to(features.dtype) for part in self.eigen)
                cast = columns.to(features.dtype)
                point, norms, steps = descend(features, eigen, cast, point, steps, floor, *limits)
            coefficients = point[:, :-1] / self.scale
            result.coefficients[block] = coefficients.cpu()
            result.intercepts[block] = (point[:, -1] - coefficients @ self.mean).cpu()
            result.iterations[block] = steps.cpu()
            result.converged[block] = (norms <= tolerance).cpu()
            result.gradient_norms[block] = norms.cpu()
        return result

    def scores(self, heads: LogisticHeads, chosen: slice, rows: NDArray) -> NDArray[np.float64]:
        """Logits of some rows under some heads; shape (rows, heads)."""
        coefficients = torch.tensor(heads.coefficients[chosen], device=self.device)
        intercepts = torch.tensor(heads.intercepts[chosen], device=self.device)
        features = self.double[torch.tensor(rows, device=self.device), :-1]
        logits = features @ (coefficients * self.scale).T + (intercepts + coefficients @ self.mean)
        return logits.cpu().numpy()

    def _columns(self, targets: Tensor, weights: Tensor, inverse_penalties: Tensor) -> Columns:
        known = ~targets.isnan()
        targets = torch.where(known, targets, 0.0)
        weights = weights * known
        total = weights.sum(1, keepdim=True)
        weights = weights / total
        if self.standardise:
            centred = self.double[:, :-1]
            mean = weights @ centred
            variance = weights @ centred.square() - mean.square()
            # What hardly varies among the rows of a problem keeps the scale of all rows.
            unit = torch.where(variance > _LEAST_VARIANCE, variance, 1.0).sqrt()
            stretch, shift = 1.0 / unit, -mean / unit
        else:
            unit = (1.0 / self.scale).expand(len(targets), -1)
            stretch, shift = 1.0 / unit, self.mean.expand(len(targets), -1)
        curvature = unit.square() / (inverse_penalties[:, None] * total)
        none = torch.zeros_like(total)
        return Columns(
            targets,
            weights,
            torch.cat([curvature, none], 1),
            curvature.mean(1, keepdim=True),
            stretch,
            shift,
        )

    def _start(self, columns: Columns, given: tuple[LogisticHeads, NDArray] | None) -> Tensor:
        """Begin with the given heads, or with the prevalence alone."""
        if given is not None:
            heads, block = given
            coefficients = torch.tensor(heads.coefficients[block], device=self.device)
            intercepts = torch.tensor(heads.intercepts[block], device=self.device)
            centred = intercepts + coefficients @ self.mean
            return torch.cat([coefficients * self.scale, centred[:, None]], 1)
        point = torch.zeros_like(columns.penalties)
        point[:, -1] = torch.logit((columns.weights * columns.targets).sum(1))
        return point
