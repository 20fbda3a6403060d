"""Backbones: where their weights come from, and that what they compute is known."""

import pickle
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torchxrayvision.models import DenseNet

from cxrstudy.data.origins import CACHE_VARIABLE, DataNotAvailableError
from cxrstudy.data.registry import MIRROR_VARIABLE, dataset
from cxrstudy.vision import backbones
from cxrstudy.vision.backbones import (
    BackboneError,
    BackboneName,
    GreyInput,
    build_backbone,
    calibrate_batch_norm,
    chest_densenet,
)

WEIGHTS = "mobilenet_v2_imagenet_rot180.safetensors"
PINNED_COLUMNS = [0, 1, 11, 12, 15, 28]
PINNED_FEATURES = [0.0, 4.179, 2.034, 2.002, 0.399, 1.349]
PINNED_MEAN = 0.3406


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Eight smooth pictures, in steps that every machine computes alike."""
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    pictures = [(rows * (k + 1) + columns * (7 - k)) % 256 for k in range(8)]
    return torch.stack(pictures).to(torch.uint8)


@pytest.fixture(scope="module")
def dequantised():
    return build_backbone(BackboneName())


def test_dequantised_features_are_pinned(dequantised, images):
    """Computed once; a change of weights, preprocessing or folding would show."""
    with torch.no_grad():
        features = dequantised(images)
    assert features.shape == (8, 1280) == (8, dequantised.n_features)
    assert features[0, PINNED_COLUMNS].tolist() == pytest.approx(PINNED_FEATURES, abs=2e-3)
    assert features.mean().item() == pytest.approx(PINNED_MEAN, abs=1e-3)


def test_dequantised_features_are_those_of_torchvisions_network(dequantised, images):
    """Its own model with these weights, unfolded, on the turned image from -1 to 1."""
    model = torchvision.models.mobilenet_v2(weights=None).eval()
    model.load_state_dict(
        {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in load_file(dataset("mobilenet_v2_imagenet").path(WEIGHTS)).items()
        }
    )
    turned = images.rot90(2, (1, 2)).float() / 127.5 - 1
    with torch.no_grad():
        expected = model.features(turned[:, None].expand(-1, 3, -1, -1)).mean((2, 3))
        torch.testing.assert_close(dequantised(images), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.usefixtures("no_checkout")
def test_missing_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path / "nowhere"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    with pytest.raises(DataNotAvailableError, match="mobilenet_v2"):
        build_backbone(BackboneName())


def test_random_weights_are_those_of_the_seed(small, images):
    """Equal names are equal networks; the caller's random numbers are left alone."""
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = build_backbone(small, images)
    assert torch.equal(torch.rand(2), expected)
    again = build_backbone(small, images)
    other = build_backbone(BackboneName(small.architecture, "random", seed=1), images)
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    with torch.no_grad():
        assert torch.equal(first(images), again(images))


