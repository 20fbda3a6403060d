"""What a training is, what is kept of it, and what it may not disturb."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, get_origin, get_type_hints

import numpy as np
import torch
from accelerate.utils import set_seed
from safetensors import safe_open
from safetensors.torch import save_file

from cxrstudy.whole_files import written_whole

_ARRAY, _WEIGHT = "array.", "weight."


@dataclass(frozen=True, eq=False)
class Trained:
    """What a job's training leaves."""

    arrays: Mapping[str, np.ndarray]  # predictions, losses
    about: Mapping[str, float]  # such as {"seconds": 12.5}
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)  # if they are to be kept


class Job(Protocol):
    """One training; it is known by the code of its class's module, `config` and `data`."""

    config: Any  # a dataclass: how to train

    @property
    def cost(self) -> float:
        """Time it takes, in any unit that the jobs of one call share."""

    def data(self) -> Sequence[np.ndarray | Sequence[str]]:
        """Return everything that it learns from or predicts."""

    def train(self, checkpoint: Path) -> Trained:
        """Train; the state of an unfinished run may lie at the path."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A finished training as its safetensors file holds it.

    Final weights lie there too, in half precision, if the job kept them: `safetensors` reads those
    whose names begin with ``weight.``.
    """

    path: Path
    arrays: dict[str, np.ndarray]  # as the job named them
    about: dict[str, Any]  # what the job said, and its configuration as "config"


def keep(path: Path, config: Any, trained: Trained) -> None:
    """Write what a training left; the file is whole or absent."""
    tensors = {_ARRAY + name: torch.from_numpy(a) for name, a in trained.arrays.items()}
    for name, weight in trained.weights.items():
        half = weight.half() if weight.is_floating_point() else weight
        tensors[_WEIGHT + name] = half.cpu().contiguous()
    about = json.dumps({"config": asdict(config), **trained.about})
    with written_whole(path) as unfinished:
        save_file(tensors, unfinished, metadata={"about": about})


def read_kept(path: Path) -> Kept:
    """Read everything but the weights."""
    with safe_open(path, "numpy") as file:
        about = json.loads(file.metadata()["about"])
        names = [name for name in file.keys() if name.startswith(_ARRAY)]  # noqa: SIM118
        arrays = {name.removeprefix(_ARRAY): file.get_tensor(name) for name in names}
    return Kept(path, arrays, about)


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and torch, and put them back afterwards."""
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002  libraries draw from the global generator
    with torch.random.fork_rng():
        set_seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


@contextmanager
def limited_threads(n_threads: int) -> Iterator[None]:
    """Let torch use so many threads on the CPU for a while; small models are fastest on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_values(config: Any, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Refuse a field outside its range, or a `Literal` field of another value; name it."""
    for name, kind in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if get_origin(kind) is Literal and value not in get_args(kind):
            raise ValueError(f"{name} must be one of {get_args(kind)}, not {value!r}")
        low, high = ranges.get(name, (None, None))
        if low is not None and not low <= value <= high:
            raise ValueError(f"{name} must be from {low} to {high}, not {value!r}")
