"""Grey bytes become normalised channels."""

import pytest
import torch

from cxrstudy.vision.backbones import GreyInput


def test_each_channel_has_its_own_scale():
    """(100 - 50) / 10 and (100 - 20) / 40, from bytes as from floats."""
    normalise = GreyInput((50.0, 20.0), (10.0, 40.0))
    image = torch.full((1, 2, 3), 100, dtype=torch.uint8)
    channels = normalise(image)
    assert channels.shape == (1, 2, 2, 3) and channels.dtype == torch.float32
    assert channels[0, :, 0, 0].tolist() == [5.0, 2.0]
    assert torch.equal(channels, normalise(image.double()))


def test_the_whole_range_of_bytes_becomes_minus_one_to_one():
    """0 and 255 are not turned around, wrapped or clipped."""
    channels = GreyInput((127.5,), (127.5,))(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    assert channels.flatten().tolist() == [-1.0, 1.0]


def test_a_rotated_input_is_turned_by_180_degrees():
    """Rows and columns change their order; two turns are none."""
    image = torch.tensor([[[1, 2, 3], [4, 5, 6]]], dtype=torch.uint8)
    turned = GreyInput((0.0,), (1.0,), rotated=True)(image)
    assert turned[0, 0].tolist() == [[6, 5, 4], [3, 2, 1]]
    assert torch.equal(GreyInput((0.0,), (1.0,), rotated=True)(turned[:, 0]), image[:, None])


@pytest.mark.parametrize("rotated", [False, True])
def test_channels_lie_last_in_memory(rotated):
    """Whatever the memory order of the images was."""
    images = torch.zeros(3, 5, 4, dtype=torch.uint8).transpose(1, 2)
    channels = GreyInput((0.0,) * 3, (1.0,) * 3, rotated)(images)
    assert channels.is_contiguous(memory_format=torch.channels_last)


def test_the_scale_is_no_weight():
    """It moves with the module, and no checkpoint holds it."""
    normalise = GreyInput((1.0,), (2.0,))
    assert not normalise.state_dict() and not list(normalise.parameters())
    assert normalise.double().mean.dtype == torch.float64