def test_random_features_are_calibrated_on_the_images(small, images):
    """Folded and scaled, they equal the plain network after calibration."""
    backbone = build_backbone(small, images)
    torch.manual_seed(small.seed)
    model = torchvision.models.get_model(small.architecture, weights=None)
    model.fc = torch.nn.Identity()
    channels = (images.float()[:, None] / 127.5 - 1).expand(-1, 3, -1, -1)
    calibrate_batch_norm(model, [channels])
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), model(channels), atol=1e-3, rtol=0.0)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in backbone.modules())
    assert build_backbone(small, images // 2).fingerprint() != backbone.fingerprint()


def test_the_fingerprint_sees_weights_and_preprocessing(small, images):
    backbone = build_backbone(small, images)
    before = backbone.fingerprint()
    backbone.normalise.rotated = True
    turned = backbone.fingerprint()
    backbone.normalise.rotated = False
    backbone.normalise.std *= 2
    stretched = backbone.fingerprint()
    backbone.normalise.std /= 2
    assert backbone.fingerprint() == before
    with torch.no_grad():
        next(backbone.parameters())[0, 0, 0, 0] += 1e-3
    assert len({before, turned, stretched, backbone.fingerprint()}) == 4


@pytest.mark.parametrize(
    ("name", "images", "message"),
    [
        (("mobilenet_v2", "imagnet"), None, "weights must be one of"),
        (("resnet18", "dequantised"), None, "only mobilenet_v2 has dequantised weights"),
        (("mobilenet_v2", "chest"), None, "those of densenet121"),
        (("resnet19", "random"), torch.zeros(2, 64, 64), "no classification model 'resnet19'"),
        (("resnet18", "random"), None, "need images to calibrate"),
        # A vision transformer is made for one size; torchvision's own words are passed on.
        (
            ("vit_b_16", "random"),
            torch.zeros(2, 224, 224),
            "vit_b_16 does not take images of any size .Wrong",
        ),
    ],
)
def test_networks_that_no_source_has_are_refused(name, images, message):
    with pytest.raises(BackboneError, match=message):
        build_backbone(BackboneName(*name), images)


def test_a_network_with_an_unknown_head_is_refused(images, small, monkeypatch):
    monkeypatch.setattr(backbones, "_HEADS", ("classifier",))
    with pytest.raises(BackboneError, match="has its classifier in none of classifier"):
        build_backbone(small, images)


def test_weights_out_of_reach_are_named(small, monkeypatch):
    def offline(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", offline)
    with pytest.raises(DataNotAvailableError, match="https.*no network.*dequantised"):
        build_backbone(BackboneName(small.architecture, "imagenet"))
    monkeypatch.setattr(backbones.pooch, "retrieve", offline)
    with pytest.raises(DataNotAvailableError, match="https.*no network"):
        chest_densenet()


def test_each_channel_has_its_own_scale():
    """(100 - 50) / 10 and (100 - 20) / 40, from bytes as from floats; the scale is no weight."""
    normalise = GreyInput((50.0, 20.0), (10.0, 40.0))
    image = torch.full((1, 2, 3), 100, dtype=torch.uint8)
    channels = normalise(image)
    assert channels.shape == (1, 2, 2, 3) and channels.dtype == torch.float32
    assert channels[0, :, 0, 0].tolist() == [5.0, 2.0]
    assert torch.equal(channels, normalise(image.double()))
    assert not normalise.state_dict() and not list(normalise.parameters())
    assert normalise.double().mean.dtype == torch.float64
    channels = GreyInput((127.5,), (127.5,))(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    assert channels.flatten().tolist() == [-1.0, 1.0]


def test_a_rotated_input_is_turned_by_180_degrees():
    image = torch.tensor([[[1, 2, 3], [4, 5, 6]]], dtype=torch.uint8)
    turned = GreyInput((0.0,), (1.0,), rotated=True)(image)
    assert turned[0, 0].tolist() == [[6, 5, 4], [3, 2, 1]]
    assert torch.equal(GreyInput((0.0,), (1.0,), rotated=True)(turned[:, 0]), image[:, None])


@pytest.mark.parametrize("rotated", [False, True])
def test_channels_lie_last_in_memory(rotated):
    images = torch.zeros(3, 5, 4, dtype=torch.uint8).transpose(1, 2)
    channels = GreyInput((0.0,) * 3, (1.0,) * 3, rotated)(images)
    assert channels.is_contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A DenseNet, and the file that its authors would publish of it."""
    torch.manual_seed(0)
    model = DenseNet(num_classes=18).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    path = tmp_path_factory.mktemp("chest") / "model.pt"
    torch.save(model, path)
    return model, path


def test_a_pickled_densenet_gives_its_features(published, monkeypatch):
    """White is 1024 and black is -1024; the features are those of the model itself."""
    model, path = published
    monkeypatch.setattr(backbones, "chest_densenet", lambda: chest_densenet(path))
    backbone = build_backbone(BackboneName("densenet121", "chest"))
    grey = torch.arange(0, 256, 4, dtype=torch.uint8).repeat(2, 64, 1)
    with torch.no_grad():
        expected = model.features2((grey.float()[:, None] / 255 * 2 - 1) * 1024)
        features = backbone(grey)
    assert backbone.n_features == features.shape[1] == 1024
    torch.testing.assert_close(features, expected, atol=1e-3, rtol=0.0)
    norms = [m for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and not any(p.requires_grad for norm in norms for p in norm.parameters())


class Intruder:
    """Would run code of its choice when it is unpickled freely."""

    def __reduce__(self):
        return pytest.fail, ("the file ran code",)


def test_a_file_with_another_class_is_refused(published, tmp_path):
    """The loader admits a DenseNet while it reads, and nothing afterwards."""
    torch.save(Intruder(), tmp_path / "model.pt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        chest_densenet(tmp_path / "model.pt")
    chest_densenet(published[1])
    assert DenseNet not in torch.serialization.get_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(published[1], weights_only=True)
