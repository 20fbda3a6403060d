"""The state of an unfinished run: weights, optimiser, and what it has predicted so far.

Orders of images and augmentations need no place in it: they are functions of seed and epoch.
"""

import pickle
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import torch
from torch import Tensor, nn

from cxrstudy.vision.training.config import TrainingConfig
from cxrstudy.whole_files import written_whole

# Cut off, empty, no archive at all, more than plain values in it, no checkpoint.
_UNREADABLE = (OSError, RuntimeError, EOFError, pickle.UnpicklingError, LookupError, TypeError)


class CheckpointError(ValueError):
    """A checkpoint that is damaged or belongs to another training; the message names the file."""


@dataclass(frozen=True, eq=False)
class Progress:
    """What each finished epoch has produced."""

    losses: list[Tensor] = field(default_factory=list)  # means, of float32, no dimension
    logits: list[Tensor] = field(default_factory=list)  # of float32, (n_watched, n_targets) each


class Checkpoint:
    """The file of one run, which configuration, inputs, targets and watched inputs tell apart."""

    def __init__(self, path: str | Path, config: TrainingConfig, *data: Tensor) -> None:
        self.path = Path(path)
        self.run = joblib.hash((config, [tensor.numpy(force=True) for tensor in data]))

    def save(self, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write the state after an epoch; the file is whole at every moment."""
        state = {
            "run": self.run,
            "losses": progress.losses,
            "logits": progress.logits,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict()["state"],
        }
        with written_whole(self.path) as unfinished:
            torch.save(state, unfinished)

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Put a run back to where it was; without a file, to its beginning."""
        if not self.path.exists():
            return Progress()
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            run = state["run"]
        except _UNREADABLE as error:
            raise CheckpointError(
                f"{self.path}: damaged ({error}). Delete it; the run then starts anew."
            ) from None
        if run != self.run:
            raise CheckpointError(
                f"{self.path}: belongs to a training with another configuration or other "
                "data. Name another file, or delete this one."
            )
        model.load_state_dict(state["model"])
        # Rates and the like follow from the configuration; moments and steps come back.
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state["optimizer"]})
        return Progress(state["losses"], state["logits"])
