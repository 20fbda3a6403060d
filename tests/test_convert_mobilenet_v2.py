"""The conversion of MobileNetV2: dequantisation, layouts, padding, and the pinned bytes."""

import hashlib
import runpy
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from safetensors.numpy import load_file

from cxrstudy.data.origins import CACHE_VARIABLE
from cxrstudy.data.registry import dataset
from cxrstudy.paths import project_root

PATH = project_root() / "scripts" / "convert_mobilenet_v2.py"
SCRIPT = SimpleNamespace(**runpy.run_path(str(PATH)))
PINNED = dataset("mobilenet_v2_imagenet").files[SCRIPT.FILE]

# Every convolution with its batch normalisation and kind, written out by hand in graph order.
PLACES = [
    ("features.0.0", "features.0.1", "convolution"),
    ("features.1.conv.0.0", "features.1.conv.0.1", "depthwise"),
    ("features.1.conv.1", "features.1.conv.2", "convolution"),
    *(
        (f"features.{block}.conv.{place}", f"features.{block}.conv.{norm}", kind)
        for block in range(2, 18)
        for place, norm, kind in (
            ("0.0", "0.1", "convolution"), ("1.0", "1.1", "depthwise"), ("2", "3", "convolution")
        )
    ),
    ("features.18.0", "features.18.1", "convolution"),
    ("classifier.1", "classifier.1", "dense"),
]  # fmt: skip
TO_TFLITE = {"convolution": "oihw->ohwi", "depthwise": "oihw->ihwo", "dense": "oi->oi"}


def _layers(state):
    """Undo the mapping: TensorFlow's layers of a state dict with rotated kernels."""
    layers = []
    for name, holder, kind in PLACES:
        weight = state[f"{name}.weight"].astype(np.float32)
        if kind != "dense":
            weight = np.rot90(weight, 2, axes=(2, 3))
        weight = np.einsum(TO_TFLITE[kind], weight)
        layers.append(SCRIPT.Layer(kind, weight, state[f"{holder}.bias"].astype(np.float32)))
    return layers


@pytest.fixture(scope="module")
def pinned():
    return load_file(dataset(SCRIPT.DATASET).path(SCRIPT.FILE))


@pytest.fixture(scope="module")
def blank():
    with torch.device("meta"):
        shapes = torchvision.models.mobilenet_v2().state_dict()
    return _layers({name: np.zeros(tensor.shape) for name, tensor in shapes.items()})


def test_layers_become_the_pinned_weights(pinned):
    state = SCRIPT.state_dict(_layers(pinned))
    assert state.keys() == pinned.keys()
    for name, expected in pinned.items():
        assert state[name].dtype == expected.dtype, name
        np.testing.assert_array_equal(state[name], expected, err_msg=name)
    assert hashlib.sha256(SCRIPT.serialise(state)).hexdigest() == PINNED


