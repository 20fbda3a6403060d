"""Images of one source in one array, with who was imaged and what each label source says."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cxrstudy.data.images.reading import to_square

_CHUNK = 1024  # images that are read from the disk at once


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their tables, all in one order."""

    name: str  # Display name, such as ``"NIH block"``
    # In words, where the pixels come from and what was done to them. Pages print it, as differently
    # built pixels give different figures.
    build: str
    # [n_images, size, size] Grey, bright = dense; may be memory-mapped, then read-only
    pixels: np.ndarray
    # Indexed by image id (``image``): patient, view (``"AP"``, ``"PA"``, another or missing), sex
    # (``"F"``, ``"M"`` or missing) and age in years
    images: pd.DataFrame
    # Label source to its table: 1, 0, and NaN where the source says nothing (-1 where it says
    # uncertain); on the same index
    labels: dict[str, pd.DataFrame]
    # Columns image and reason: every image that was listed and is not in the set
    excluded: pd.DataFrame

    def __post_init__(self) -> None:
        """Refuse tables that are not on the pixels' order."""
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3:
            raise ValueError(f"{self.name}: pixels must be uint8 of shape (n_images, size, size)")
        if len(self.pixels) != len(self.images) or not self.images.index.is_unique:
            raise ValueError(
                f"{self.name}: {len(self.pixels)} images need as many different ids, "
                f"not {self.images.index.nunique()}"
            )
        for source, table in self.labels.items():
            if not table.index.equals(self.images.index):
                raise ValueError(f"{self.name}: labels[{source!r}] is not on the images' index")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @property
    def size(self) -> int:
        """Edge of the square images in pixels."""
        return self.pixels.shape[1]

    def subset(self, images: Iterable[str]) -> "ImageSet":
        """Keep some images, in the order in which they are named."""
        wanted = pd.Index(images)
        rows = self.images.index.get_indexer(wanted)
        if (rows < 0).any():
            raise KeyError(f"{self.name} has no image {wanted[rows < 0][0]!r}")
        return replace(
            self,
            pixels=self.pixels[rows],
            images=self.images.iloc[rows],
            labels={source: table.iloc[rows] for source, table in self.labels.items()},
        )

    def resized(self, size: int) -> "ImageSet":
        """Change the images' size by `cxrstudy.data.images.reading.to_square`."""
        if size == self.size:
            return self
        how = "averaged down" if size < self.size else "bilinearly enlarged"
        pixels = np.empty((len(self), size, size), np.uint8)
        for row, image in enumerate(self.pixels):
            pixels[row] = to_square(image, size)
        return replace(self, pixels=pixels, build=f"{self.build}; {how} to {size} px")

    def folds(self, n_folds: int, salt: str = "folds") -> np.ndarray:
        """Divide the images by patient, so that no patient is on both sides of a split.

        The fold is a hash of the patient alone: it stays when images or patients are added or
        left out, and is the same on every machine. Folds are therefore only about equally large.
        """
        if n_folds < 2:
            raise ValueError(f"n_folds must be at least 2, not {n_folds}")
        patients = self.images["patient"]
        if patients.isna().any():
            raise ValueError(f"{self.name}: image {patients.isna().idxmax()!r} has no patient")
        codes, distinct = pd.factorize(patients)
        return np.array([_fold(patient, n_folds, salt) for patient in distinct], np.int64)[codes]

    def sha256(self) -> str:
        """Return a fingerprint of pixels, ids and order: the key of what is computed on them."""
        return self._sha256

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256(repr(self.pixels.shape).encode())
        digest.update("\n".join(map(str, self.images.index)).encode())
        for start in range(0, len(self), _CHUNK):
            digest.update(np.ascontiguousarray(self.pixels[start : start + _CHUNK]))
        return digest.hexdigest()


def _fold(patient: object, n_folds: int, salt: str) -> int:
    digest = hashlib.sha256(f"{salt}:{patient}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * n_folds >> 64
