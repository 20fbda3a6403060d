"""Features of a frozen backbone, computed once and memory-mapped afterwards."""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from cxrstudy.data.images import ImageSet
from cxrstudy.paths import in_project
from cxrstudy.vision.backbones import Backbone, BackboneName, build_backbone

_BATCH = 128
CALIBRATION_IMAGES = 512


def frozen_features(
    image_set: ImageSet, name: BackboneName, folder: str | Path, device: str = "auto"
) -> np.ndarray:
    """Return every image's features, from the cache if they were computed before.

    Parameters
    ----------
    image_set : ImageSet
    name : BackboneName
        Random weights are calibrated on the first 512 images of the set; labels play no part.
    folder : path
        Cache, relative to the project; one file for each combination of images, preprocessing and
        weights.
    device : {"auto", "cpu"}
        The accelerator where there is one.

    Returns
    -------
    ndarray of float32, shape (n_images, n_features)
        Memory-mapped and read-only.
    """
    backbone = build_backbone(name, _tensor(image_set.pixels[:CALIBRATION_IMAGES]))
    # Calibrated statistics differ in their last bits with the number of threads.
    weights = name if name.weights == "random" else backbone.fingerprint()
    key = hashlib.sha256(f"{image_set.sha256()} {weights}".encode()).hexdigest()
    path = in_project(folder) / f"{key[:24]}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of two studies that want the same features, one computes and the other waits.
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            unfinished = path.with_name(f".{path.stem}.{os.getpid()}.npy")
            try:
                np.save(unfinished, compute_features(backbone, image_set.pixels, device))
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def compute_features(backbone: Backbone, pixels: np.ndarray, device: str = "auto") -> np.ndarray:
    """Run a backbone over images, batch by batch.

    Parameters
    ----------
    backbone : Backbone
    pixels : ndarray of uint8, shape (n, size, size)
    device : {"auto", "cpu"}

    Returns
    -------
    ndarray of float32, shape (n, n_features)
    """
    accelerated = device == "auto" and torch.cuda.is_available()
    where = torch.device("cuda" if accelerated else "cpu")
    backbone = backbone.to(where).eval()
    features = np.empty((len(pixels), backbone.n_features), np.float32)
    starts = tqdm(range(0, len(pixels), _BATCH), desc="features", mininterval=5, disable=None)
    with torch.inference_mode():
        for start in starts:
            batch = _tensor(pixels[start : start + _BATCH]).to(where)
            features[start : start + _BATCH] = backbone(batch).float().cpu().numpy()
    return features


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    # A copy: a memory-mapped array is read-only, which torch does not allow.
    return torch.from_numpy(np.array(pixels))
