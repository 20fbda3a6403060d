"""Check every kernel against its reference, on a GPU or under Triton's interpreter.

``python -m benchmarks.kernels.checks`` prints the table as CSV; with ``TRITON_INTERPRET=1`` it
needs no GPU.
"""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from cxrstudy.agreement.counts import COUNT_METRICS, count_table, replicate_counts
from cxrstudy.agreement.ranking import replicate_rankings
from cxrstudy.agreement.resampling import resampling_units
from cxrstudy.agreement.visits import RANKING_METRICS, programs
from cxrstudy.kernels.augment import (
    Augmentation,
    augment_reference,
    augment_views,
    draw_parameters,
)
from cxrstudy.kernels.bce import masked_bce, masked_bce_reference
from cxrstudy.kernels.dispatch import KERNEL, kernel_device, watch_paths
from cxrstudy.kernels.distill import distillation_loss, distillation_loss_reference
from cxrstudy.kernels.ranking import ranked_replicates
from cxrstudy.kernels.replicates import counted_replicates
from cxrstudy.kernels.resample import multiplicities
from cxrstudy.philox import as_key, draw_weights

SEED = 2**40 + 1


def _loss_errors(loss, reference, logits, *arguments) -> float:
    """Largest error of the gradient, and of the loss, relative to the largest entry."""
    device = kernel_device()
    found = logits.detach().clone().to(device).requires_grad_()
    value = loss(found, *(part.to(device) for part in arguments))
    value.backward()
    exact = logits.double().requires_grad_()
    expected = reference(exact, *(part.double() for part in arguments))
    expected.backward()
    error = (found.grad.double().cpu() - exact.grad).abs().max() / exact.grad.abs().max()
    return max(error.item(), abs(value.item() / expected.item() - 1))


def check_bce() -> float:
    """Compare loss and gradient with float64, relative."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(101, 14, generator=generator)
    labels = torch.randint(-2, 2, logits.shape, generator=generator)
    weights = torch.rand(14, generator=generator) + 0.5
    return _loss_errors(masked_bce, masked_bce_reference, logits, labels, weights)


def check_distill() -> float:
    """Compare loss and gradient with float64, relative."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(37, 13, 3, generator=generator)
    targets = torch.randn(logits.shape, generator=generator).softmax(-1)
    settings = {"alpha": 0.4, "temperature": 2.5}
    return _loss_errors(
        lambda *tensors: distillation_loss(*tensors, **settings),
        lambda *tensors: distillation_loss_reference(*tensors, **settings),
        logits,
        targets,
    )


def check_augment() -> float:
    """Compare views with float64, in grey values from 0 to 1."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 40, 44), dtype=torch.uint8, generator=generator)
    index, device = torch.tensor([2, 0, 1, 1]), kernel_device()
    augmentation = Augmentation(size=(32, 32), flip=0.5, mean=0.0, deviation=1.0)
    views = augment_views(images.to(device), index.to(device), augmentation, SEED)
    parameters = draw_parameters(4, augmentation, (40, 44), SEED, device=device).cpu().double()
    exact = augment_reference(images, index, parameters, augmentation, torch.float64)
    return (views.double().cpu() - exact).abs().max().item()


def check_resample() -> float:
    """Count the share of multiplicities that differ from the CPU's."""
    units = resampling_units(150)
    drawn = multiplicities(units, 8, SEED, first_replicate=2**33)
    expected = draw_weights(units, 8, as_key(SEED), first_replicate=2**33)
    return float((drawn.cpu().numpy() != expected).mean())


def _labels(n: int, n_observations: int) -> tuple[np.ndarray, np.random.Generator]:
    generator = np.random.default_rng(0)
    prevalence = np.linspace(0.1, 0.5, n_observations)
    return (generator.random((n, n_observations)) < prevalence).astype(float), generator


