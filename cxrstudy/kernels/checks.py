"""Check every kernel against its reference, on a GPU or under Triton's interpreter.

``python -m cxrstudy.kernels.checks`` prints the table as CSV; with ``TRITON_INTERPRET=1`` it
needs no GPU.
"""

import io
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import torch

from cxrstudy.agreement import ranking as engine
from cxrstudy.agreement.counts import count_table
from cxrstudy.agreement.philox import as_key, resample_weights
from cxrstudy.agreement.units import resampling_units
from cxrstudy.agreement.visits import RANKING_METRICS, programs
from cxrstudy.kernels.augment import (
    Augmentation,
    augment_reference,
    augment_views,
    draw_parameters,
)
from cxrstudy.kernels.bce import masked_bce, masked_bce_reference
from cxrstudy.kernels.bootstrap import count_intervals, count_intervals_reference
from cxrstudy.kernels.compiler import HAS_TRITON
from cxrstudy.kernels.dispatch import kernel_device, watch_paths
from cxrstudy.kernels.distill import distillation_loss, distillation_loss_reference
from cxrstudy.kernels.ranking import replicate_rankings
from cxrstudy.kernels.resample import multiplicities

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
    parameters = draw_parameters(4, augmentation, (40, 44), SEED).double()
    exact = augment_reference(images, index, parameters, augmentation, torch.float64)
    return (views.double().cpu() - exact).abs().max().item()


def check_resample() -> float:
    """Count the share of multiplicities that differ from the CPU's."""
    drawn = multiplicities(resampling_units(150), 8, SEED, first_replicate=2**33)
    expected = resample_weights(150, 8, SEED, first_replicate=2**33)
    return float((drawn.cpu().numpy() != expected).mean())


def _labels(n: int, n_observations: int) -> tuple[np.ndarray, np.random.Generator]:
    generator = np.random.default_rng(0)
    prevalence = np.linspace(0.1, 0.5, n_observations)
    return (generator.random((n, n_observations)) < prevalence).astype(float), generator


def check_bootstrap() -> float:
    """Compare limits of kappa and its averages with those of the CPU engine."""
    truth, generator = _labels(100, 2)
    methods = np.stack(
        [np.where(generator.random(truth.shape) < error, 1 - truth, truth) for error in (0.1, 0.2)]
    )
    units = resampling_units(len(truth))
    settings = (
        count_table(truth, methods, None, units),
        units,
        ("kappa",),
        np.ones(2, bool),
        False,
        200,
        SEED,
        [(0, 1)],
    )
    found, expected = count_intervals(*settings), count_intervals_reference(*settings)
    return max(
        float(np.abs(getattr(found, name) - getattr(expected, name)).max())
        for name in ("low", "high")
    )


def check_ranking() -> float:
    """Compare AUROC and average precision of every replicate with the CPU engine."""
    truth, generator = _labels(30, 1)
    scores = np.round(truth[None] + generator.normal(size=(1, *truth.shape)), 1)
    units = resampling_units(len(truth))
    program = programs(truth, scores, None, units, RANKING_METRICS)
    settings = (program, units, np.ones(1, bool), False, 64, as_key(SEED))
    found, expected = replicate_rankings(*settings), engine.replicate_rankings(*settings)
    return float(np.nanmax(np.abs(found - expected)))


CHECKS = {
    "bce": (check_bce, 1e-6),
    "distill": (check_distill, 2e-6),
    "augment": (check_augment, 2e-5),
    "resample": (check_resample, 0.0),
    "bootstrap": (check_bootstrap, 1e-6),
    "ranking": (check_ranking, 3e-7),
}
"""What compares each family, and the error that it may have."""


def check_table() -> pd.DataFrame:
    """Run every check and say which path ran.

    Returns
    -------
    DataFrame
        Columns family, check, path, error and allowed.
    """
    rows = []
    for family, (check, allowed) in CHECKS.items():
        with watch_paths() as paths:
            error = check()
        taken = {path for name, path in paths if name == family}
        rows.append(
            {
                "family": family,
                "check": check.__doc__.removesuffix("."),
                "path": " and ".join(sorted(taken)),
                "error": error,
                "allowed": allowed,
            }
        )
    return pd.DataFrame(rows)


def interpreted_checks() -> pd.DataFrame:
    """Run the checks in a process in which Triton interprets the kernels on the CPU.

    Triton must be told before it is imported, hence the process.

    Returns
    -------
    DataFrame
        As `check_table`; without rows where Triton is not installed.
    """
    columns = ["family", "check", "path", "error", "allowed"]
    if not HAS_TRITON:
        return pd.DataFrame(columns=columns)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "cxrstudy.kernels.checks"],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return pd.read_csv(io.StringIO(done.stdout))


if __name__ == "__main__":
    check_table().to_csv(sys.stdout, index=False)
