"""A backbone with a head, and the one training loop of every image study."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from cxrstudy.kernels.augment import Augmentation, augment_views
from cxrstudy.kernels.bce import masked_bce
from cxrstudy.trainings.job import own_randomness
from cxrstudy.vision.backbones import Backbone, build_backbone, full_precision
from cxrstudy.vision.training.checkpoint import Checkpoint, Progress
from cxrstudy.vision.training.config import Head, TrainingConfig

_HIDDEN_UNITS = 256
_PREDICTION_BATCH = 256


class ImageClassifier(nn.Module):
    """From images, (n, size, size), or without a backbone from features, (n, n_features)."""

    def __init__(self, backbone: Backbone | None, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits, (n, n_targets)."""
        return self.head(inputs if self.backbone is None else self.backbone(inputs))


def build_classifier(config: TrainingConfig, inputs: Tensor, prevalence: Tensor) -> ImageClassifier:
    """Build a classifier of inputs like these, with gradients where `config.trainable` says.

    The head starts at the share of positives, (n_targets,), which spares the first epoch.
    """
    backbone, n_features = None, inputs.shape[-1]
    if inputs.ndim == 3:
        backbone = build_backbone(config.backbone, calibration=inputs[: 8 * config.batch_size])
        n_features = backbone.n_features
        _freeze(backbone, config.trainable)
    return ImageClassifier(backbone, _build_head(config.head, n_features, prevalence))


def _freeze(backbone: Backbone, trainable: str) -> None:
    """Leave gradients to all, the last third, or none of the backbone's tensors."""
    tensors = list(backbone.parameters())
    learning = {"all": len(tensors), "last third": len(tensors) // 3, "head": 0}[trainable]
    for tensor in tensors[: len(tensors) - learning]:
        tensor.requires_grad_(False)


def _build_head(kind: Head, n_features: int, prevalence: Tensor) -> nn.Module:
    last = nn.Linear(n_features if kind == "linear" else _HIDDEN_UNITS, len(prevalence))
    with torch.no_grad():
        last.bias.copy_(torch.logit(prevalence.clamp(1e-3, 1 - 1e-3)))
    if kind == "linear":
        return last
    return nn.Sequential(nn.Linear(n_features, _HIDDEN_UNITS), nn.ReLU(), last)


@dataclass(frozen=True, eq=False)
class Training:
    """A finished run."""

    model: ImageClassifier  # final weights, in evaluation mode, on the device that trained it
    losses: Tensor  # of float32, (epochs,): mean training loss of each epoch
    logits: Tensor  # of float32, (epochs, n_watched, n_targets): predictions after each epoch
    seconds: float  # wall time of this call


def train(
    inputs: Tensor,
    targets: Tensor,
    config: TrainingConfig,
    watched: Tensor | None = None,
    checkpoint: str | Path | None = None,
) -> Training:
    """Train a classifier, and look at the watched inputs after every epoch.

    Inputs are images of uint8, (n, size, size), or features of float32, (n, n_features); targets
    are from 0 to 1, (n, n_targets), NaN where a source says nothing. They lie on the device as a
    whole and are picked by index, so that no loader stands between memory and model. On a CPU
    equal arguments give equal weights; on a GPU it computes in bfloat16. Several processes of
    `accelerate launch` share each batch, so that their number changes only the order of sums.

    A run that was stopped goes on from its checkpoint and ends with the same weights (on a CPU);
    the caller removes the file once the result is safe.
    """
    _check(inputs, targets)
    start = time.perf_counter()
    with own_randomness(config.seed):
        accelerator = Accelerator(mixed_precision=_precision())
        model = build_classifier(config, inputs, targets.nanmean(dim=0))
        model, optimizer = accelerator.prepare(model, build_optimizer(model, config))
        # Predictions are made in full precision, whatever the training computes in.
        bare = accelerator.unwrap_model(model, keep_fp32_wrapper=False)
        inputs, targets = inputs.to(accelerator.device), targets.to(accelerator.device)
        watched = inputs[:0] if watched is None else watched.to(accelerator.device)
        kept = Checkpoint(checkpoint, config, inputs, targets, watched) if checkpoint else None
        progress = kept.load(bare, optimizer) if kept else Progress()
        accelerator.wait_for_everyone()  # Nobody removes the checkpoint before all have read it.
        n_batches = math.ceil(len(inputs) / config.batch_size)
        finished = len(progress.losses)
        scheduler = build_scheduler(
            optimizer, config, config.epochs * n_batches, finished * n_batches
        )
        for epoch in range(finished, config.epochs):
            loss = _train_epoch(
                accelerator, model, optimizer, scheduler, inputs, targets, config, epoch
            )
            progress.losses.append(loss.float().cpu())
            progress.logits.append(predict_logits(bare, watched))
            if kept and accelerator.is_main_process:
                kept.save(progress, bare, optimizer)
    losses, logits = torch.stack(progress.losses), torch.stack(progress.logits)
    return Training(bare.eval(), losses, logits, time.perf_counter() - start)


def predict_logits(model: ImageClassifier, inputs: Tensor) -> Tensor:
    """Return logits of any number of inputs on the CPU, of float32, (n, n_targets)."""
    device = next(model.parameters()).device
    with torch.inference_mode(), full_precision():
        batches = [
            model(batch.to(device)).float().cpu() for batch in inputs.split(_PREDICTION_BATCH)
        ]
    return torch.cat(batches).clone()


def pick_batch(inputs: Tensor, rows: Tensor, config: TrainingConfig, first: int) -> Tensor:
    """Return some inputs, or random views of images; `first`, images taken so far, decides them."""
    if not config.augmented or inputs.ndim == 2:
        return inputs[rows]
    # The classifier normalises by itself, so that views come back on the scale of the bytes.
    augmentation = Augmentation(size=tuple(inputs.shape[1:]), mean=0.0, deviation=1 / 255)
    return augment_views(inputs, rows, augmentation, config.seed, first).squeeze(1)


def build_optimizer(model: ImageClassifier, config: TrainingConfig) -> torch.optim.AdamW:
    """Build AdamW for the weights that have gradients, with rates for backbone and head."""
    groups = []
    for part, rate in (
        (model.backbone, config.learning_rate),
        (model.head, config.head_learning_rate),
    ):
        learning = [] if part is None else [t for t in part.parameters() if t.requires_grad]
        if learning:
            groups.append({"params": learning, "lr": rate, "initial_lr": rate})
    # Fused: a hundred small tensors in one launch.
    fused = torch.cuda.is_available() or None
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=fused)


