"""A backbone with a head: shapes, starting point, and the learning rates of its weights."""

import math

import pytest
import torch
from torch import nn

from cxrstudy.vision.training import TrainingConfig, loop

CONFIG = TrainingConfig(learning_rate=0.1, head_learning_rate=1.0, warmup_fraction=0.2)


@pytest.fixture
def model() -> loop.ImageClassifier:
    return loop.ImageClassifier(nn.Linear(2, 3), nn.Linear(3, 1))


def rates(model, config: TrainingConfig, n_steps: int, finished: int = 0) -> list[list[float]]:
    optimizer = loop.build_optimizer(model, config)
    scheduler = loop.build_scheduler(optimizer, config, n_steps, finished)
    found = []
    for _ in range(finished, n_steps):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return found


def test_rates_rise_linearly_and_fall_along_a_cosine(model):
    """Ten steps of which two rise; a resumed run has the rates that are left."""
    found = rates(model, CONFIG, 10)
    backbone, head = zip(*found, strict=True)
    falling = [0.5 + 0.5 * math.cos(math.pi * step / 8) for step in range(8)]
    assert head == pytest.approx([0.5, 1.0, *falling])
    assert backbone == pytest.approx([0.1 * rate for rate in head])
    for finished in (1, 2, 5, 9):
        assert rates(model, CONFIG, 10, finished) == found[finished:]


@pytest.mark.parametrize("warmup", [0.0, 0.99])
@pytest.mark.parametrize("n_steps", [1, 2, 30])
def test_short_runs_and_extreme_warmups_have_rates(model, warmup, n_steps):
    config = TrainingConfig(head_learning_rate=1.0, warmup_fraction=warmup)
    found = [head for _, head in rates(model, config, n_steps)]
    assert all(0 < rate <= 1 for rate in found) and max(found) == 1


def test_frozen_weights_are_not_in_the_optimizer(model):
    for tensor in model.backbone.parameters():
        tensor.requires_grad_(False)
    frozen = loop.build_optimizer(model, CONFIG)
    headed = loop.build_optimizer(loop.ImageClassifier(None, model.head), CONFIG)
    for optimizer in (frozen, headed):
        (group,) = optimizer.param_groups
        assert group["lr"] == 1.0 and group["weight_decay"] == CONFIG.weight_decay
        assert [tensor.shape for tensor in group["params"]] == [torch.Size([1, 3]), torch.Size([1])]


PREVALENCE = torch.tensor([0.25, 0.0])


def test_images_go_through_backbone_and_head(small):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 32, 32), generator=generator, dtype=torch.uint8)
    model = loop.build_classifier(TrainingConfig(backbone=small), images, PREVALENCE)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.head(model.backbone(images)))
    assert model(images).shape == (8, 2)


@pytest.mark.parametrize(("head", "n_weights"), [("linear", 5 * 2 + 2), ("mlp", 6 * 256 + 257 * 2)])
def test_features_need_no_backbone(head, n_weights):
    """The last bias is the prevalence: the logit of a quarter is -log 3, that of 0 finite."""
    inputs = torch.randn(3, 5)
    model = loop.build_classifier(TrainingConfig(head=head), inputs, PREVALENCE)
    assert model.backbone is None and model(inputs).shape == (3, 2)
    assert sum(tensor.numel() for tensor in model.parameters()) == n_weights
    expected = torch.tensor([1 / 3, 1e-3 / (1 - 1e-3)]).log()
    torch.testing.assert_close([*model.head.parameters()][-1], expected)
