"""Features of a frozen backbone: computed once, found again, never half written."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cxrstudy.vision import features
from cxrstudy.vision.backbones import BackboneName, build_backbone
from cxrstudy.vision.features import compute_features, frozen_features


@pytest.fixture(scope="module")
def images(draw_image_set):
    return draw_image_set(10, size=32)


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    sizes, compute = [], features.compute_features

    def counting(backbone, pixels):
        sizes.append(len(pixels))
        return compute(backbone, pixels)

    monkeypatch.setattr(features, "compute_features", counting)
    return sizes


def test_features_are_the_backbones(images, small, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "_BATCH", 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # a GPU rounds otherwise
    pixels = torch.from_numpy(images.pixels.copy())
    backbone = build_backbone(small, pixels)
    with torch.no_grad():
        expected = backbone(pixels).numpy()
    np.testing.assert_allclose(compute_features(backbone, images.pixels, "cpu"), expected, 1e-4)
    found = frozen_features(images, small, tmp_path)
    assert found.dtype == np.float32 and found.shape == (10, 1024)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_second_call_computes_nothing(images, small, tmp_path, computed):
    first = frozen_features(images, small, tmp_path / "new" / "cache")
    again = frozen_features(
        replace(images, name="Other name", labels={}), small, tmp_path / "new" / "cache"
    )
    assert computed == [10]
    np.testing.assert_array_equal(first, again)
    assert isinstance(again, np.memmap) and not again.flags.writeable


def test_pixels_images_and_weights_are_the_key(images, small, tmp_path, computed):
    pixels = images.pixels.copy()
    pixels[9, 31, 31] ^= 1
    sets = [
        images,
        replace(images, pixels=pixels),
        images.subset(images.images.index[::-1]),
        images.subset(images.images.index[:9]),
    ]
    for each in sets:
        frozen_features(each, small, tmp_path)
    frozen_features(images, BackboneName(small.architecture, "random", seed=1), tmp_path)
    assert computed == [10, 10, 10, 9, 10]
    assert len(list(tmp_path.glob("*.npy"))) == 5


def test_an_interrupted_write_leaves_nothing(images, small, tmp_path, monkeypatch, computed):
    save = np.save

    def stopping(path, array):
        save(path, array[:1])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(features.np, "save", stopping)
        with pytest.raises(KeyboardInterrupt):
            frozen_features(images, small, tmp_path)
    assert [file.suffix for file in tmp_path.iterdir()] == [".lock"]
    assert frozen_features(images, small, tmp_path).shape == (10, 1024)
    assert computed == [10, 10]
