"""Evidence for the kernels of study 13, which its page reads: ``python -m benchmarks.kernels``.

On a GPU each kernel is first checked against its reference, and that it was the kernel that ran;
then it is timed against eager torch, torch.compile and the CPU engine in the same run, and rows
are appended to ``book/recorded/kernels.csv``. Rows are measured or absent. Without a GPU the CPU's
prices are timed and nothing is recorded.

With ``--record-cpu`` the tables in ``book/recorded/kernels`` are written anew, for which Triton is
needed and no GPU: checks under the interpreter, kernels compiled for sm_90, prices, and what the
workloads ask of a card.

Losses and views are timed by what they keep the GPU busy with, and from call to call; the
bootstrap and the ranking by wall clock from arrays on the CPU to results on the CPU. A ratio's
spread is that of the middle 60 % of both times.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from benchmarks.kernels.checks import CHECKS, check_table, interpreted_checks, wrong_checks
from benchmarks.kernels.offline import compile_report
from benchmarks.kernels.prices import price_table
from benchmarks.kernels.record import append, provenance, write
from benchmarks.kernels.specimens import specimens
from benchmarks.kernels.timing import Times, device_times, wall_times
from benchmarks.kernels.ways import (
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
from benchmarks.kernels.workloads import workloads
from cxrstudy.kernels.dispatch import HAS_TRITON, KERNEL, watch_paths
from cxrstudy.recorded import load_recorded
from cxrstudy.studies import kernels as study

CPU_RESULTS = Path("_build/bench/kernels_cpu.csv")
PRICED = {"n_rows": 100_000, "n_views": 64, "n_replicates": 10_000, "n_naive_replicates": 2}
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
    noted = CHECKS[family].noted or family
    taken = {path for name, path in paths if name == noted}
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
    """Check everything, then time it; one row for each family and peer.

    The device is the CPU only while Triton interprets, for a test of this program.
    """
    checks = check_table().set_index("family", drop=False)
    print(checks.to_string(index=False))
    if wrong := wrong_checks(checks):
        raise RuntimeError(f"not timed, since checks failed: {', '.join(wrong)}")
    where, sizes = torch.device(device), sizes or Sizes()
    kept = provenance(where)
    card = next((c for c in study.CARDS.values() if c.name.split()[0] in kept["hardware"]), None)
    compiled_kernels = load_recorded(study.COMPILED)
    works = workloads(compiled_kernels, sizes.rows, sizes.views, sizes.replicates)
    floors = study.floor_table(card, works)["floor_microseconds"] if card else [float("nan")] * 5
    rows = []
    for work, floor in zip(works.itertuples(), floors, strict=True):
        make, clock = SUITES[work.family]
        ways = make(where, sizes)
        if not compiled:
            ways = {way: run for way, run in ways.items() if not way.startswith(COMPILED_WAY)}
        shared = {
            "clock": clock,
            "workload": work.workload,
            "error": checks.loc[work.family, "error"],
            "floor_microseconds": floor,
            "floor_of": card.name if card else "",
            **kept,
        }
        rows += _rows(work.family, ways, timers[clock], shared)
    return pd.DataFrame(rows)


def record_cpu() -> None:
    """Write the tables that need no GPU, all made in this run."""
    compiled = compile_report(specimens())
    checks = interpreted_checks()
    if wrong := wrong_checks(checks):
        raise RuntimeError(f"not recorded, since checks failed: {', '.join(wrong)}")
    tables = {
        study.CHECKS: checks,
        study.COMPILED: compiled,
        study.PRICES: price_table(**PRICED),
        study.WORKLOADS: workloads(compiled),
    }
    made = provenance(torch.device("cpu"))
    for name, table in tables.items():
        print(f"wrote {write(table.assign(**made), name)}")


def main(record: bool = False) -> None:
    """Record on a GPU, or the CPU's tables if asked; elsewhere time the CPU's prices."""
    if record:
        record_cpu()
        return
    if HAS_TRITON and torch.cuda.is_available():
        rows = gpu_rows()
        print(rows.to_string(index=False, float_format="{:.4g}".format))
        print(f"appended to {append(rows)}")
        return
    missing = "a CUDA GPU" if HAS_TRITON else "a CUDA GPU and Triton"
    print(f"kernels: nothing is recorded here; timing them needs {missing}. CPU prices:")
    table = price_table(**PRICED)
    CPU_RESULTS.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(CPU_RESULTS, index=False, float_format="%.6g")
    print(table.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels")
    parser.add_argument("--record-cpu", action="store_true", help="write the tables of a CPU")
    main(parser.parse_args().record_cpu)
