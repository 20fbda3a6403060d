"""A key that tells one training from every other."""

import ast
import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

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
)
_DECIDING_IF_AUGMENTED = ("training/batches.py", "../kernels/augment.py")


def training_key(
    inputs: np.ndarray, targets: np.ndarray, watched: np.ndarray, config: TrainingConfig
) -> str:
    """Return a key that changes with the configuration, the data and the code that trains.

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
        asdict(config),
        [(a.shape, str(a.dtype)) for a in arrays],
    ]
    digest = hashlib.sha256(json.dumps(described).encode())
    for array in arrays:
        digest.update(array.data)
    return digest.hexdigest()[:24]


@cache
def _source(augmented: bool) -> str:
    """Return a hash of the modules that decide a training, whatever their prose says."""
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for name in _DECIDING + (_DECIDING_IF_AUGMENTED if augmented else ()):
        digest.update(_without_prose((folder / name).read_text("utf-8")).encode())
    return digest.hexdigest()


def _without_prose(source: str) -> str:
    """Drop comments and docstrings: better words must not cost hours of training."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
