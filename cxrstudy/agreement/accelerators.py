"""Faster evaluations of replicates that other packages offer.

This package needs no torch and imports nothing that does. What offers GPU kernels is named by an
entry point of the group ``cxrstudy.accelerators`` and registers itself when it is loaded.
"""

from collections.abc import Callable
from ctypes.util import find_library
from functools import cache
from importlib.metadata import entry_points

_REGISTERED: dict[str, tuple[Callable, Callable]] = {}


def register(name: str, function: Callable, is_worthwhile: Callable[..., bool]) -> None:
    """Offer ``function`` in place of the CPU's where ``is_worthwhile`` says so of its arguments."""
    _REGISTERED[name] = function, is_worthwhile


def accelerated(name: str, *arguments) -> Callable | None:
    """Return the registered function that suits a call with these arguments, if there is one."""
    _load_offers()
    if name not in _REGISTERED:
        return None
    function, is_worthwhile = _REGISTERED[name]
    return function if is_worthwhile(*arguments) else None


@cache
def _load_offers() -> None:
    """Load what installed packages offer, once; without a CUDA driver none could be used."""
    if find_library("cuda"):
        for offer in entry_points(group="cxrstudy.accelerators"):
            offer.load()
