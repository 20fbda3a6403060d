"""Time every kernel against eager torch, torch.compile and CPU peers in the same run.

On a GPU: each kernel is first checked against its reference, and that it was the kernel that ran;
then all ways are timed and rows are appended to ``book/recorded/kernels.csv``, which study 13
shows. Rows are measured or absent. Without a GPU nothing is recorded: the CPU peers are timed and
the rest is named.

Losses and views are timed with CUDA events and a flushed cache; the bootstrap and the ranking by
wall clock from arrays on the CPU to results on the CPU. A ratio's spread is that of the middle
60 % of both times.

Run ``python -m benchmarks.kernels``.
"""

import platform
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cxrstudy.agreement import ranking as engine
from cxrstudy.agreement.philox import as_key
from cxrstudy.agreement.units import resampling_units
from cxrstudy.agreement.visits import programs
from cxrstudy.kernels.augment import (
    Augmentation,
    augment_reference,
    augment_views,
    draw_parameters,
)
from cxrstudy.kernels.bce import masked_bce, masked_bce_reference
from cxrstudy.kernels.bootstrap import count_intervals, count_intervals_reference
from cxrstudy.kernels.checks import check_table
from cxrstudy.kernels.compiler import HAS_TRITON
from cxrstudy.kernels.dispatch import KERNEL, watch_paths
from cxrstudy.kernels.distill import distillation_loss, distillation_loss_reference
from cxrstudy.kernels.prices import count_inputs, loss_inputs, price_table, score_inputs
from cxrstudy.kernels.ranking import replicate_rankings
from cxrstudy.kernels.roofline import CARDS, workloads
from cxrstudy.recorded import recorded_path
from cxrstudy.runs import study
from cxrstudy.runs.stamp import provenance

CPU_RESULTS = Path("_build/bench/kernels_cpu.csv")
SPREAD = (0.5, 0.2, 0.8)
WALL_REPEATS = 7
CONTRASTS = ((0, 1), (0, 2), (1, 2))
Times = tuple[float, float, float]


def gpu_times(run: Callable[[], object]) -> Times:
    """Median, 20th and 80th percentile in microseconds, by CUDA events."""
    from triton.testing import do_bench

    return tuple(1000 * part for part in do_bench(run, quantiles=list(SPREAD)))


def wall_times(run: Callable[[], object], repeats: int = WALL_REPEATS) -> Times:
    """Median, 20th and 80th percentile in microseconds, by wall clock; warmed up once."""
    spent = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        spent.append(1e6 * (time.perf_counter() - start))
    return tuple(np.quantile(spent[1:], SPREAD))


def _gradient_step(loss: Callable, logits: torch.Tensor, *arguments) -> Callable[[], None]:
    def step() -> None:
        logits.grad = None
        loss(logits, *arguments).backward()

    return step


def loss_ways(n_rows: int) -> dict[str, dict[str, Callable[[], None]]]:
    """Forward and backward pass of both losses by every way, the kernel first."""
    inputs = loss_inputs(n_rows, "cuda")
    weights = torch.linspace(0.5, 3, 14, device="cuda")
    arguments = {
        "bce": (*inputs["bce"], weights, "ones", 0.1),
        "distill": (*inputs["distill"], 0.5, 2.0),
    }
    functions = {
        "bce": (masked_bce, masked_bce_reference),
        "distill": (distillation_loss, distillation_loss_reference),
    }
    return {
        family: {
            "kernel": _gradient_step(kernel, *arguments[family]),
            "eager torch": _gradient_step(reference, *arguments[family]),
            "torch.compile": _gradient_step(torch.compile(reference), *arguments[family]),
        }
        for family, (kernel, reference) in functions.items()
    }


