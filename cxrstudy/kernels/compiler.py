"""Triton where it is installed, and names that can be imported where it is not.

A kernel's file also holds its reference, so it must import on machines without Triton (macOS,
Windows, a slim CPU image). Annotations such as ``tl.constexpr`` stay text there, because every
kernel file has ``from __future__ import annotations``; Triton reads them as text too.
"""

from collections.abc import Callable

try:
    import triton
    import triton.language as tl
except ImportError:
    triton = tl = None

HAS_TRITON = triton is not None


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
