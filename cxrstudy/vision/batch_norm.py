"""Batch normalisation: statistics measured once, then fixed and folded into the convolutions."""

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse


def calibrate_batch_norm(model: nn.Module, batches: list[Tensor]) -> None:
    """Set the statistics of every batch normalisation to those of these inputs.

    A network with random weights has statistics that fit no input, and its features are then
    worse than they need be; as a baseline it deserves its own. Layer after layer settles in one
    pass, because in training mode each normalises by the batch at hand.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        # None asks torch for the plain mean over all batches.
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for batch in batches:
            model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def fix_batch_norm(model: nn.Module) -> nn.Module:
    """Keep batch normalisation as it is, whatever else of the network learns.

    Small batches have statistics too noisy to learn from; torchvision's ``FrozenBatchNorm2d``
    is the same choice.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
    return model.eval()


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Fix batch normalisation, and fold it into the convolutions before it.

    The function stays the same and costs less. Fine-tuning such a network moves its
    convolutions; see `fix_batch_norm` for what stays.
    """
    return fuse(fix_batch_norm(model))
