"""A key that tells one training from every other."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cxrstudy.code_hash import code_hash
from cxrstudy.vision.training.config import TrainingConfig

_DECIDING = (
    "backbones.py",
    "batch_norm.py",
    "chest_weights.py",
    "classifier.py",
    "grey_input.py",
    "training/loop.py",
    "training/schedule.py",
    "../kernels/bce.py",
    "../kernels/one_pass.py",
    "../observations/policies.py",
)
_DECIDING_IF_AUGMENTED = (
    "training/batches.py",
    "../kernels/augment.py",
    "../agreement/philox.py",
)
_LIBRARIES = ("torch", "torchvision")
"""They hold the optimiser, the architectures, and which pretrained weights are the default."""


def training_key(
    inputs: np.ndarray, targets: np.ndarray, watched: np.ndarray, config: TrainingConfig
) -> str:
    """Return a key that changes with configuration, data, and the code and libraries that train.

    Parameters
    ----------
    inputs, watched : ndarray
        Images or features, for training and to be predicted.
    targets : ndarray of float32, shape (n, n_targets)
    config : TrainingConfig

    Returns
    -------
    str
        The first 24 hexadecimal digits of a sha256.
    """
    arrays = [np.ascontiguousarray(array) for array in (inputs, targets, watched)]
    described = [
        _source(config.augmented),
        [(name, version(name)) for name in _LIBRARIES],
        asdict(config),
        [(a.shape, str(a.dtype)) for a in arrays],
    ]
    digest = hashlib.sha256(json.dumps(described).encode())
    for array in arrays:
        digest.update(array.data)
    return digest.hexdigest()[:24]


@cache
def _source(augmented: bool) -> str:
    """Return a hash of the modules that decide a training."""
    folder = Path(__file__).parents[1]
    names = _DECIDING + (_DECIDING_IF_AUGMENTED if augmented else ())
    return code_hash(folder / name for name in names)
