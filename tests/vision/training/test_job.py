"""Predictions by trainings that were kept."""

import numpy as np
import pytest
import torch

from cxrstudy.trainings.many import train_many
from cxrstudy.vision.training import ImageJob, TrainingConfig, predict_with


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 32, 32), np.uint8)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_kept_weights_predict_what_the_training_did(head, features, tmp_path):
    """But for the rounding to half precision; features need no backbone."""
    inputs, targets = (part.numpy() for part in features)
    config = TrainingConfig(epochs=2, batch_size=8, head=head, head_learning_rate=0.05)
    rows, watched = np.arange(30), np.arange(30, 40)
    job = ImageJob(inputs, config, targets[rows], rows, watched)
    (kept,) = train_many([job], tmp_path, n_jobs=1)
    found = predict_with(kept, inputs[watched])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, kept.arrays["logits"][-1], atol=2e-2)


def test_a_kept_network_predicts_other_images(images, small, tmp_path):
    """Its backbone's weights are the kept ones too; random ones magnify what is rounded off."""
    targets = np.random.default_rng(1).integers(0, 2, (16, 2)).astype(np.float32)
    rows, watched = np.arange(16), np.arange(16, 24)
    job = ImageJob(images, TrainingConfig(small, epochs=1), targets, rows, watched)
    (kept,) = train_many([job], tmp_path, n_jobs=1)
    assert all(weight.dtype == torch.float16 for weight in kept.weights().values())
    found = predict_with(kept, images[watched])
    assert np.abs(found - predict_with(kept, images[rows[:8]])).max() > 0.1
    expected = kept.arrays["logits"][-1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05 * np.abs(expected).max())
