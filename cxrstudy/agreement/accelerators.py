"""Faster evaluations of replicates that other packages offer.

This package needs no torch and imports nothing that does. `cxrstudy.kernels` registers its GPU
kernels here when it is imported; until then the CPU's functions run.
"""

from collections.abc import Callable

_REGISTERED: dict[str, tuple[Callable, Callable]] = {}


def register(name: str, function: Callable, is_worthwhile: Callable[..., bool]) -> None:
    """Offer ``function`` in place of the CPU's function of this name.

    It is called where ``is_worthwhile`` says so of the same arguments, such as on a large table
    while a GPU is there.
    """
    _REGISTERED[name] = function, is_worthwhile


def accelerated(name: str, *arguments) -> Callable | None:
    """Return the registered function that suits a call with these arguments, if there is one."""
    function, is_worthwhile = _REGISTERED.get(name, (None, None))
    return function if function and is_worthwhile(*arguments) else None
