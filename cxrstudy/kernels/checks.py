"""Check every kernel against its reference, on a GPU or under Triton's interpreter.

``python -m cxrstudy.kernels.checks`` prints the table as CSV; with ``TRITON_INTERPRET=1`` it
needs no GPU.
"""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

from cxrstudy.agreement import ranking as engine
from cxrstudy.agreement.counts import count_table
from cxrstudy.agreement.philox import as_key, resample_weights
from cxrstudy.agreement.resampling import resampling_units
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
    parameters = draw_parameters(4, augmentation, (40, 44), SEED, device=device).cpu().double()
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


@dataclass(frozen=True)
class Check:
    """One family's comparison.

    Attributes
    ----------
    run : callable
        Returns the largest error.
    allowed : float
        Set by the authors of the kernels, at a few roundings of the type.
    compared : str
        What with what, and in which unit.
    size : str
        Shapes, types and seed.
    """

    run: Callable[[], float]
    allowed: float
    compared: str
    size: str


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
        1e-6,
        "limits of kappa, its averages and differences, against the CPU engine",
        "100 studies, 2 observations, 2 methods, 200 replicates, float32; seed 2**40 + 1",
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

_COLUMNS = ["family", "compared", "size", "path", "error", "allowed"]


def check_table() -> pd.DataFrame:
    """Run every check and say which path ran.

    Returns
    -------
    DataFrame
        Columns family, compared, size, path, error and allowed.
    """
    rows = []
    for family, check in CHECKS.items():
        with watch_paths() as paths:
            error = check.run()
        taken = {path for name, path in paths if name == family}
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
    return pd.DataFrame(rows, columns=_COLUMNS)


def error_in_words(error: float) -> str:
    """Print an error to two digits, and say where there is none.

    Parameters
    ----------
    error : float

    Returns
    -------
    str
    """
    return f"{error:.1e}" if error else "0 (exact)"


def interpreted_checks(wanted: bool = True) -> pd.DataFrame:
    """Run the checks in a process in which Triton interprets the kernels on the CPU.

    Triton must be told before it is imported, hence the process.

    Parameters
    ----------
    wanted : bool
        Whether to run them at all.

    Returns
    -------
    DataFrame
        As `check_table`; without rows if they are not wanted or Triton is not installed.
    """
    if not HAS_TRITON or not wanted:
        return pd.DataFrame(columns=_COLUMNS)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "cxrstudy.kernels.checks"],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return pd.read_csv(io.StringIO(done.stdout))


def checks_in_words(checks: pd.DataFrame) -> str:
    """Say what a table of checks shows.

    Parameters
    ----------
    checks : DataFrame
        From `check_table` or `interpreted_checks`.

    Returns
    -------
    str
        How many are within what is allowed, or why there are none.
    """
    if not len(checks):
        return (
            "The table is empty: this set of parameters does not interpret."
            if HAS_TRITON
            else "The table is empty: Triton is not installed."
        )
    within = int((checks["error"] <= checks["allowed"]).sum())
    return f"{within} of {len(checks)} are within the allowed error (Triton {version('triton')})."


if __name__ == "__main__":
    check_table().to_csv(sys.stdout, index=False)
