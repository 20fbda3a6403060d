"""A backbone with a head: one logit for each target."""

import torch
from torch import Tensor, nn

from cxrstudy.vision.backbones import Backbone, build_backbone
from cxrstudy.vision.training.config import Head, TrainingConfig

_HIDDEN_UNITS = 256


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
