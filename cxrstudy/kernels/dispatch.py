"""Triton where it is installed, and which path a call takes: the kernel or its reference.

A kernel's file also holds its reference, so it must import on machines without Triton (macOS,
Windows, a slim CPU image). Annotations such as ``tl.constexpr`` stay text there, because every
kernel file has ``from __future__ import annotations``; Triton reads them as text too.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = tl = None

HAS_TRITON = triton is not None
KERNEL, REFERENCE = "kernel", "reference"

_watched: ContextVar[list[tuple[str, str]] | None] = ContextVar("watched", default=None)


def jit(function: Callable | None = None, **options):
    """Apply ``triton.jit``, bare or with its options; without Triton leave the kernel alone."""
    if triton is not None:
        return triton.jit(function, **options)
    return function if function is not None else lambda kernel: kernel


def interpreted() -> bool:
    """Whether Triton interprets kernels on the CPU (``TRITON_INTERPRET=1``)."""
    return triton is not None and triton.knobs.runtime.interpret


def cdiv(numerator: int, denominator: int) -> int:
    """Divide and round up: 5 / 2 is 3."""
    return -(-numerator // denominator)


def next_power_of_2(number: int) -> int:
    """Return the smallest power of two that is at least ``number``, and 1 for none."""
    return 1 << max(number - 1, 0).bit_length()


@contextmanager
def watch_paths() -> Iterator[list[tuple[str, str]]]:
    """Collect family and path of each call, ``("bce", "kernel")`` if no reference ran."""
    paths: list[tuple[str, str]] = []
    token = _watched.set(paths)
    try:
        yield paths
    finally:
        _watched.reset(token)


def takes_kernel(family: str, device: torch.device, supported: bool = True) -> bool:
    """Decide a call's path, and note it for `watch_paths`; the interpreter takes CPU tensors."""
    runs = device.type == "cuda" or (device.type == "cpu" and interpreted())
    chosen = HAS_TRITON and runs and supported
    paths = _watched.get()
    if paths is not None:
        paths.append((family, KERNEL if chosen else REFERENCE))
    return chosen


def kernel_device() -> torch.device:
    """Return the device for calls whose data come from the CPU: the GPU where there is one."""
    return torch.device("cuda" if HAS_TRITON and torch.cuda.is_available() else "cpu")


def on_device_of(tensor: torch.Tensor) -> AbstractContextManager:
    """Make a tensor's GPU the current one, for Triton launches there; nothing on a CPU."""
    return torch.cuda.device_of(tensor)
