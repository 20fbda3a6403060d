"""Optimiser and learning rates of one run."""

import math

import torch
from torch import nn

from cxrstudy.vision.training.config import TrainingConfig


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Build AdamW with one rate for the backbone and one for the head.

    Parameters
    ----------
    model : ImageClassifier
    config : TrainingConfig

    Returns
    -------
    Optimizer
        Of the weights that have gradients.
    """
    groups = [
        {
            "params": [tensor for tensor in part.parameters() if tensor.requires_grad],
            "lr": rate,
            "initial_lr": rate,
        }
        for part, rate in (
            (model.backbone, config.learning_rate),
            (model.head, config.head_learning_rate),
        )
        if part is not None
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        weight_decay=config.weight_decay,
        # A hundred small tensors in one launch.
        fused=torch.cuda.is_available() or None,
    )


def build_scheduler(
    optimizer: torch.optim.Optimizer, config: TrainingConfig, n_steps: int, finished: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Build the schedule of the learning rates, which belongs to the length of the run.

    Parameters
    ----------
    optimizer : Optimizer
    config : TrainingConfig
    n_steps : int
        Steps of the whole run.
    finished : int
        Steps that an earlier part of the run has taken.

    Returns
    -------
    LRScheduler
        To be stepped after every step of the optimizer.
    """
    warmup = max(1, round(config.warmup_fraction * n_steps))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, n_steps - warmup)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor, last_epoch=finished - 1)
