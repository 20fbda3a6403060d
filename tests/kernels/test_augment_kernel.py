"""The augmentation kernels against the CPU's stream and torch's sampling in float64."""

import pytest
import torch

from cxrstudy.kernels.augment import Augmentation, augment_reference, augment_views, draw_parameters
from cxrstudy.kernels.dispatch import KERNEL, watch_paths

# Neighbouring pixels of noise differ by the whole range, so rounding of a coordinate shows most.
TOLERANCES = {torch.float32: 5e-5, torch.float16: 4e-3, torch.bfloat16: 2e-2}
WILD = Augmentation(size=(24, 30), rotation=40, translation=0.2, scale=(0.5, 2.0), flip=0.5)


def _images(n: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, height, width), dtype=torch.uint8, generator=generator)


def _compare(device, images, index, augmentation, seed, first=0, dtype=torch.float32):
    with watch_paths() as paths:
        views = augment_views(images.to(device), index.to(device), augmentation, seed, first, dtype)
    assert paths == [("augment", KERNEL)] * 2
    assert views.dtype == dtype and views.shape == (len(index), 1, *augmentation.size)
    size = tuple(images.shape[1:])
    parameters = draw_parameters(len(index), augmentation, size, seed, first, device).cpu()
    exact = augment_reference(images, index, parameters.double(), augmentation, torch.float64)
    assert (views.double().cpu() - exact).abs().max() < TOLERANCES[dtype]


@pytest.mark.parametrize(
    ("image_size", "view_size"),
    [((33, 41), (24, 30)), ((1, 1), (3, 5)), ((40, 40), (40, 40)), ((31, 7), (1, 1))],
)
def test_views_are_those_of_torch(device, poisoned, image_size, view_size):
    augmentation = Augmentation(size=view_size, rotation=40, scale=(0.5, 2.0), flip=0.5)
    index = torch.tensor([4, 0, 0, 3, 2])
    _compare(device, _images(5, *image_size), index, augmentation, seed=3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(device, poisoned, dtype):
    """The interpreter truncates bfloat16 where a GPU rounds; both lie within the tolerance."""
    _compare(device, _images(2, 33, 41), torch.tensor([1, 0]), WILD, 5, dtype=dtype)


@pytest.mark.gpu
def test_a_set_of_more_than_two_to_the_31_bytes():
    images = torch.zeros(45_000, 224, 224, dtype=torch.uint8, device="cuda")
    images[-1] = 255
    # Upright and in place, with every value at (1 - 0.5) / 0.25.
    plain = Augmentation(rotation=0, translation=0, scale=(1, 1), brightness=0, contrast=0)
    views = augment_views(images, torch.tensor([44_999], device="cuda"), plain, 0)
    assert (views == 2).all()


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**64 - 1])
@pytest.mark.parametrize("first", [0, 1, 2**31 - 3, 2**33])
def test_parameters_come_from_the_cpus_stream(device, poisoned, monkeypatch, seed, first):
    with watch_paths() as paths:
        drawn = draw_parameters(7, WILD, (33, 41), seed, first, device).cpu()
    assert paths == [("augment", KERNEL)]
    monkeypatch.setattr("cxrstudy.kernels.dispatch.HAS_TRITON", False)
    expected = draw_parameters(7, WILD, (33, 41), seed, first)
    torch.testing.assert_close(drawn, expected, rtol=1e-6, atol=1e-6)


def test_an_index_outside_the_set_is_nan_and_none_chooses_nothing(device, poisoned):
    images, none = _images(3, 8, 8).to(device), torch.empty(0, dtype=torch.int64, device=device)
    views = augment_views(images, none, Augmentation(size=(4, 6)), seed=0)
    assert views.shape == (0, 1, 4, 6)
    index = torch.tensor([-1, 1, 3], device=device)
    views = augment_views(images, index, Augmentation(size=(8, 8)), seed=0)
    assert views.isnan().flatten(1).all(1).tolist() == [True, False, True]
    assert views[1].isfinite().all()


def test_a_strided_set(device, poisoned):
    images = _images(3, 16, 16)[:, ::2, 1::2]
    _compare(device, images, torch.tensor([2, 0]), Augmentation(size=(8, 8)), seed=1)
