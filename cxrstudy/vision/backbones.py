"""Backbones by name: networks that turn grey images into features.

============== ===============================================================================
weights        where they come from
============== ===============================================================================
dequantised    MobileNetV2 trained on ImageNet, from the registry; needs no network
imagenet       torchvision's own weights of any of its classification models, downloaded once
random         initial weights with batch normalisation calibrated on the study's images
chest          torchxrayvision's DenseNet, trained on chest X-rays, downloaded once
============== ===============================================================================
"""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pooch
import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional

from cxrstudy.data.origins import CACHE_VARIABLE, DataNotAvailableError, cache_folder
from cxrstudy.data.registry import dataset

Weights = Literal["dequantised", "imagenet", "random", "chest"]

CHEST_WEIGHTS = "densenet121-res224-all"  # trained on seven collections, NIH among them
_HEADS = ("classifier", "fc", "head", "heads")
_CALIBRATION_BATCH = 64
_BYTE_MEAN, _BYTE_STD = (127.5,) * 3, (127.5,) * 3


class BackboneError(ValueError):
    """A backbone that cannot be had; the message says why and what can."""


@dataclass(frozen=True)
class BackboneName:
    """Architecture and weights, which decide a backbone.

    Attributes
    ----------
    architecture : str
        A classification model of torchvision, such as ``mobilenet_v2`` or ``resnet18``.
    weights : {"dequantised", "imagenet", "random", "chest"}
    seed : int
        Of random weights.
    """

    architecture: str = "mobilenet_v2"
    weights: Weights = "dequantised"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse combinations that no source has."""
        if self.weights not in get_args(Weights):
            raise BackboneError(f"weights must be one of {get_args(Weights)}, not {self.weights!r}")
        if self.weights == "dequantised" and self.architecture != "mobilenet_v2":
            raise BackboneError(
                f"only mobilenet_v2 has dequantised weights; for {self.architecture} choose "
                "imagenet, which is downloaded once"
            )
        if self.weights == "chest" and self.architecture != "densenet121":
            raise BackboneError("chest weights are those of densenet121")


class GreyInput(nn.Module):
    """Turn grey images of 0 to 255 into a network's normalised channels."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], rotated: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.rotated = rotated

    def forward(self, images: Tensor) -> Tensor:
        """Normalise a batch; shape (n, channels, height, width)."""
        grey = images.unsqueeze(1).float()
        if self.rotated:
            grey = grey.flip((2, 3))
        normalised = (grey - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)


class Backbone(nn.Module):
    """A network without its classifier."""

    def __init__(self, body: nn.Module, normalise: GreyInput, n_features: int) -> None:
        super().__init__()
        self.normalise, self.body, self.n_features = normalise, body, n_features

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of a batch; shape (n, n_features)."""
        return self.body(self.normalise(images))

    def fingerprint(self) -> str:
        """Return a hash of weights and preprocessing, which decide the features."""
        digest = hashlib.sha256(repr(self.normalise.__dict__["rotated"]).encode())
        for tensor in (self.normalise.mean, self.normalise.std, *self.state_dict().values()):
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:24]


def build_backbone(name: BackboneName, calibration: Tensor | None = None) -> Backbone:
    """Build a backbone with its weights, batch normalisation fixed and folded."""
    if name.weights == "chest":
        body, n_features = chest_densenet()
        grey = GreyInput((127.5,), (127.5 / 1024,))
        return Backbone(fix_batch_norm(body), grey, n_features).eval()
    body, normalise = _with_weights(name)
    if name.weights == "random":
        if calibration is None:
            raise BackboneError("random weights need images to calibrate batch normalisation on")
        batches = [normalise(batch) for batch in calibration.split(_CALIBRATION_BATCH)]
        calibrate_batch_norm(body, batches)
    body = fold_batch_norm(body).to(memory_format=torch.channels_last)
    return Backbone(body, normalise, _n_features(body, name)).eval()


def _n_features(body: nn.Module, name: BackboneName) -> int:
    """Try the network on a small image: it must take any size and give one vector."""
    try:
        with torch.no_grad():
            shape = body(torch.zeros(1, 3, 64, 64)).shape[1:]
    except (AssertionError, RuntimeError) as error:
        raise BackboneError(
            f"{name.architecture} does not take images of any size ({error}); choose a "
            "convolutional network with global pooling, such as resnet18"
        ) from None
    if len(shape) != 1:
        raise BackboneError(
            f"{name.architecture} gives features of shape {tuple(shape)} and not one vector for "
            "an image; choose a network with global pooling, such as resnet18"
        )
    return shape[0]


def _with_weights(name: BackboneName) -> tuple[nn.Module, GreyInput]:
    """Return torchvision's model without its classifier, and its preprocessing."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name.architecture not in known:
        raise BackboneError(
            f"torchvision has no classification model {name.architecture!r}; it has: "
            f"{', '.join(known)}"
        )
    with torch.random.fork_rng():
        torch.manual_seed(name.seed)
        model = torchvision.models.get_model(name.architecture, weights=None)
    normalise = GreyInput(_BYTE_MEAN, _BYTE_STD, rotated=name.weights == "dequantised")
    if name.weights == "dequantised":
        path = dataset("mobilenet_v2_imagenet").path("mobilenet_v2_imagenet_rot180.safetensors")
        model.load_state_dict({key: _as_float(value) for key, value in load_file(path).items()})
    elif name.weights == "imagenet":
        weights = torchvision.models.get_model_weights(name.architecture).DEFAULT
        model.load_state_dict(_download(weights))
        preset = weights.transforms()
        mean, std = ([255 * value for value in values] for values in (preset.mean, preset.std))
        normalise = GreyInput(mean, std)
    head = next((attribute for attribute in _HEADS if hasattr(model, attribute)), None)
    if head is None:
        raise BackboneError(
            f"{name.architecture} has its classifier in none of {', '.join(_HEADS)}; choose "
            "another network, such as resnet18"
        )
    setattr(model, head, nn.Identity())
    return model, normalise


