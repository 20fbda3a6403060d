"""An image classifier as one safetensors file: backbone, linear heads, and where they come from.

Whoever has the file can predict; neither the registry nor a network is asked for weights, and
nothing is unpickled. A file of heads alone is a thousandth of the size; its backbone is built from
the registry's weights.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cxrstudy.data.registry import dataset
from cxrstudy.observations import OBSERVATIONS
from cxrstudy.paths import in_project
from cxrstudy.vision.backbones import (
    Backbone,
    BackboneName,
    GreyInput,
    PooledDenseNet,
    build_backbone,
    full_precision,
)
from cxrstudy.whole_files import written_whole

_FORMAT = "cxrstudy classifier 1"
_BODY = "body."
_COEFFICIENTS, _INTERCEPTS = "heads.coefficients", "heads.intercepts"
_REMEDY = "Name a classifier that study 06 stored; `make book` runs it."
_BATCH = 64


class ClassifierFileError(ValueError):
    """A file that holds no usable classifier; the message is one line with file and remedy."""


@dataclass(frozen=True, eq=False)
class StoredClassifier:
    """A backbone with one logistic regression for each of some observations."""

    name: BackboneName  # Architecture, and where the weights came from
    backbone: Backbone
    image_size: int  # Edge in pixels of the images that the heads were fitted on
    observations: tuple[str, ...]  # The heads in order, each one of the 14 observations
    coefficients: np.ndarray  # [n_observations, n_features]
    intercepts: np.ndarray  # [n_observations,]
    about: dict  # What the heads were fitted on and with, as JSON can hold it

    def __post_init__(self) -> None:
        """Refuse heads of unknown observations, or of another shape than the backbone's."""
        unknown = [name for name in self.observations if name not in OBSERVATIONS]
        if unknown or len(set(self.observations)) != len(self.observations):
            raise ValueError(
                f"heads are named {self.observations}: need different names of the 14 observations"
            )
        shape = (len(self.observations), self.backbone.n_features)
        if self.coefficients.shape != shape or self.intercepts.shape != shape[:1]:
            raise ValueError(
                f"coefficients {self.coefficients.shape} and intercepts {self.intercepts.shape} "
                f"must have shapes {shape} and {shape[:1]}"
            )

    def predict(self, pixels: np.ndarray) -> pd.DataFrame:
        """Predict the probability of every observation, on the accelerator where there is one."""
        edges = (self.image_size, self.image_size)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[1:] != edges:
            raise ValueError(
                f"pixels are {pixels.dtype} of shape {pixels.shape}: need uint8 of shape "
                f"(n, {self.image_size}, {self.image_size}); to_square makes images fit"
            )
        where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        backbone = self.backbone.to(where).eval()
        coefficients = torch.from_numpy(self.coefficients).to(where)
        intercepts = torch.from_numpy(self.intercepts).to(where)
        probabilities = np.empty((len(pixels), len(self.observations)), np.float32)
        with torch.inference_mode(), full_precision():
            for start in range(0, len(pixels), _BATCH):
                rows = slice(start, start + _BATCH)
                features = backbone(torch.from_numpy(np.array(pixels[rows])).to(where))
                logits = features @ coefficients.T + intercepts
                probabilities[rows] = logits.sigmoid().cpu().numpy()
        return pd.DataFrame(probabilities, columns=list(self.observations))


def default_checkpoint() -> Path:
    """Return where study 06 stores its classifier and `cxrstudy predict` looks for one."""
    return in_project("_build/models/nih_frozen_linear.safetensors")


HEADS: dict[str, tuple[str, str]] = {
    "travel/experts": ("travel_heads", "travel_experts.safetensors"),
    "travel/reports": ("travel_heads", "travel_reports.safetensors"),
}
"""Heads that ship with the repository: name to data set and file."""


