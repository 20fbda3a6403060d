"""Numba, with compiled kernels of different sources kept apart; import it from here.

Numba's cache notices a change of the file that a kernel stands in, and misses one of a file whose
functions were compiled into it: a run could then use code that is no longer there. One cache
folder for each state of all compiled sources rules this out.
"""

import hashlib
from pathlib import Path

import numba

__all__ = ["numba"]

_PACKAGE = Path(__file__).parent


def _state_of_sources() -> str:
    """Hash every module that compiles a kernel."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        if b"numba.njit" in source:
            digest.update(source)
    return digest.hexdigest()[:12]


# Numba looks the folder up when it decorates a function, so this has to stand before all of them.
_root = Path(numba.config.CACHE_DIR or _PACKAGE / "__pycache__" / "kernels")
numba.config.CACHE_DIR = str(_root / _state_of_sources())
