"""Clocks: what keeps the GPU busy, what a caller waits for in a loop, and the wall clock.

A short kernel ends before Python has launched the next one, so that events around a call would
measure Python. `device_times` therefore fills the GPU's queue first: when the call's first
kernel starts, its last one has long been launched. What Python costs is a second figure, the
time from call to call in a loop.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

FLUSH_BYTES = 1 << 28
"""Written before each timed call: five times the cache of an H200."""

FILLS = 64
"""Times that it is written: 4 ms of work, longer than any way takes to launch."""

WARM_UPS, REPEATS = 5, 50
LOOPS, CALLS = 5, 20
WALL_REPEATS = 7
SPREAD = (0.5, 0.2, 0.8)


class Times(NamedTuple):
    """Microseconds of one way."""

    middle: float  # median
    low: float  # 20th percentile
    high: float  # 80th percentile
    call: float  # from call to call in a loop, by wall clock


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def device_times(run: Callable[[], object]) -> Times:
    """Time the GPU's work by events, launches hidden and the cache flushed."""
    buffer = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")
    for _ in range(WARM_UPS):
        run()
    spent = []
    for _ in range(REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        for _ in range(FILLS):
            buffer.zero_()
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        spent.append(1000 * begin.elapsed_time(end))
    return Times(*np.quantile(spent, SPREAD), call=call_time(run))


def call_time(run: Callable[[], object]) -> float:
    """Time one call of a loop of calls by wall clock; the median of some loops."""
    spent = []
    for _ in range(LOOPS):
        _wait()
        start = time.perf_counter()
        for _ in range(CALLS):
            run()
        _wait()
        spent.append(1e6 * (time.perf_counter() - start) / CALLS)
    return float(np.median(spent))


def wall_times(run: Callable[[], object], repeats: int = WALL_REPEATS) -> Times:
    """Time calls one by one by wall clock; warmed up once."""
    spent = []
    for _ in range(repeats + 1):
        _wait()
        start = time.perf_counter()
        run()
        _wait()
        spent.append(1e6 * (time.perf_counter() - start))
    middle, low, high = np.quantile(spent[1:], SPREAD)
    return Times(middle, low, high, call=middle)
