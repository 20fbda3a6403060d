"""The one training loop of every image study."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from cxrstudy.kernels.bce import masked_bce
from cxrstudy.vision.classifier import ImageClassifier, build_classifier
from cxrstudy.vision.precision import full_precision
from cxrstudy.vision.training.batches import pick_batch
from cxrstudy.vision.training.checkpoint import Checkpoint, no_progress
from cxrstudy.vision.training.config import TrainingConfig
from cxrstudy.vision.training.schedule import build_optimizer, build_scheduler

_PREDICTION_BATCH = 256


@dataclass(frozen=True, eq=False)
class Training:
    """A finished run.

    Attributes
    ----------
    config : TrainingConfig
    model : ImageClassifier
        With its final weights, in evaluation mode, on the device that trained it.
    losses : Tensor of float32, shape (epochs,)
        Mean training loss of each epoch.
    logits : Tensor of float32, shape (epochs, n_watched, n_targets)
        Predictions for the watched inputs after each epoch.
    seconds : float
        Wall time of this call.
    """

    config: TrainingConfig
    model: ImageClassifier
    losses: Tensor
    logits: Tensor
    seconds: float


def train(
    inputs: Tensor,
    targets: Tensor,
    config: TrainingConfig,
    watched: Tensor | None = None,
    checkpoint: str | Path | None = None,
) -> Training:
    """Train a classifier, and look at the watched inputs after every epoch.

    The inputs lie on the device as a whole and are picked by index, so that no loader stands
    between memory and model. On a CPU equal arguments give equal weights; on a GPU it computes
    in bfloat16, and several GPUs share each batch (`accelerate launch`).

    Parameters
    ----------
    inputs : Tensor
        Images of uint8, shape (n, size, size), or features of float32, shape (n, n_features).
    targets : Tensor of float32, shape (n, n_targets)
        From 0 to 1; NaN where a source says nothing.
    config : TrainingConfig
    watched : Tensor, optional
        Held-out inputs, as `inputs`. They decide nothing.
    checkpoint : path, optional
        Where the state is kept after every epoch. A run that was stopped at any moment goes on
        from there and ends with the same weights (on a CPU). The caller removes the file once
        the result is safe.

    Returns
    -------
    Training

    Raises
    ------
    ValueError
        If inputs and targets do not fit together, or a target has no label at all.
    CheckpointError
        If the checkpoint is damaged or belongs to another training.
    """
    _check(inputs, targets)
    start = time.perf_counter()
    with _own_randomness(config.seed):
        accelerator = Accelerator(mixed_precision=_precision())
        prevalence = targets.nanmean(dim=0)
        model = build_classifier(config, inputs, prevalence)
        steps_per_epoch = -(-len(inputs) // config.batch_size)
        model, optimizer = accelerator.prepare(model, build_optimizer(model, config))
        # Predictions are made in full precision, whatever the training computes in.
        bare = accelerator.unwrap_model(model, keep_fp32_wrapper=False)
        inputs, targets = inputs.to(accelerator.device), targets.to(accelerator.device)
        watched = inputs[:0] if watched is None else watched.to(accelerator.device)
        kept = Checkpoint(checkpoint, config, inputs, targets, watched) if checkpoint else None
        progress = kept.load(bare, optimizer) if kept else None
        progress = progress or no_progress(len(watched), targets.shape[1])
        scheduler = build_scheduler(
            optimizer,
            config,
            n_steps=config.epochs * steps_per_epoch,
            finished=progress.epochs * steps_per_epoch,
        )
        for epoch in range(progress.epochs, config.epochs):
            loss = _train_epoch(
                accelerator, model, optimizer, scheduler, inputs, targets, config, epoch
            )
            progress = progress.after(loss.float().cpu(), predict_logits(bare, watched))
            if kept and accelerator.is_main_process:
                kept.save(progress, bare, optimizer)
    seconds = time.perf_counter() - start
    return Training(config, bare.eval(), progress.losses, progress.logits, seconds)


def predict_logits(model: ImageClassifier, inputs: Tensor) -> Tensor:
    """Return a model's logits for any number of inputs, batch by batch.

    Parameters
    ----------
    model : ImageClassifier
    inputs : Tensor
        As `train` takes them.

    Returns
    -------
    Tensor of float32, shape (n, n_targets)
        On the CPU.
    """
    device = next(model.parameters()).device
    with torch.inference_mode(), full_precision():
        batches = [
            model(batch.to(device)).float().cpu() for batch in inputs.split(_PREDICTION_BATCH)
        ]
    return torch.cat(batches).clone()


def _train_epoch(
    accelerator, model, optimizer, scheduler, inputs, targets, config, epoch
) -> Tensor:
    """Take every training input once, in an order that seed and epoch decide."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
    total = torch.zeros((), device=inputs.device)
    for number, batch in enumerate(order.split(config.batch_size)):
        rows, offset = _own_part(batch, accelerator.process_index, accelerator.num_processes)
        first = epoch * len(inputs) + number * config.batch_size + offset
        with accelerator.autocast():
            logits = model(pick_batch(inputs, rows, config, first))
        loss = masked_bce(logits, targets[rows], smoothing=config.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        optimizer.step()
        scheduler.step()
        total += loss.detach() * len(batch)
    return accelerator.reduce(total, "mean") / len(inputs)


def _own_part(batch: Tensor, index: int, n_processes: int) -> tuple[Tensor, int]:
    """Return one process's part of a batch, and where it begins; all of a batch that is too small.

    Parts are contiguous, so that each image has its own random view.
    """
    if len(batch) < n_processes:
        return batch, 0
    parts = batch.tensor_split(n_processes)
    return parts[index], sum(map(len, parts[:index]))


def _precision() -> str:
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"


def _check(inputs: Tensor, targets: Tensor) -> None:
    if len(inputs) != len(targets) or not len(inputs):
        raise ValueError(f"{len(inputs)} inputs and {len(targets)} rows of targets do not fit")
    silent = torch.isnan(targets).all(dim=0)
    if silent.any():
        raise ValueError(f"target {int(silent.nonzero()[0])} has no label at all; leave it out")


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Seed torch's global generators and put them back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
