"""Features of a frozen backbone, computed once and memory-mapped afterwards."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from tqdm import tqdm

from cxrstudy.data.images import ImageSet
from cxrstudy.paths import in_project
from cxrstudy.trainings.key import result_key
from cxrstudy.vision.backbones import Backbone, BackboneName, build_backbone, full_precision
from cxrstudy.whole_files import written_whole

_BATCH = 128
CALIBRATION_IMAGES = 512


def frozen_features(
    image_set: ImageSet, name: BackboneName | Backbone, folder: str | Path
) -> np.ndarray:
    """Return every image's features, from the cache if they were computed before.

    Parameters
    ----------
    image_set : ImageSet
    name : BackboneName or Backbone
        Or the network itself, if it is built already. Random weights are calibrated on the first
        `CALIBRATION_IMAGES` of the set.
    folder : path
        Cache, relative to the project; one file for each pair of images and weights.

    Returns
    -------
    ndarray of float32, shape (n_images, n_features)
        Memory-mapped and read-only.
    """
    return kept_features(__name__, compute_features, image_set, name, folder)


def kept_features(
    module: str,
    compute: Callable[[Backbone, np.ndarray], np.ndarray],
    image_set: ImageSet,
    name: BackboneName | Backbone,
    folder: str | Path,
) -> np.ndarray:
    """Read what a module's function made of these images and weights, or let it be made."""
    if isinstance(name, Backbone):
        backbone, weights = name, name.fingerprint()
    else:
        backbone = build_backbone(name, _tensor(image_set.pixels[:CALIBRATION_IMAGES]))
        # Calibrated statistics differ in the last bits with the number of threads, so that random
        # weights are known by what makes them, and not by their bytes.
        weights = name if name.weights == "random" else backbone.fingerprint()
    key = result_key(module, image_set.sha256(), weights)
    path = in_project(folder) / f"{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of two studies that want the same features, one computes and the other waits.
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            with written_whole(path) as unfinished:
                np.save(unfinished, compute(backbone, image_set.pixels))
    return np.load(path, mmap_mode="r", allow_pickle=False)


def compute_features(backbone: Backbone, pixels: np.ndarray, device: str = "auto") -> np.ndarray:
    """Run a backbone over images, batch by batch; float32, (n, n_features)."""
    if device not in ("auto", "cpu"):
        raise ValueError(f"device must be 'auto' or 'cpu', not {device!r}")
    where = "cuda" if device == "auto" and torch.cuda.is_available() else "cpu"
    backbone = backbone.to(where).eval()
    features = np.empty((len(pixels), backbone.n_features), np.float32)
    starts = tqdm(range(0, len(pixels), _BATCH), desc="features", mininterval=5, disable=None)
    with torch.inference_mode(), full_precision():
        for start in starts:
            batch = _tensor(pixels[start : start + _BATCH]).to(where)
            features[start : start + _BATCH] = backbone(batch).float().cpu().numpy()
    return features


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    # A copy: a memory-mapped array is read-only, which torch does not allow.
    return torch.from_numpy(np.array(pixels))
