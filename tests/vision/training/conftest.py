"""Tiny training problems."""

import pytest
import torch
from torch import Tensor

from cxrstudy.vision.training import TrainingConfig


@pytest.fixture
def features() -> tuple[Tensor, Tensor]:
    """Six features, and three targets that depend on them; half of each is positive."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 6, generator=generator)
    weights, noise = (torch.randn(n, 3, generator=generator) for n in (6, 40))
    scores = features @ weights + noise
    return features, (scores > scores.median(dim=0).values).float()


@pytest.fixture
def config() -> TrainingConfig:
    return TrainingConfig(epochs=3, batch_size=8, head_learning_rate=0.05)
