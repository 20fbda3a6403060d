"""Tiny training problems."""

import pytest
import torch
from torch import Tensor

from cxrstudy.trainings.job import limited_threads
from cxrstudy.vision.training import TrainingConfig


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Numba may have given torch more, and only one computes the same bits in two processes."""
    with limited_threads(1):
        yield


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
