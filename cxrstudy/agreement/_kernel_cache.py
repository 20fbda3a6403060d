"""Keep compiled kernels of different sources apart.

Numba's cache notices a change of the file that a kernel stands in, and misses one of a file whose
functions were compiled into it: a run could then use code that is no longer there. One cache
folder for each state of the sources rules this out.
"""

import hashlib
from pathlib import Path

import numba


def _separate_kernels_by_source() -> None:
    """Point numba's cache to a folder named after the content of this package's modules."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    root = Path(numba.config.CACHE_DIR or folder / "__pycache__" / "kernels")
    numba.config.CACHE_DIR = str(root / digest.hexdigest()[:12])


_separate_kernels_by_source()
