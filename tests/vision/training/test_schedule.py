"""Learning rates step by step, and which weights get which."""

import math

import pytest
import torch
from torch import nn

from cxrstudy.vision.training import TrainingConfig
from cxrstudy.vision.training.loop import ImageClassifier, build_optimizer, build_scheduler

CONFIG = TrainingConfig(learning_rate=0.1, head_learning_rate=1.0, warmup_fraction=0.2)


@pytest.fixture
def model() -> ImageClassifier:
    return ImageClassifier(nn.Linear(2, 3), nn.Linear(3, 1))


def rates(model, config: TrainingConfig, n_steps: int, finished: int = 0) -> list[list[float]]:
    """Collect the rates of each step that is left."""
    optimizer = build_optimizer(model, config)
    scheduler = build_scheduler(optimizer, config, n_steps, finished)
    found = []
    for _ in range(finished, n_steps):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return found


def test_rates_rise_linearly_and_fall_along_a_cosine(model):
    """Ten steps of which two rise; half-way down the cosine the rate is half."""
    backbone, head = zip(*rates(model, CONFIG, 10), strict=True)
    falling = [0.5 + 0.5 * math.cos(math.pi * step / 8) for step in range(8)]
    assert head == pytest.approx([0.5, 1.0, *falling])
    assert head[6] == pytest.approx(0.5)
    assert backbone == pytest.approx([0.1 * rate for rate in head])


@pytest.mark.parametrize("finished", [0, 1, 2, 5, 9])
def test_a_resumed_run_has_the_rates_that_are_left(model, finished):
    """Begun at any step, the schedule is the end of the whole one."""
    assert rates(model, CONFIG, 10, finished) == rates(model, CONFIG, 10)[finished:]


@pytest.mark.parametrize("warmup", [0.0, 0.99])
@pytest.mark.parametrize("n_steps", [1, 2, 30])
def test_short_runs_and_extreme_warmups_have_rates(model, warmup, n_steps):
    """Above 0 at every step, and never above the highest rate."""
    config = TrainingConfig(head_learning_rate=1.0, warmup_fraction=warmup)
    found = [head for _, head in rates(model, config, n_steps)]
    assert all(0 < rate <= 1 for rate in found) and max(found) == 1


def test_frozen_weights_are_not_in_the_optimizer(model):
    """Neither a frozen backbone nor a missing one has a group."""
    for tensor in model.backbone.parameters():
        tensor.requires_grad_(False)
    frozen = build_optimizer(model, CONFIG)
    headed = build_optimizer(ImageClassifier(None, model.head), CONFIG)
    for optimizer in (frozen, headed):
        (group,) = optimizer.param_groups
        assert group["lr"] == 1.0 and group["weight_decay"] == CONFIG.weight_decay
        assert [tensor.shape for tensor in group["params"]] == [torch.Size([1, 3]), torch.Size([1])]
