"""Random views where no kernel runs: by hand, ranges, the stream, bad input."""

import pytest
import torch

from cxrstudy.kernels.augment import Augmentation, augment_views, draw_parameters
from cxrstudy.kernels.dispatch import REFERENCE, watch_paths

PLAIN = {"rotation": 0, "translation": 0, "scale": (1, 1)}
PLAIN |= {"brightness": 0, "contrast": 0, "mean": 0, "deviation": 1}


def _images() -> torch.Tensor:
    return torch.arange(2 * 6 * 8, dtype=torch.uint8).reshape(2, 6, 8)


def test_without_chance_a_view_is_the_middle_of_the_image():
    """Mirrored where that is certain, and black beyond the image."""
    images = _images()
    augmentation = Augmentation(size=(2, 4), crop=False, **PLAIN)
    views = augment_views(images, torch.tensor([1, 0]), augmentation, seed=0)
    expected = images[[1, 0], 2:4, 2:6][:, None].float() / 255
    torch.testing.assert_close(views, expected)
    mirroring = Augmentation(size=(6, 8), flip=1.0, **PLAIN)
    views = augment_views(images, torch.tensor([0]), mirroring, seed=0)
    torch.testing.assert_close(views[0, 0], images[0].flip(1).float() / 255)
    white = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    views = augment_views(white, torch.tensor([0]), Augmentation(size=(4, 4), **PLAIN), seed=0)
    assert views[0, 0].tolist() == [[0] * 4, [0, 1, 1, 0], [0, 1, 1, 0], [0] * 4]


def test_a_rotation_keeps_lengths_and_angles():
    """The matrix at scale 1 is orthogonal, and no pixel is moved besides."""
    augmentation = Augmentation(size=(5, 5), **{**PLAIN, "rotation": 90})
    a, b, x, c, d, y, _, _ = draw_parameters(1, augmentation, (5, 5), seed=0)[0]
    turn = torch.tensor([[a, b], [c, d]])
    torch.testing.assert_close(turn @ turn.T, torch.eye(2))
    assert torch.linalg.det(turn) > 0 and x == y == 0


def test_brightness_and_contrast_by_hand():
    """Grey 128/255 is multiplied, turned about one half and clamped."""
    augmentation = Augmentation(size=(3, 3), **{**PLAIN, "brightness": 1.0, "contrast": 1.0})
    image = torch.full((1, 9, 9), 128, dtype=torch.uint8)
    index = torch.zeros(200, dtype=torch.int64)
    views = augment_views(image, index, augmentation, seed=4)
    gain, offset = draw_parameters(200, augmentation, (9, 9), seed=4)[:, 6:].T
    expected = (128 / 255 * gain + offset).clamp(0, 1)
    torch.testing.assert_close(views[:, 0, 1, 1], expected)
    assert (expected == 0).any() and (expected == 1).any()


def test_draws_fill_their_ranges():
    augmentation = Augmentation(
        size=(10, 20), rotation=30, translation=0.1, scale=(0.5, 2), flip=0.25
    )
    a, b, x, c, d, y, gain, offset = draw_parameters(20_000, augmentation, (16, 20), seed=1).T
    step = (a * d - b * c).abs().sqrt()
    assert 0.5 <= step.min() < 0.51 and 1.95 < step.max() <= 2.0
    assert x.abs().max() <= 2 and x.abs().max() > 1.99
    assert y.abs().max() <= 4 and y.abs().max() > 3.99
    assert abs((a * d - b * c < 0).float().mean() - 0.25) < 0.01
    degrees = torch.rad2deg(torch.atan2(-b, d))
    assert 29.9 < degrees.abs().max() <= 30.001
    harder = 1 - 2 * offset
    assert 0.9 <= harder.min() < 0.901 and 1.099 < harder.max() <= 1.1
    assert 0.9 <= (gain / harder).min() < 0.901


def test_a_view_depends_on_its_number_alone():
    images, index = _images(), torch.tensor([0, 1, 1, 0, 1])
    augmentation = Augmentation(size=(5, 5))
    whole = augment_views(images, index, augmentation, seed=9, first=100)
    parts = [
        augment_views(images, index[cut], augmentation, seed=9, first=100 + cut.start)
        for cut in (slice(0, 2), slice(2, 5))
    ]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)
    other = augment_views(images, index, augmentation, seed=10, first=100)
    assert (other != whole).any()


def test_without_a_gpu_the_reference_runs():
    """To it, an index outside the set is an error."""
    with watch_paths() as paths:
        augment_views(_images(), torch.tensor([0]), Augmentation(size=(2, 2)), seed=0)
    assert paths == [("augment", REFERENCE)] * 2
    with pytest.raises(IndexError):
        augment_views(_images(), torch.tensor([2]), Augmentation(size=(2, 2)), seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": _images().float()}, "images must be bytes"),
        ({"index": torch.tensor([0.0])}, "index must be one row of int64"),
        ({"dtype": torch.float64}, "views can be"),
        ({"seed": -1}, "seed must lie in"),
    ],
)
def test_bad_input_is_named(arguments, message):
    good = {"images": _images(), "index": torch.tensor([0]), "seed": 0}
    with pytest.raises(ValueError, match=message):
        augment_views(**{**good, **arguments}, augmentation=Augmentation(size=(2, 2)))


@pytest.mark.parametrize(
    "field", [{"size": (0, 4)}, {"scale": (1.0, 0.5)}, {"deviation": 0}, {"flip": 2}]
)
def test_bad_ranges_are_named(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        Augmentation(**field)
