"""A backbone with a head: shapes, starting point, and which weights learn."""

import pytest
import torch

from cxrstudy.vision.training import TrainingConfig
from cxrstudy.vision.training.loop import build_classifier

PREVALENCE = torch.tensor([0.25, 0.0])


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (8, 32, 32), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(("head", "n_weights"), [("linear", 5 * 2 + 2), ("mlp", 6 * 256 + 257 * 2)])
def test_features_need_no_backbone(head, n_weights):
    """One layer, or two with 256 hidden units."""
    inputs = torch.randn(3, 5)
    model = build_classifier(TrainingConfig(head=head), inputs, PREVALENCE)
    assert model.backbone is None and model(inputs).shape == (3, 2)
    assert sum(tensor.numel() for tensor in model.parameters()) == n_weights


def test_the_last_bias_is_the_prevalence():
    """The logit of a quarter is -log 3; a prevalence of 0 has a finite one."""
    model = build_classifier(TrainingConfig(), torch.randn(3, 5), PREVALENCE)
    expected = torch.tensor([1 / 3, 1e-3 / (1 - 1e-3)]).log()
    torch.testing.assert_close(model.head.bias, expected)


def test_images_go_through_backbone_and_head(images, small):
    model = build_classifier(TrainingConfig(backbone=small), images, PREVALENCE)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.head(model.backbone(images)))
    assert model(images).shape == (8, 2)


@pytest.mark.parametrize(("trainable", "share"), [("head", 0.0), ("last third", 1 / 3)])
def test_what_is_frozen_has_no_gradient(trainable, share, images, small):
    """The first tensors of the backbone are frozen; the head never is."""
    config = TrainingConfig(backbone=small, trainable=trainable)
    model = build_classifier(config, images, PREVALENCE)
    model(images).sum().backward()
    tensors = list(model.backbone.parameters())
    first = len(tensors) - int(share * len(tensors))
    assert all(tensor.grad is None for tensor in tensors[:first])
    assert all(tensor.grad is not None for tensor in tensors[first:] if tensor.ndim == 4)
    assert model.head.weight.grad is not None
