"""Keep compiled kernels of different sources apart.

Numba's cache notices a change of the file that a kernel stands in, and misses one of a file whose
functions were compiled into it: a run could then use code that is no longer there. One cache
folder for each state of a package's sources rules this out.
"""

import hashlib
from pathlib import Path

import numba

_CHOSEN_BY_USER = numba.config.CACHE_DIR


def separate_kernels_by_source(folder: Path) -> None:
    """Point numba's cache to a folder named after the content of a package's modules.

    A package calls this before it imports its kernels: numba looks the folder up when it
    decorates a function.

    Parameters
    ----------
    folder : Path
        The package's folder; every module in it counts.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    root = Path(_CHOSEN_BY_USER or folder / "__pycache__" / "kernels")
    numba.config.CACHE_DIR = str(root / digest.hexdigest()[:12])
