"""Tiny training problems."""

import pytest
import torch
from torch import Tensor

from cxrstudy.vision.training import TrainingConfig


def draw_features(n: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Six features, and three targets that depend on them; half of each is positive."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, 6, generator=generator)
    scores = features @ torch.randn(6, 3, generator=generator) + torch.randn(
        n, 3, generator=generator
    )
    return features, (scores > scores.median(dim=0).values).float()


@pytest.fixture
def features() -> tuple[Tensor, Tensor]:
    return draw_features()


@pytest.fixture
def config() -> TrainingConfig:
    return TrainingConfig(epochs=3, batch_size=8, head_learning_rate=0.05)