def check_bootstrap() -> float:
    """Compare every metric and its averages in every replicate with the CPU engine."""
    truth, generator = _labels(100, 2)
    methods = np.stack(
        [np.where(generator.random(truth.shape) < error, 1 - truth, truth) for error in (0.1, 0.2)]
    )
    units, metrics = resampling_units(len(truth)), np.arange(len(COUNT_METRICS))
    counted = count_table(truth, methods, None, units)
    settings = (counted, units, metrics, np.ones(2, bool), False, 200, as_key(SEED))
    found, expected = counted_replicates(*settings), replicate_counts(*settings)
    return float(np.nanmax(np.abs(found - expected)))


def check_ranking() -> float:
    """Compare AUROC and average precision of every replicate with the CPU engine."""
    truth, generator = _labels(30, 1)
    scores = np.round(truth[None] + generator.normal(size=(1, *truth.shape)), 1)
    units = resampling_units(len(truth))
    program = programs(truth, scores, None, units, RANKING_METRICS)
    settings = (program, units, np.ones(1, bool), False, 64, as_key(SEED))
    found, expected = ranked_replicates(*settings), replicate_rankings(*settings)
    return float(np.nanmax(np.abs(found - expected)))


@dataclass(frozen=True)
class Check:
    """One family's comparison."""

    run: Callable[[], float]  # returns the largest error
    allowed: float  # set by the authors of the kernels, at a few roundings of the type
    compared: str  # what with what, and in which unit
    size: str  # shapes, types and seed
    noted: str = ""  # name under which its path is noted, if not the family's own


CHECKS = {
    "bce": Check(
        check_bce,
        1e-6,
        "loss and gradient, against float64; relative to the largest entry",
        "101 x 14 logits in float32, whole-number labels; seed 0",
    ),
    "distill": Check(
        check_distill,
        2e-6,
        "loss and gradient, against float64; relative to the largest entry",
        "37 x 13 x 3 logits and probabilities in float32; seed 0",
    ),
    "augment": Check(
        check_augment,
        2e-5,
        "pixels, against float64; in grey values from 0 to 1",
        "4 views of 32 x 32 in float32 from 3 images of 40 x 44 bytes; seed 2**40 + 1",
    ),
    "resample": Check(
        check_resample,
        0.0,
        "share of multiplicities that differ from the CPU engine's",
        "8 replicates of 150 units, from replicate 2**33 on, whole numbers; seed 2**40 + 1",
    ),
    "bootstrap": Check(
        check_bootstrap,
        1e-12,
        "8 metrics and their averages in every replicate, against the CPU engine",
        "100 studies, 2 observations, 2 methods, 200 replicates, float64; seed 2**40 + 1",
        noted="resample",
    ),
    "ranking": Check(
        check_ranking,
        # A division in float32 is within 2 units in the last place on a GPU, 1/2 on a CPU.
        5e-7,
        "AUROC and average precision of every replicate, against the CPU engine",
        "30 rows, 1 observation, 1 model, 64 replicates, quotients in float32; seed 2**40 + 1",
    ),
}
"""What compares each family, and the error that it may have."""


def check_table() -> pd.DataFrame:
    """Run every check; columns family, compared, size, path, error and allowed."""
    rows = []
    for family, check in CHECKS.items():
        with watch_paths() as paths:
            error = check.run()
        taken = {path for name, path in paths if name == (check.noted or family)}
        rows.append(
            {
                "family": family,
                "compared": check.compared,
                "size": check.size,
                "path": " and ".join(sorted(taken)),
                "error": error,
                "allowed": check.allowed,
            }
        )
    return pd.DataFrame(rows)


def interpreted_checks() -> pd.DataFrame:
    """Run the checks in a process in which Triton interprets the kernels on the CPU.

    Triton must be told before it is imported, hence the process.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.kernels.checks"],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return pd.read_csv(io.StringIO(done.stdout))


def wrong_checks(checks: pd.DataFrame) -> list[str]:
    """Name the families that err by more than is allowed, or whose kernel did not run."""
    wrong = (checks["error"] > checks["allowed"]) | (checks["path"] != KERNEL)
    return checks.loc[wrong, "family"].tolist()


if __name__ == "__main__":
    check_table().to_csv(sys.stdout, index=False)
