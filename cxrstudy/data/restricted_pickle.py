"""Read a pickle that may hold plain containers, numbers and text, and nothing that runs.

A pickle is a program that may call any function it can name: here two that build numpy numbers.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

_scalar = np.float64(0).__reduce__()[0]

# All that a pickle may name, under numpy 1's and numpy 2's module names.
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
}


class UnsafePickleError(ValueError):
    """A pickle names something that is not admitted; nothing of it was run."""


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Look a name up among the admitted ones; nothing is ever imported."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise UnsafePickleError(f"names {module}.{name}") from None


def load_restricted_pickle(path: str | Path) -> Any:
    """Load a pickle of dicts, lists, text, numbers and numpy scalars, and refuse any other."""
    try:
        with Path(path).open("rb") as file:
            return _RestrictedUnpickler(file).load()
    except UnsafePickleError as error:
        raise UnsafePickleError(
            f"{path}: this pickle {error}, which could run code. Only plain containers and numpy "
            "numbers are read; do not open it with Python's own pickle module."
        ) from None
