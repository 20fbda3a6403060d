"""A DenseNet that was trained on chest X-rays, from torchxrayvision's published weights."""

from pathlib import Path

import pooch
import torch
from torch import nn
from torch.nn import functional

from cxrstudy.data.registry import CACHE_VARIABLE, DataNotAvailableError, cache_folder

CHEST_WEIGHTS = "densenet121-res224-all"
"""Name of the weights, trained on seven collections, NIH among them."""


class PooledDenseNet(nn.Module):
    """The convolutional part of a DenseNet with global average pooling."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return one feature for each channel, averaged over the image."""
        activated = functional.relu(self.features(images))
        return functional.adaptive_avg_pool2d(activated, 1).flatten(1)


def chest_densenet(path: str | Path | None = None) -> tuple[nn.Module, int]:
    """Build the DenseNet with its published weights.

    It has seen NIH images with their text-mined labels, so that no split of the NIH's images is
    held out for it.

    References
    ----------
    Cohen et al. 2022. TorchXRayVision: A library of chest X-ray datasets and models. MIDL.
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
