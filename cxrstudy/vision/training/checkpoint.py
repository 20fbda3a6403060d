"""The state of an unfinished run: weights, optimiser, and what it has predicted so far.

Everything is a tensor in one safetensors file, so that nothing is ever unpickled. Orders of
images and augmentations need no place in it: they are functions of seed and epoch.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cxrstudy.vision.training.config import TrainingConfig

_EPOCHS, _RUN = "epochs", "run"


class CheckpointError(ValueError):
    """A checkpoint that is damaged or belongs to another training; the message names the file."""


@dataclass(frozen=True, eq=False)
class Progress:
    """What a run has produced up to some epoch.

    Attributes
    ----------
    losses : Tensor of float32, shape (epochs,)
        Mean training loss of each finished epoch.
    logits : Tensor of float32, shape (epochs, n_watched, n_targets)
        Predictions for the watched images after each.
    """

    losses: Tensor
    logits: Tensor

    @property
    def epochs(self) -> int:
        """Finished epochs."""
        return len(self.losses)

    def after(self, loss: Tensor, logits: Tensor) -> "Progress":
        """Return the progress after one more epoch."""
        return Progress(
            torch.cat([self.losses, loss.view(1)]), torch.cat([self.logits, logits.unsqueeze(0)])
        )


def no_progress(n_watched: int, n_targets: int) -> Progress:
    """Return the progress of a run that has not begun."""
    return Progress(torch.empty(0), torch.empty(0, n_watched, n_targets))


class Checkpoint:
    """The file of one run.

    Parameters
    ----------
    path : path
        Its folder must exist.
    config : TrainingConfig
    *data : Tensor
        What the run learns from and what it predicts: inputs, targets, watched inputs. With the
        configuration they tell the run from others.
    """

    def __init__(self, path: str | Path, config: TrainingConfig, *data: Tensor) -> None:
        self.path = Path(path)
        shapes = [(list(tensor.shape), str(tensor.dtype)) for tensor in data]
        digest = hashlib.sha256(json.dumps([asdict(config), shapes]).encode())
        for tensor in data:
            digest.update(tensor.cpu().contiguous().numpy().data)
        self.run = digest.hexdigest()

    def save(self, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write the state after an epoch; the file is whole at every moment.

        Parameters
        ----------
        progress : Progress
        model : Module
        optimizer : Optimizer
        """
        state = {"progress.losses": progress.losses, "progress.logits": progress.logits}
        state |= {f"model.{key}": value for key, value in model.state_dict().items()}
        for number, moments in optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{number}.{key}": value for key, value in moments.items()}
        # One name for every attempt: what a killed one left behind is written over.
        unfinished = self.path.with_name(f".{self.path.name}.unfinished")
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in state.items()},
            unfinished,
            metadata={_EPOCHS: str(progress.epochs), _RUN: self.run},
        )
        os.replace(unfinished, self.path)

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
        """Put a run back to where it was.

        Parameters
        ----------
        model : Module
            Changed in place.
        optimizer : Optimizer
            Changed in place.

        Returns
        -------
        Progress or None
            None if there is no file.

        Raises
        ------
        CheckpointError
            If the file is damaged or of another run.
        """
        if not self.path.exists():
            return None
        parts: dict[str, dict[str, Tensor]] = {"progress": {}, "model": {}, "optimizer": {}}
        try:
            with safe_open(self.path, framework="pt") as kept:
                run = (kept.metadata() or {}).get(_RUN)
                for key in kept.keys():  # noqa: SIM118  not a mapping
                    part, _, name = key.partition(".")
                    parts[part][name] = kept.get_tensor(key)
        except (SafetensorError, KeyError) as error:
            raise CheckpointError(
                f"{self.path}: damaged ({error}). Delete it; the run then starts anew."
            ) from None
        if run != self.run:
            raise CheckpointError(
                f"{self.path}: belongs to a training with another configuration or other "
                "data. Name another file, or delete this one."
            )
        model.load_state_dict(parts["model"])
        state = optimizer.state_dict()
        for name, tensor in parts["optimizer"].items():
            number, _, key = name.partition(".")
            state["state"].setdefault(int(number), {})[key] = tensor
        optimizer.load_state_dict(state)
        for parameter, moments in optimizer.state.items():
            for key, value in moments.items():
                if value.shape == parameter.shape:
                    # A fused optimiser wants moments laid out as their weights are.
                    moments[key] = torch.empty_like(parameter).copy_(value)
        return Progress(parts["progress"]["losses"], parts["progress"]["logits"])
