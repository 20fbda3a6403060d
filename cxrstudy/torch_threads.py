"""How many threads torch uses, for as long as it matters."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def limited_threads(n_threads: int) -> Iterator[None]:
    """Let torch use so many threads on the CPU, and as many as before afterwards.

    Small models are fastest on one: more threads wait for each other at every layer, and on a
    busy machine for a long time.

    Parameters
    ----------
    n_threads : int
    """
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