def view_ways(n_views: int) -> dict[str, Callable[[], object]]:
    """Return views by every way; torchvision draws once for the batch, to its favour."""
    from torchvision.transforms import v2

    images = torch.randint(0, 256, (4096, 256, 256), dtype=torch.uint8, device="cuda")
    index = torch.randperm(4096, device="cuda")[:n_views]
    augmentation, dtype = Augmentation(flip=0.5), torch.bfloat16
    chain = v2.Compose(
        [
            v2.RandomAffine(augmentation.rotation, scale=augmentation.scale),
            v2.RandomCrop(augmentation.size),
            v2.RandomHorizontalFlip(augmentation.flip),
            v2.ColorJitter(augmentation.brightness, augmentation.contrast),
            v2.ToDtype(dtype, scale=True),
            v2.Normalize([augmentation.mean], [augmentation.deviation]),
        ]
    )
    parameters = draw_parameters(n_views, augmentation, (256, 256), 0, device="cuda")
    compiled = torch.compile(augment_reference)
    return {
        "kernel": partial(augment_views, images, index, augmentation, 0, 0, dtype),
        "torchvision v2, one draw per batch": lambda: chain(images[index][:, None]),
        "eager torch, parameters given": partial(
            augment_reference, images, index, parameters, augmentation, dtype
        ),
        "torch.compile, parameters given": partial(
            compiled, images, index, parameters, augmentation, dtype
        ),
    }


def _torch_intervals(table: torch.Tensor, n: int, n_replicates: int) -> list[torch.Tensor]:
    """Draw with randint, count with scatter and a product, sort: eager torch on the GPU.

    F1 and kappa of 42 cells, no averages and no differences.
    """
    parts = []
    for first in range(0, n_replicates, 1 << 16):
        size = min(1 << 16, n_replicates - first)
        drawn = torch.randint(n, (size, n), device="cuda")
        weights = torch.zeros(size, n, device="cuda", dtype=torch.float16)
        weights.scatter_add_(1, drawn, torch.ones_like(weights))
        p, q, tp = (weights @ table).float().unflatten(1, (3, -1)).unbind(1)
        f1 = 2 * tp / (p + q)
        kappa = 1 - n * (p + q - 2 * tp) / (p * (n - q) + q * (n - p))
        parts.append(torch.cat([f1, kappa], dim=1))
    ranks = [round(share * (n_replicates - 1)) for share in (0.025, 0.975)]
    return [column.sort().values[ranks] for column in torch.cat(parts).T]


def count_ways(n_replicates: int) -> dict[str, Callable[[], object]]:
    """W1 by every way."""
    truth, methods, counted, units = count_inputs()
    settings = (counted, units, ("f1", "kappa"), np.ones(14, bool), False, n_replicates, 0)
    stacked = [np.broadcast_to(truth, methods.shape), methods, methods * truth]
    flat = np.concatenate([part.transpose(1, 0, 2).reshape(len(truth), -1) for part in stacked], 1)
    table = torch.from_numpy(flat).to("cuda", torch.float16)
    return {
        "kernel": partial(count_intervals, *settings, CONTRASTS),
        "eager torch, no averages or differences": partial(
            _torch_intervals, table, len(truth), n_replicates
        ),
        "cxrstudy.agreement on the CPU": partial(count_intervals_reference, *settings, CONTRASTS),
    }


def _torch_auroc(labels: torch.Tensor, orders: torch.Tensor, n_replicates: int) -> torch.Tensor:
    """Multiplicities along presorted rows and cumulative sums; ties are not corrected."""
    n = labels.shape[1]
    weights = torch.zeros(n_replicates, n, device="cuda")
    drawn = torch.randint(n, (n_replicates, n), device="cuda")
    weights.scatter_add_(1, drawn, torch.ones_like(weights))
    areas = []
    for label, order in zip(labels, orders, strict=True):
        positive = weights[:, order] * label
        negative = weights[:, order] - positive
        won = (positive.cumsum(1) * negative).sum(1)
        areas.append(won / (positive.sum(1) * negative.sum(1)))
    return torch.stack(areas)


def ranking_ways(n_replicates: int) -> dict[str, Callable[[], object]]:
    """W2 by every way; rows are sorted before, for all of them."""
    truth, scores = score_inputs()
    units = resampling_units(len(truth))
    program = programs(truth, scores, None, units, ("auroc",))
    settings = (program, units, np.ones(14, bool), False, n_replicates, as_key(0))
    by_cell = torch.from_numpy(scores).cuda().transpose(1, 2).flatten(0, 1)
    orders = by_cell.argsort(dim=1, descending=True)
    labels = torch.from_numpy(truth.T.copy()).cuda().float().repeat(len(scores), 1)
    labels = labels.gather(1, orders)
    return {
        "kernel": partial(replicate_rankings, *settings),
        "eager torch, ties not corrected": partial(_torch_auroc, labels, orders, n_replicates),
        "cxrstudy.agreement on the CPU": partial(engine.replicate_rankings, *settings),
    }


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


