"""Which path a call takes: the kernel, or the reference beside it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch

from cxrstudy.kernels.compiler import HAS_TRITON, interpreted

KERNEL, REFERENCE = "kernel", "reference"

_watched: ContextVar[list[tuple[str, str]] | None] = ContextVar("watched", default=None)


@contextmanager
def watch_paths() -> Iterator[list[tuple[str, str]]]:
    """Collect each call's family and path, such as ``("bce", "kernel")``, in their order.

    A test or a benchmark of a kernel is worth nothing if the reference ran instead, so both
    assert what this yields.
    """
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
