"""The chest DenseNet: a pickled model is read, and nothing but a DenseNet is."""

import pickle

import pytest
import torch

from cxrstudy.vision import backbones
from cxrstudy.vision.backbones import BackboneName, build_backbone, chest_densenet

DenseNet = pytest.importorskip("torchxrayvision.models").DenseNet


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


def test_a_file_with_another_class_is_refused(tmp_path):
    """Nothing of it runs."""
    torch.save(Intruder(), tmp_path / "model.pt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        chest_densenet(tmp_path / "model.pt")


def test_the_loader_admits_nothing_afterwards(published, tmp_path):
    """The classes of a DenseNet are admitted while its file is read, and no longer."""
    chest_densenet(published[1])
    assert DenseNet not in torch.serialization.get_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(published[1], weights_only=True)


def test_weights_out_of_reach_are_named(monkeypatch):
    """The error says where they would have come from."""

    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(backbones.pooch, "retrieve", offline)
    with pytest.raises(backbones.DataNotAvailableError, match="https.*no network"):
        chest_densenet()