def test_the_pinned_weights_are_stored_under_their_name(pinned, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    path = SCRIPT.store(pinned)
    assert path == tmp_path / "weights" / SCRIPT.FILE and list(path.parent.iterdir()) == [path]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == PINNED


def test_other_weights_are_kept_under_another_name(pinned, tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    bias = pinned["classifier.1.bias"].copy()
    bias[:2] = bias[:2] + np.array([0.25, -0.5], np.float16)
    largest = np.abs(bias.astype(float) - pinned["classifier.1.bias"]).max()
    with pytest.raises(SCRIPT.ConversionError, match=rf": {largest:g}, in classifier\.1\.bias\."):
        SCRIPT.store(pinned | {"classifier.1.bias": bias})
    (kept,) = (tmp_path / "weights").iterdir()
    assert kept.name == "mobilenet_v2_imagenet_rot180.differs.safetensors"
    np.testing.assert_array_equal(load_file(kept)["classifier.1.bias"], bias)


@pytest.mark.parametrize(
    ("scale", "zero_point", "axis", "expected"),
    [
        ([0.5, 0.25], [0, 2], 0, [[-64, 0.5, 63.5], [-0.5, 0, 1]]),
        ([0.5, 1, 2], [0, 0, 1], 1, [[-64, 1, 252], [0, 2, 10]]),
        ([2], [-1], 0, [[-254, 4, 256], [2, 6, 14]]),
        ([2], 0, 0, [[-256, 2, 254], [0, 4, 12]]),
    ],
)
def test_dequantise(scale, zero_point, axis, expected):
    """By hand, for each slice and for the whole tensor; -128 minus 2 does not wrap round."""
    values = np.array([[-128, 1, 127], [0, 2, 6]], np.int8)
    numbers = SCRIPT.dequantise(values, scale, zero_point, axis)
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(numbers, expected)
    # An int32 beyond float32's whole numbers is rounded after the product, not before.
    large = SCRIPT.dequantise(np.array([2**24 + 1], np.int32), [3], [0], 0)
    assert large == np.float32(3 * (2**24 + 1))


def _same_convolution(image, kernel, stride):
    """TensorFlow's SAME convolution of an HWI image with an OHWI kernel."""
    size, extent = len(image), kernel.shape[1]
    n_out = -(-size // stride)
    missing = max((n_out - 1) * stride + extent - size, 0)
    padded = np.pad(image, [(missing // 2, missing - missing // 2)] * 2 + [(0, 0)])
    out = np.empty((n_out, n_out, len(kernel)))
    for row, column in np.ndindex(n_out, n_out):
        top, left = row * stride, column * stride
        window = padded[top : top + extent, left : left + extent]
        out[row, column] = np.einsum("hwi,ohwi->o", window, kernel)
    return out


@pytest.mark.parametrize(("size", "stride"), [(5, 1), (6, 1), (5, 2), (6, 2)])
def test_rotated_kernels_turn_symmetric_padding_into_same(size, stride):
    """On a rotated image they give TensorFlow's output rotated; unrotated ones do not."""
    rng = np.random.default_rng(0)
    image = rng.integers(-9, 10, (size, size, 2)).astype(np.float32)
    kernel = rng.integers(-9, 10, (3, 3, 3, 2)).astype(np.float32)
    expected = _same_convolution(image, kernel, stride).transpose(2, 0, 1)

    def symmetric(channels, weight):
        channels, weight = (torch.from_numpy(x.copy()) for x in (channels, weight))
        return torch.nn.functional.conv2d(channels, weight, stride=stride, padding=1).numpy()

    channels = image.transpose(2, 0, 1)
    rotated = symmetric(channels[:, ::-1, ::-1], SCRIPT.torch_kernel("convolution", kernel))
    np.testing.assert_array_equal(rotated[:, ::-1, ::-1], expected)
    plain = symmetric(channels, kernel.transpose(0, 3, 1, 2))
    assert np.array_equal(plain, expected) == (size % 2 == 1 or stride == 1)


def test_the_background_class_is_left_out(blank):
    weight = np.repeat(np.arange(1001, dtype=np.float32)[:, None], 1280, axis=1)
    classifier = SCRIPT.Layer("dense", weight, np.arange(1001, dtype=np.float32))
    state = SCRIPT.state_dict([*blank[:-1], classifier])
    assert state["classifier.1.weight"].shape == (1000, 1280)
    np.testing.assert_array_equal(state["classifier.1.weight"][:, 0], np.arange(1, 1001))
    np.testing.assert_array_equal(state["classifier.1.bias"], np.arange(1, 1001))


@pytest.mark.parametrize(
    ("place", "layer", "message"),
    [
        (
            2,
            ("convolution", (16, 1, 1, 31), 16),
            r"features.1.conv.1: .* weight \(16, 1, 1, 31\) and bias \(16,\); .*\(16, 1, 1, 32\)",
        ),
        (2, ("convolution", (16, 1, 1, 32), 15), r"features.1.conv.1: .* bias \(15,\)"),
        (1, ("convolution", (1, 3, 3, 32), 32), "features.1.conv.0.0: .* has a depthwise one"),
        (-1, ("dense", (1001, 1280), 1000), r"classifier.1: .* weight \(1001, 1280\) .*\(1000,\)"),
        (-1, ("dense", (999, 1280), 999), r"classifier.1: .* weight \(999, 1280\)"),
    ],
)
def test_a_layer_of_another_network_is_refused(blank, place, layer, message):
    kind, shape, n_out = layer
    layers = list(blank)
    layers[place] = SCRIPT.Layer(kind, np.zeros(shape, np.float32), np.zeros(n_out, np.float32))
    with pytest.raises(SCRIPT.ConversionError, match=message + ".* with --source"):
        SCRIPT.state_dict(layers)
    with pytest.raises(SCRIPT.ConversionError, match="has 52 layers .* MobileNetV2 has 53"):
        SCRIPT.state_dict(blank[:-1])


def test_the_reader_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(SCRIPT.ConversionError, match="pip install tflite=="):
        SCRIPT.read_layers(tmp_path / "model.tflite")
