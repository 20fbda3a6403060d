"""The state of an unfinished run: weights, optimiser, and what it has predicted so far.

Everything is a tensor in one safetensors file, so that nothing is ever unpickled. Orders of
images and augmentations need no place in it: they are functions of seed and epoch.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

_EPOCHS = "epochs"


@dataclass(frozen=True, eq=False)
class Progress:
    """What a run has produced up to some epoch.

    Attributes
    ----------
    epochs : int
        Finished epochs.
    losses : Tensor of float32, shape (epochs,)
        Mean training loss of each.
    logits : Tensor of float32, shape (epochs, n_watched, n_targets)
        Predictions for the watched images after each.
    """

    epochs: int
    losses: Tensor
    logits: Tensor


def save_checkpoint(
    path: Path, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write the state after an epoch; the file is whole at every moment.

    Parameters
    ----------
    path : Path
    progress : Progress
    model : Module
    optimizer : Optimizer
    """
    state = {"progress.losses": progress.losses, "progress.logits": progress.logits}
    state |= {f"model.{key}": value for key, value in model.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{number}.{key}": value for key, value in moments.items()}
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in state.items()},
            unfinished,
            metadata={_EPOCHS: str(progress.epochs)},
        )
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress | None:
    """Put a run back to where it was.

    Parameters
    ----------
    path : Path
    model : Module
        Changed in place.
    optimizer : Optimizer
        Changed in place.

    Returns
    -------
    Progress or None
        None if there is no checkpoint.
    """
    if not path.exists():
        return None
    parts: dict[str, dict[str, Tensor]] = {"progress": {}, "model": {}, "optimizer": {}}
    with safe_open(path, framework="pt") as kept:
        epochs = int(kept.metadata()[_EPOCHS])
        for key in kept.keys():  # noqa: SIM118  not a mapping
            part, _, name = key.partition(".")
            parts[part][name] = kept.get_tensor(key)
    model.load_state_dict(parts["model"])
    state = optimizer.state_dict()
    for name, tensor in parts["optimizer"].items():
        number, _, key = name.partition(".")
        state["state"].setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict(state)
    return Progress(epochs, parts["progress"]["losses"], parts["progress"]["logits"])