def stored_head(name: str) -> Path:
    """Locate one of `HEADS`."""
    if name not in HEADS:
        raise ClassifierFileError(f"{name}: no such head. There are: {', '.join(HEADS)}.")
    entry, file = HEADS[name]
    return dataset(entry).path(file)


def save_classifier(
    classifier: StoredClassifier, path: str | Path, *, heads_alone: bool = False
) -> Path:
    """Write a classifier, in full precision, to a file that appears when it is complete."""
    path = Path(path)
    normalise = classifier.backbone.normalise
    described = json.dumps(
        {
            "backbone": asdict(classifier.name),
            "n_features": classifier.backbone.n_features,
            "mean": normalise.mean.flatten().tolist(),
            "std": normalise.std.flatten().tolist(),
            "rotated": normalise.rotated,
            "image_size": classifier.image_size,
            "observations": classifier.observations,
            "about": classifier.about,
        }
    )
    body = {} if heads_alone else classifier.backbone.body.state_dict()
    tensors = {f"{_BODY}{key}": value.cpu().contiguous() for key, value in body.items()}
    tensors[_COEFFICIENTS] = torch.from_numpy(classifier.coefficients)
    tensors[_INTERCEPTS] = torch.from_numpy(classifier.intercepts)
    metadata = {
        "format": _FORMAT,
        "classifier": described,
        "sha256": _digest(described, tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        save_file(tensors, unfinished, metadata)
    return path


def load_classifier(path: str | Path) -> StoredClassifier:
    """Read a classifier from its file."""
    path = Path(path)
    if not path.is_file():
        raise ClassifierFileError(f"{path}: no such file. {_REMEDY}")
    try:
        with safe_open(path, framework="pt") as kept:
            metadata = kept.metadata() or {}
            tensors = {key: kept.get_tensor(key) for key in kept.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ClassifierFileError(
            f"{path}: not a safetensors file, or cut off ({error}). {_REMEDY}"
        ) from error
    if metadata.get("format") != _FORMAT:
        raise ClassifierFileError(f"{path}: a safetensors file, but no classifier. {_REMEDY}")
    if metadata.get("sha256") != _digest(metadata.get("classifier", ""), tensors):
        raise ClassifierFileError(f"{path}: damaged, its checksum is another. {_REMEDY}")
    described = json.loads(metadata["classifier"])
    body = {key[len(_BODY) :]: value for key, value in tensors.items() if key.startswith(_BODY)}
    return StoredClassifier(
        BackboneName(**described["backbone"]),
        _stored_backbone(path, described, body),
        described["image_size"],
        tuple(described["observations"]),
        tensors[_COEFFICIENTS].numpy(),
        tensors[_INTERCEPTS].numpy(),
        described["about"],
    )


def _stored_backbone(path: Path, described: dict, body: dict[str, Tensor]) -> Backbone:
    name = BackboneName(**described["backbone"])
    if not body:
        return build_backbone(name)
    normalise = GreyInput(described["mean"], described["std"], described["rotated"])
    backbone = _without_weights(name, normalise, described["n_features"])
    try:
        backbone.body.load_state_dict(body)
    except RuntimeError as error:
        raise ClassifierFileError(
            f"{path}: its weights do not fit this version's {name.architecture}; it was stored "
            f"with {described['about'].get('versions')}. {_REMEDY}"
        ) from error
    return backbone


def _without_weights(name: BackboneName, normalise: GreyInput, n_features: int) -> Backbone:
    """Build a backbone's structure alone, folded as it was when its weights were stored."""
    if name.weights == "chest":
        from torchxrayvision.models import DenseNet

        body = PooledDenseNet(DenseNet().features)
    else:
        black = torch.zeros(2, 64, 64, dtype=torch.uint8)
        body = build_backbone(BackboneName(name.architecture, "random"), black).body
    return Backbone(body, normalise, n_features).eval()


def _digest(described: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(described.encode())
    for key, tensor in sorted(tensors.items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
