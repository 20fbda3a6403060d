"""Batch normalisation: measured on the images at hand, and folded without a trace."""

import copy

import pytest
import torch
from torch import nn

from cxrstudy.vision.backbones import calibrate_batch_norm, fold_batch_norm


@pytest.fixture
def model() -> nn.Sequential:
    """Two convolutions whose normalisations fit no input."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 4, 3, bias=False), nn.BatchNorm2d(4),
    ]  # fmt: skip
    for norm in (layers[1], layers[4]):
        nn.init.uniform_(norm.running_mean, -5, 5)
        nn.init.uniform_(norm.running_var, 5, 9)
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.bias, -1, 1)
    return nn.Sequential(*layers).eval()


@pytest.fixture
def batches() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [3 + 2 * torch.randn(16, 3, 12, 12, generator=generator) for _ in range(4)]


def test_calibrated_channels_have_the_layers_own_mean_and_spread(model, batches):
    """Every channel leaves with the mean and deviation that weight and bias ask for."""
    calibrate_batch_norm(model, batches)
    assert not model.training
    with torch.no_grad():
        for depth in (2, 5):
            norm = model[depth - 1]
            channels = model[:depth](torch.cat(batches)).transpose(0, 1).flatten(1)
            torch.testing.assert_close(channels.mean(1), norm.bias, atol=0.02, rtol=0.0)
            torch.testing.assert_close(channels.std(1), norm.weight, atol=0.0, rtol=0.02)


def test_every_batch_counts_once(batches):
    norm = nn.BatchNorm2d(3)
    calibrate_batch_norm(norm, batches)
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    variances = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)


def test_calibration_keeps_weights_and_momentum(model, batches):
    momentum = model[1].momentum
    weights = copy.deepcopy(list(model.parameters()))
    calibrate_batch_norm(model, batches)
    first = copy.deepcopy(model.state_dict())
    calibrate_batch_norm(model, batches)
    assert model[1].momentum == momentum
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert all(torch.equal(first[name], tensor) for name, tensor in model.state_dict().items())


def test_folding_leaves_the_function(model, batches):
    """The same outputs to 1e-4 with no normalisation left; the given model stays as it was."""
    with torch.no_grad():
        before = model(batches[0])
        folded = fold_batch_norm(model)
        torch.testing.assert_close(folded(batches[0]), before, atol=1e-4, rtol=0.0)
        assert torch.equal(model(batches[0]), before)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    # After no convolution one stays.
    folded = fold_batch_norm(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))
    assert sum(isinstance(module, nn.BatchNorm2d) for module in folded.modules()) == 1