def build_scheduler(
    optimizer: torch.optim.Optimizer, config: TrainingConfig, n_steps: int, finished: int
) -> LambdaLR:
    """Build the schedule of a run of so many steps, some of which an earlier part has taken."""
    warmup = max(1, round(config.warmup_fraction * n_steps))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, n_steps - warmup)))

    return LambdaLR(optimizer, factor, last_epoch=finished - 1)


def _train_epoch(
    accelerator, model, optimizer, scheduler, inputs, targets, config, epoch
) -> Tensor:
    """Take every training input once, in an order that seed and epoch decide."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
    n_labels, n_processes = targets.isfinite().sum(dim=1), accelerator.num_processes
    total = torch.zeros((), device=inputs.device)
    for number, batch in enumerate(order.split(config.batch_size)):
        rows, offset = _own_part(batch, accelerator.process_index, n_processes)
        first = epoch * len(inputs) + number * config.batch_size + offset
        with accelerator.autocast():
            logits = model(pick_batch(inputs, rows, config, first))
        loss = masked_bce(logits, targets[rows], smoothing=config.label_smoothing)
        if len(rows) < len(batch):
            # Gradients are averaged over processes, and the loss is a mean over labels.
            loss = loss * n_labels[rows].sum() * n_processes / n_labels[batch].sum().clamp(min=1)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        optimizer.step()
        scheduler.step()
        total += loss.detach() * len(batch)
    return accelerator.reduce(total, "mean") / len(inputs)


def _own_part(batch: Tensor, index: int, n_processes: int) -> tuple[Tensor, int]:
    """Return one process's part of a batch, and where it begins; all of a batch that is too small.

    Parts are contiguous, so that each image has its own random view. Of 10 images the second of
    3 processes takes the 5th to the 7th, from 4 on.
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