def _assert_kernel(family: str, run: Callable[[], object]) -> None:
    with watch_paths() as paths:
        run()
    taken = {path for name, path in paths if name == family}
    if taken != {KERNEL}:
        raise RuntimeError(f"{family}: {taken or 'nothing'} ran in place of the kernel")


def _rows(family: str, ways: dict, timed: Callable[..., Times], shared: dict) -> list[dict]:
    """Time every way; a peer's row holds its ratio to the kernel."""
    _assert_kernel(family, ways["kernel"])
    own, own_low, own_high = timed(ways["kernel"])
    rows = []
    for peer, run in list(ways.items())[1:]:
        middle, low, high = timed(run)
        rows.append(
            {
                "family": family,
                "microseconds": own,
                "microseconds_low": own_low,
                "microseconds_high": own_high,
                "peer": peer,
                "peer_microseconds": middle,
                "ratio": middle / own,
                "ratio_low": low / own_high,
                "ratio_high": high / own_low,
                **shared,
            }
        )
    return rows


def gpu_rows() -> pd.DataFrame:
    """Check and time everything on the GPU."""
    import triton

    checks = check_table().set_index("family")
    print(checks.to_string())
    wrong = checks[(checks["error"] > checks["allowed"]) | (checks["path"] != KERNEL)]
    if len(wrong):
        raise RuntimeError(f"not timed, since checks failed: {', '.join(wrong.index)}")
    name = torch.cuda.get_device_name()
    card = next((card for key, card in CARDS.items() if key.split()[0] in name), None)
    works = {work.family: work for work in workloads()}
    kept = {
        "set": "benchmark",
        "hardware": name,
        "versions": f"python {platform.python_version()}, torch {torch.__version__}, "
        f"triton {triton.__version__}, driver {_driver()}",
        "date": datetime.now(UTC).date().isoformat(),
        "data": "synthetic",
        "commit": provenance(study("kernels"), {}, seconds=0.0)["commit"],
    }
    losses = loss_ways(1_000_000)
    suites = {
        "bce": (losses["bce"], gpu_times),
        "distill": (losses["distill"], gpu_times),
        "augment": (view_ways(256), gpu_times),
        "bootstrap": (count_ways(1_000_000), wall_times),
        "ranking": (ranking_ways(1_000), wall_times),
    }
    rows = []
    for family, (ways, timed) in suites.items():
        work = works[family]
        floor = 1e6 * work.floor_seconds(card) if card else float("nan")
        shared = {
            "workload": work.workload,
            "error": checks.loc[family, "error"],
            "floor_microseconds": floor,
            "floor_of": card.name if card else "",
            **kept,
        }
        rows += _rows(family, ways, timed, shared)
    return pd.DataFrame(rows)


def _append(rows: pd.DataFrame) -> Path:
    """Add rows to the recorded ones, whole or not at all."""
    path = recorded_path("kernels")
    path.parent.mkdir(parents=True, exist_ok=True)
    earlier = [pd.read_csv(path)] if path.exists() else []
    temporary = path.with_name(f".{path.name}")
    pd.concat([*earlier, rows]).to_csv(temporary, index=False, lineterminator="\n")
    temporary.replace(path)
    return path


def main() -> None:
    """Record on a GPU; elsewhere time the CPU peers and say what is missing."""
    if HAS_TRITON and torch.cuda.is_available():
        rows = gpu_rows()
        print(rows.to_string(index=False, float_format="{:.4g}".format))
        print(f"appended to {_append(rows)}")
        return
    missing = "a CUDA GPU" if HAS_TRITON else "a CUDA GPU and Triton"
    print(f"kernels: nothing is recorded here; timing them needs {missing}. CPU peers:")
    table = price_table(n_rows=20_000, n_views=16, n_replicates=10_000, n_naive_replicates=2)
    CPU_RESULTS.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(CPU_RESULTS, index=False, float_format="%.6g")
    print(table.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