def _download(weights: torchvision.models.WeightsEnum) -> dict[str, Tensor]:
    """Fetch torchvision's weights once, checked against the hash in their name."""
    try:
        return weights.get_state_dict(check_hash=True, weights_only=True)
    except OSError as error:
        raise DataNotAvailableError(
            f"torchvision's weights {weights} cannot be fetched from {weights.url} ({error}); "
            "choose dequantised weights, or run once where there is a network"
        ) from None


def _as_float(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


class PooledDenseNet(nn.Module):
    """The convolutional part of a DenseNet with global average pooling."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        """Return one feature for each channel, averaged over the image."""
        activated = functional.relu(self.features(images))
        return functional.adaptive_avg_pool2d(activated, 1).flatten(1)


def chest_densenet(path: str | Path | None = None) -> tuple[nn.Module, int]:
    """Build the DenseNet of Cohen et al. 2022 (TorchXRayVision) with its published weights.

    It has seen NIH images with their text-mined labels: no split of them is held out for it.
    """
    from torchxrayvision.models import DenseNet

    # The file is a pickled model. It is read by a loader that admits the classes a DenseNet is
    # made of, and no others.
    with torch.serialization.safe_globals(_classes_of(DenseNet())):
        loaded = torch.load(path or _fetch_weights(), map_location="cpu", weights_only=True)
    model = DenseNet(num_classes=loaded.classifier.out_features)
    model.features.load_state_dict(loaded.features.state_dict())
    return PooledDenseNet(model.features.eval()), loaded.classifier.in_features


def _classes_of(model: nn.Module) -> list[type]:
    return [*{type(module) for module in model.modules()}, set]


def _fetch_weights() -> str:
    from torchxrayvision.models import model_urls

    url = model_urls[CHEST_WEIGHTS]["weights_url"]
    try:
        # Its authors publish no hash; the loader is what keeps a changed file harmless.
        return pooch.retrieve(url, None, path=cache_folder() / "weights", progressbar=False)
    except Exception as error:
        raise DataNotAvailableError(
            f"the chest weights cannot be fetched from {url} ({error}); "
            f"choose other weights, or run where there is a network ({CACHE_VARIABLE})"
        ) from None


def calibrate_batch_norm(model: nn.Module, batches: list[Tensor]) -> None:
    """Set the statistics of every batch normalisation to those of these inputs.

    Statistics of random weights fit no input. Layer after layer settles in one pass, because in
    training mode each normalises by the batch at hand.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        # None asks torch for the plain mean over all batches.
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for batch in batches:
            model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def fix_batch_norm(model: nn.Module) -> nn.Module:
    """Keep batch normalisation as it is: small batches have statistics too noisy to learn from."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
    return model.eval()


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Fix batch normalisation, and fold it into the convolutions before it, which costs less."""
    return fuse(fix_batch_norm(model))


def full_precision() -> AbstractContextManager:
    """Keep convolutions in float32 for what is scored or cached; a GPU else rounds to 10 bits."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
