"""Every workload by every way: the kernel first, then its peers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.kernels.prices import count_inputs, score_inputs
from cxrstudy.agreement import accelerators
from cxrstudy.agreement.counts import replicate_counts
from cxrstudy.agreement.metrics import COUNT_METRICS
from cxrstudy.agreement.ranking import replicate_rankings
from cxrstudy.agreement.resampling import resampling_units
from cxrstudy.agreement.visits import programs
from cxrstudy.kernels.augment import (
    Augmentation,
    augment_reference,
    augment_views,
    draw_parameters,
)
from cxrstudy.kernels.bce import masked_bce, masked_bce_reference
from cxrstudy.kernels.distill import distillation_loss, distillation_loss_reference
from cxrstudy.kernels.ranking import ranked_replicates
from cxrstudy.kernels.replicates import counted_replicates
from cxrstudy.philox import as_key
from cxrstudy.studies.kernels import loss_inputs

KERNEL_WAY, COMPILED_WAY = "kernel", "torch.compile"
CPU_WAY = "cxrstudy.agreement on the CPU"
IMAGE_SIZE = (256, 256)

Ways = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Sizes:
    """How large the workloads are; as they are, those of `workloads.workloads`."""

    rows: int = 1_000_000  # of a loss
    images: int = 4096  # on the device
    views: int = 256  # of these images
    replicates: int = 1_000_000  # of W1
    ranked_replicates: int = 1_000  # of W2
    counted: tuple[int, int, int] = (500, 14, 3)  # studies, observations and methods of W1
    scored: tuple[int, int, int] = (25_000, 14, 10)  # studies, observations and models of W2


def _gradient_step(loss: Callable, logits: torch.Tensor, *arguments) -> Callable[[], None]:
    def step() -> None:
        logits.grad = None
        loss(logits, *arguments).backward()

    return step


def _loss_ways(loss: Callable, reference: Callable, *arguments) -> Ways:
    return {
        KERNEL_WAY: _gradient_step(loss, *arguments),
        "eager torch": _gradient_step(reference, *arguments),
        COMPILED_WAY: _gradient_step(torch.compile(reference), *arguments),
    }


def bce_ways(device: torch.device, sizes: Sizes) -> Ways:
    """Forward and backward pass with weights and smoothing."""
    logits, labels = loss_inputs(sizes.rows, device)["bce"]
    weights = torch.linspace(0.5, 3, logits.shape[1], device=device)
    return _loss_ways(masked_bce, masked_bce_reference, logits, labels, weights, "ones", 0.1)


def distill_ways(device: torch.device, sizes: Sizes) -> Ways:
    """Forward and backward pass."""
    inputs = loss_inputs(sizes.rows, device)["distill"]
    return _loss_ways(distillation_loss, distillation_loss_reference, *inputs, 0.5, 2.0)


def view_ways(device: torch.device, sizes: Sizes) -> Ways:
    """Return views; torchvision draws once for the batch, to its favour."""
    from torchvision.transforms import InterpolationMode, v2

    shape = (sizes.images, *IMAGE_SIZE)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    index = torch.randperm(sizes.images, device=device)[: sizes.views]
    augmentation, dtype = Augmentation(flip=0.5), torch.bfloat16
    chain = v2.Compose(
        [
            v2.RandomAffine(
                augmentation.rotation,
                translate=(augmentation.translation, augmentation.translation),
                scale=augmentation.scale,
                interpolation=InterpolationMode.BILINEAR,
            ),
            v2.RandomCrop(augmentation.size),
            v2.RandomHorizontalFlip(augmentation.flip),
            v2.ColorJitter(augmentation.brightness, augmentation.contrast),
            v2.ToDtype(dtype, scale=True),
            v2.Normalize([augmentation.mean], [augmentation.deviation]),
        ]
    )
    parameters = draw_parameters(len(index), augmentation, IMAGE_SIZE, 0, device=device)
    given = (images, index, parameters, augmentation, dtype)
    return {
        KERNEL_WAY: partial(augment_views, images, index, augmentation, 0, 0, dtype),
        "torchvision v2, one draw per batch": lambda: chain(images[index][:, None]),
        "eager torch, parameters given": partial(augment_reference, *given),
        f"{COMPILED_WAY}, parameters given": partial(torch.compile(augment_reference), *given),
    }


def _torch_counts(table: torch.Tensor, n: int, n_replicates: int) -> list[torch.Tensor]:
    """Draw with randint, count with scatter and a product, in eager torch on the device.

    F1 and kappa of every cell, no averages; the values of a chunk go to the CPU.
    """
    parts = []
    for first in range(0, n_replicates, 1 << 16):
        size = min(1 << 16, n_replicates - first)
        drawn = torch.randint(n, (size, n), device=table.device)
        weights = torch.zeros(size, n, device=table.device, dtype=torch.float16)
        weights.scatter_add_(1, drawn, torch.ones_like(weights))
        p, q, tp = (weights @ table).float().unflatten(1, (3, -1)).unbind(1)
        f1 = 2 * tp / (p + q)
        kappa = 1 - n * (p + q - 2 * tp) / (p * (n - q) + q * (n - p))
        parts.append(torch.cat([f1, kappa], dim=1).cpu())
    return parts


def count_ways(device: torch.device, sizes: Sizes) -> Ways:
    """W1, from arrays on the CPU to values on the CPU."""
    truth, methods, counted, units = count_inputs(*sizes.counted)
    averaged = np.ones(truth.shape[1], bool)
    metrics = np.array([COUNT_METRICS.index(name) for name in ("f1", "kappa")])
    settings = (counted, units, metrics, averaged, False, sizes.replicates, as_key(0))
    stacked = [np.broadcast_to(truth, methods.shape), methods, methods * truth]
    flat = np.concatenate([part.transpose(1, 0, 2).reshape(len(truth), -1) for part in stacked], 1)
    table = torch.from_numpy(flat).to(device, torch.float16)
    return {
        KERNEL_WAY: partial(counted_replicates, *settings),
        "eager torch, no averages": partial(_torch_counts, table, len(truth), sizes.replicates),
        CPU_WAY: partial(_without_accelerators, replicate_counts, *settings),
    }


def _without_accelerators(run: Callable, *arguments) -> object:
    with patch.dict(accelerators._REGISTERED, clear=True):
        return run(*arguments)


def _torch_auroc(labels: torch.Tensor, orders: torch.Tensor, n_replicates: int) -> torch.Tensor:
    """Multiplicities along presorted rows and cumulative sums; ties are not corrected."""
    n = labels.shape[1]
    weights = torch.zeros(n_replicates, n, device=labels.device)
    drawn = torch.randint(n, (n_replicates, n), device=labels.device)
    weights.scatter_add_(1, drawn, torch.ones_like(weights))
    areas = []
    for label, order in zip(labels, orders, strict=True):
        positive = weights[:, order] * label
        negative = weights[:, order] - positive
        won = (positive.cumsum(1) * negative).sum(1)
        areas.append(won / (positive.sum(1) * negative.sum(1)))
    return torch.stack(areas)


def ranking_ways(device: torch.device, sizes: Sizes) -> Ways:
    """W2, from sorted rows on the CPU to values on the CPU; eager torch has them on the device."""
    truth, scores = score_inputs(*sizes.scored)
    units, n_replicates = resampling_units(len(truth)), sizes.ranked_replicates
    program = programs(truth, scores, None, units, ("auroc",))
    settings = (program, units, np.ones(truth.shape[1], bool), False, n_replicates, as_key(0))
    by_cell = torch.from_numpy(scores).to(device).transpose(1, 2).flatten(0, 1)
    orders = by_cell.argsort(dim=1, descending=True)
    labels = torch.from_numpy(truth.T.copy()).to(device).float().repeat(len(scores), 1)
    labels = labels.gather(1, orders)
    return {
        KERNEL_WAY: partial(ranked_replicates, *settings),
        "eager torch, ties not corrected": partial(_torch_auroc, labels, orders, n_replicates),
        CPU_WAY: partial(_without_accelerators, replicate_rankings, *settings),
    }
