"""A training leaves the random generators as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from transformers import set_seed


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and torch, and restore them afterwards.

    The trainer draws from all of them.

    Parameters
    ----------
    seed : int
    """
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002  the trainer uses the global generator
    with torch.random.fork_rng():
        set_seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
