"""Features by place: equal to the backbone's own where they are averaged, and where they belong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cxrstudy.vision import features, grid
from cxrstudy.vision.backbones import (
    Backbone,
    BackboneError,
    BackboneName,
    GreyInput,
    build_backbone,
)
from cxrstudy.vision.features import compute_features
from cxrstudy.vision.grid import PLACES, compute_grid, grid_features

NAME = BackboneName("mobilenet_v2", "random")
CORNERS = {
    "upper left": (slice(0, 48), slice(0, 48)),
    "upper right": (slice(0, 48), slice(80, 128)),
    "lower left": (slice(80, 128), slice(0, 48)),
    "lower right": (slice(80, 128), slice(80, 128)),
}


class Averaged(nn.Module):
    """Means of square patches, as two channels of opposite sign, and pooling behind them."""

    def __init__(self, edge: int) -> None:
        super().__init__()
        patches = nn.Conv2d(3, 2, edge, edge, bias=False)
        with torch.no_grad():
            patches.weight.fill_(1 / (3 * edge**2))
            patches.weight[1] *= -1
        self.features = nn.Sequential(patches, nn.Identity())

    def forward(self, images):
        return self.features(images).mean((2, 3))


def averaged(edge: int, rotated: bool = False) -> Backbone:
    """Make a network whose first feature of a place is its mean grey."""
    return Backbone(Averaged(edge), GreyInput([0] * 3, [1] * 3, rotated), 2)


@pytest.fixture(scope="module", autouse=True)
def _cpu():
    """A GPU rounds otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        yield


@pytest.fixture(scope="module")
def images(draw_image_set):
    return draw_image_set(6, size=64)


@pytest.fixture(scope="module")
def mobilenet(images) -> Backbone:
    return build_backbone(NAME, torch.from_numpy(images.pixels.copy()))


def squares() -> np.ndarray:
    """An even image, and four with a bright square in one corner, in the order of the places."""
    pixels = np.full((5, 128, 128), 90, np.uint8)
    for number, corner in enumerate(CORNERS.values(), start=1):
        pixels[number][corner] = 250
    return pixels


@pytest.mark.parametrize("rotated", [False, True])
def test_places_by_hand(rotated):
    pixels = np.array([[[0, 0, 10, 10], [0, 0, 10, 10], [20, 20, 40, 40], [20, 20, 40, 48]]])
    found = compute_grid(averaged(1, rotated), pixels.astype(np.uint8))
    assert found.dtype == np.float16 and found.shape == (1, 5, 2)
    assert PLACES == ("whole", "upper left", "upper right", "lower left", "lower right")
    assert found[0, :, 0].tolist() == [18, 0, 10, 20, 42]
    np.testing.assert_array_equal(found[..., 1], -found[..., 0])


@pytest.mark.parametrize("rotated", [False, True])
def test_quadrants_of_an_odd_map_share_its_middle(rotated):
    pixels = np.arange(9, dtype=np.uint8).reshape(1, 3, 3)
    found = compute_grid(averaged(1, rotated), pixels)
    assert found[0, :, 0].tolist() == [4, 2, 3, 5, 6]


def test_an_even_map_s_first_place_is_the_mean_of_its_quadrants(mobilenet, draw_image_set):
    pixels = draw_image_set(3, size=128).pixels
    found = compute_grid(mobilenet, pixels).astype(np.float32)
    np.testing.assert_allclose(found[:, 1:].mean(1), found[:, 0], rtol=5e-3, atol=5e-3)
    assert np.abs(found[:, 1] - found[:, 4]).max() > 0.1


def test_the_first_place_is_what_the_backbone_gives(mobilenet, images, monkeypatch):
    monkeypatch.setattr(grid, "_BATCH", 4)
    found = compute_grid(mobilenet, images.pixels)
    expected = compute_features(mobilenet, images.pixels)
    assert found.shape == (6, 5, 1280)
    np.testing.assert_allclose(found[:, 0], expected, rtol=2e-3, atol=1e-4)
    assert expected.std() > 0.01
    # Nothing stays behind that would collect maps.
    assert not list(mobilenet.body.features.modules())[-1]._forward_hooks


def changes(backbone: Backbone) -> np.ndarray:
    """Say how much a square in each corner changes the features of each quadrant."""
    found = compute_grid(backbone, squares()).astype(float)
    return np.abs(found[1:, 1:] - found[0, 1:]).mean(-1)


@pytest.mark.parametrize("rotated", [False, True])
def test_a_bright_square_changes_its_own_quadrant_alone(rotated):
    # Six of eight patches along each edge of a quadrant are 160 brighter.
    np.testing.assert_allclose(
        changes(averaged(8, rotated)), 160 * (6 / 8) ** 2 * np.eye(4), atol=0.5
    )


def test_weights_that_read_images_turned_by_half_give_places_as_seen(mobilenet, draw_image_set):
    pixels = draw_image_set(2, size=128).pixels
    turned = Backbone(mobilenet.body, GreyInput([127.5] * 3, [127.5] * 3, rotated=True), 1280)
    found = compute_grid(turned, pixels[:, ::-1, ::-1])
    expected = compute_grid(mobilenet, pixels)[:, [0, 4, 3, 2, 1]]
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3)


def test_pinned_weights_see_each_square_in_its_quadrant(mirror):
    backbone = build_backbone(BackboneName())
    assert backbone.normalise.rotated
    found = changes(backbone)
    assert (found.argmax(1) == np.arange(4)).all(), found
    assert np.diag(found).mean() > 2 * found[~np.eye(4, dtype=bool)].mean()


def test_features_are_computed_once(images, tmp_path, monkeypatch):
    computed = []

    def counting(backbone, pixels):
        computed.append(len(pixels))
        return np.zeros((len(pixels), 5, 7), np.float16)

    monkeypatch.setattr(grid, "compute_grid", counting)
    monkeypatch.setattr(features, "build_backbone", lambda name, pixels: averaged(1))
    folder = tmp_path / "new" / "cache"
    first = grid_features(images, NAME, folder)
    again = grid_features(replace(images, name="Other name", labels={}), NAME, folder)
    assert computed == [6] and first.shape == again.shape == (6, 5, 7)
    assert isinstance(again, np.memmap) and not again.flags.writeable
    grid_features(images.subset(images.images.index[::-1]), NAME, folder)
    grid_features(images, replace(NAME, seed=1), folder)
    assert computed == [6, 6, 6]


def test_a_network_without_maps_by_that_name_is_refused():
    backbone = Backbone(nn.Flatten(), GreyInput([0] * 3, [1] * 3), 12)
    with pytest.raises(BackboneError, match="named features"):
        compute_grid(backbone, np.zeros((1, 2, 2), np.uint8))
