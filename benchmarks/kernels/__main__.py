"""Time every kernel against eager torch, torch.compile and CPU peers in the same run.

On a GPU: each kernel is first checked against its reference, and that it was the kernel that ran;
then all ways are timed and rows are appended to ``book/recorded/kernels.csv``, which study 13
shows. Rows are measured or absent. Without a GPU nothing is recorded: the CPU peers are timed and
the rest is named.

Losses and views are timed by what they keep the GPU busy with, and from call to call; the
bootstrap and the ranking by wall clock from arrays on the CPU to results on the CPU. A ratio's
spread is that of the middle 60 % of both times.

Run ``python -m benchmarks.kernels``.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from cxrstudy.kernels.checks import check_table
from cxrstudy.kernels.prices import price_table
from cxrstudy.kernels.roofline import CARDS, workloads

from benchmarks.gpu.record import append, commit, hardware, versions
from benchmarks.gpu.timing import Times, device_times, wall_times
from benchmarks.gpu.ways import (
    COMPILED_WAY,
    CPU_WAY,
    KERNEL_WAY,
    Sizes,
    Ways,
    bce_ways,
    count_ways,
    distill_ways,
    ranking_ways,
    view_ways,
)
from cxrstudy.kernels.compiler import HAS_TRITON
from cxrstudy.kernels.dispatch import KERNEL, watch_paths

CPU_RESULTS = Path("_build/bench/kernels_cpu.csv")
CPU_REPEATS = 2
"""Peers that take seconds, whose times differ little."""

DEVICE, WALL = "device", "wall"
Timer = Callable[..., Times]
TIMERS: Mapping[str, Timer] = {DEVICE: device_times, WALL: wall_times}

SUITES: dict[str, tuple[Callable[[torch.device, Sizes], Ways], str]] = {
    "bce": (bce_ways, DEVICE),
    "distill": (distill_ways, DEVICE),
    "augment": (view_ways, DEVICE),
    "bootstrap": (count_ways, WALL),
    "ranking": (ranking_ways, WALL),
}
"""Ways of each family, and the clock that times them."""


def _assert_kernel(family: str, run: Callable[[], object]) -> None:
    with watch_paths() as paths:
        run()
    taken = {path for name, path in paths if name == family}
    if taken != {KERNEL}:
        raise RuntimeError(f"{family}: {taken or 'nothing'} ran in place of the kernel")


def _rows(family: str, ways: Ways, timer: Timer, shared: dict) -> list[dict]:
    """Time every way; a peer's row holds its ratio to the kernel."""
    _assert_kernel(family, ways[KERNEL_WAY])
    own = timer(ways.pop(KERNEL_WAY))
    rows = []
    for name, run in ways.items():
        timed = partial(timer, repeats=CPU_REPEATS) if name == CPU_WAY else timer
        try:
            peer = timed(run)
        except Exception as error:  # A peer that cannot run costs its own row only.
            print(f"{family}: no row for {name}, which failed: {error!r}")
            continue
        rows.append(
            {
                "family": family,
                "microseconds": own.middle,
                "microseconds_low": own.low,
                "microseconds_high": own.high,
                "call_microseconds": own.call,
                "peer": name,
                "peer_microseconds": peer.middle,
                "peer_call_microseconds": peer.call,
                "ratio": peer.middle / own.middle,
                "ratio_low": peer.low / own.high,
                "ratio_high": peer.high / own.low,
                "call_ratio": peer.call / own.call,
                **shared,
            }
        )
    return rows


def gpu_rows(
    device: str = "cuda",
    sizes: Sizes | None = None,
    timers: Mapping[str, Timer] = TIMERS,
    compiled: bool = True,
) -> pd.DataFrame:
    """Check everything, then time it.

    Parameters
    ----------
    device : str
        A GPU; the CPU while Triton interprets, for a test of this program.
    sizes : Sizes, optional
        Those of the workloads unless given.
    timers : mapping of str to callable
        By the name of the clock.
    compiled : bool
        Whether ``torch.compile`` is among the peers.

    Returns
    -------
    DataFrame
        One row for each family and peer.
    """
    checks = check_table().set_index("family")
    print(checks.to_string())
    wrong = checks[(checks["error"] > checks["allowed"]) | (checks["path"] != KERNEL)]
    if len(wrong):
        raise RuntimeError(f"not timed, since checks failed: {', '.join(wrong.index)}")
    where, sizes = torch.device(device), sizes or Sizes()
    name = hardware(where)
    card = next((card for key, card in CARDS.items() if key.split()[0] in name), None)
    kept = {
        "set": "benchmark",
        "hardware": name,
        "versions": versions(where),
        "date": datetime.now(UTC).date().isoformat(),
        "data": "synthetic",
        "commit": commit(),
    }
    rows = []
    for work in workloads(sizes.rows, sizes.views, sizes.replicates):
        make, clock = SUITES[work.family]
        ways = make(where, sizes)
        if not compiled:
            ways = {way: run for way, run in ways.items() if not way.startswith(COMPILED_WAY)}
        shared = {
            "clock": clock,
            "workload": work.workload,
            "error": checks.loc[work.family, "error"],
            "floor_microseconds": 1e6 * work.floor_seconds(card) if card else float("nan"),
            "floor_of": card.name if card else "",
            **kept,
        }
        rows += _rows(work.family, ways, timers[clock], shared)
    return pd.DataFrame(rows)


def main() -> None:
    """Record on a GPU; elsewhere time the CPU peers and say what is missing."""
    if HAS_TRITON and torch.cuda.is_available():
        rows = gpu_rows()
        print(rows.to_string(index=False, float_format="{:.4g}".format))
        print(f"appended to {append(rows)}")
        return
    missing = "a CUDA GPU" if HAS_TRITON else "a CUDA GPU and Triton"
    print(f"kernels: nothing is recorded here; timing them needs {missing}. CPU peers:")
    table = price_table(n_rows=20_000, n_views=16, n_replicates=10_000, n_naive_replicates=2)
    CPU_RESULTS.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(CPU_RESULTS, index=False, float_format="%.6g")
    print(table.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
