"""Image models on a GPU: training with its kernels, checkpoints, features and probes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrstudy.kernels.dispatch import KERNEL, watch_paths
from cxrstudy.vision.backbones import build_backbone
from cxrstudy.vision.features import compute_features
from cxrstudy.vision.logistic import fit_logistic
from cxrstudy.vision.training import TrainingConfig, predict_logits, train
from cxrstudy.vision.training.checkpoint import Checkpoint

pytestmark = pytest.mark.gpu

N_IMAGES, N_WATCHED = 96, 8


@pytest.fixture
def config(small) -> TrainingConfig:
    return TrainingConfig(small, epochs=2, batch_size=32, augmented=True)


@pytest.fixture
def problem() -> tuple[Tensor, Tensor, Tensor]:
    """Images of noise, the brighter half positive; two more targets, one with missing labels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 180, (N_IMAGES, 64, 64), generator=generator)
    targets = torch.randint(0, 2, (N_IMAGES, 3), generator=generator).float()
    targets[:, 0] = torch.arange(N_IMAGES) % 2
    targets[::5, 2] = torch.nan
    images = (images + 70 * targets[:, :1, None].long()).to(torch.uint8)
    return images, targets, images[:N_WATCHED].clone()


@pytest.fixture
def repeatable(monkeypatch):
    """Let two equal trainings take the same convolutions."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)


def test_training_takes_both_kernels(problem, config):
    images, targets, watched = problem
    with watch_paths() as paths:
        training = train(images, targets, config, watched)
    assert {("augment", KERNEL), ("bce", KERNEL)} == set(paths)
    assert next(training.model.parameters()).device.type == "cuda"
    assert training.losses.shape == (2,) and training.losses.isfinite().all()
    assert training.logits.shape == (2, N_WATCHED, 3) and training.logits.isfinite().all()
    assert training.losses[1] < training.losses[0]
    again = predict_logits(training.model, watched)
    torch.testing.assert_close(again, training.logits[-1], rtol=1e-3, atol=1e-3)


def test_a_stopped_training_goes_on(problem, config, repeatable, tmp_path, monkeypatch):
    """It ends close to where one ends that was not stopped; a GPU may round differently."""
    images, targets, watched = problem
    whole = train(images, targets, config, watched, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        save = Checkpoint.save

        def stop(*arguments) -> None:
            save(*arguments)
            raise KeyboardInterrupt

        patch.setattr(Checkpoint, "save", stop)
        train(images, targets, config, watched, tmp_path / "stopped")
    with watch_paths() as paths:
        resumed = train(images, targets, config, watched, tmp_path / "stopped")
    batches = -(-N_IMAGES // config.batch_size)
    assert paths.count(("bce", KERNEL)) == batches, "one epoch of the two was left"
    torch.testing.assert_close(resumed.losses, whole.losses, rtol=2e-2, atol=0)
    torch.testing.assert_close(resumed.logits, whole.logits, rtol=5e-2, atol=5e-2)


def test_features_are_those_of_the_cpu(problem, small):
    pixels = problem[0].numpy()
    backbone = build_backbone(small, problem[0])
    on_cpu = compute_features(backbone, pixels, "cpu")
    on_gpu = compute_features(backbone, pixels)
    assert next(backbone.parameters()).device.type == "cuda"
    assert np.abs(on_gpu - on_cpu).max() < 2e-2 * np.abs(on_cpu).max()


@pytest.mark.parametrize("standardise", [False, True])
def test_probes_are_those_of_the_cpu(standardise):
    generator = np.random.default_rng(0)
    features = np.clip(generator.normal(size=(400, 24)) @ generator.normal(size=(24, 24)), 0, 6)
    logits = features @ generator.normal(size=(24, 5)) / 10 + generator.logistic(size=(400, 5))
    targets = (logits > np.quantile(logits, 0.7, axis=0)).astype(float)
    targets[::7, 1] = np.nan
    settings = {"standardise": standardise, "tolerance": 1e-8}
    heads = [
        fit_logistic(features, targets, np.logspace(-3, 1, 5), **settings, device=device)
        for device in ("cpu", "cuda")
    ]
    for name in ("coefficients", "intercepts"):
        on_cpu, on_gpu = (getattr(head, name) for head in heads)
        np.testing.assert_allclose(on_gpu, on_cpu, rtol=0, atol=1e-6)
