"""Where this package's compiled kernels are kept; imported before any of them."""

from pathlib import Path

from cxrstudy.kernel_cache import separate_kernels_by_source

separate_kernels_by_source(Path(__file__).parent)
