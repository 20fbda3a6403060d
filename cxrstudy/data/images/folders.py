"""Images by one name: the NIH block of the registry, or a folder of NIH images that the user holds.

Files are read where they lie. What is kept are shrunken pixels in the user's cache folder: they
stay on this machine, under the same agreement as the files, and are the user's to delete.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from cxrstudy.data.images.building import NamedImage, build_pixels
from cxrstudy.data.images.image_set import ImageSet
from cxrstudy.data.images.nih_block import BLOCK_SIZE, load_nih_block, nih_tables
from cxrstudy.data.nih_experts import load_nih

_NO_EXPERTS = {"CheXpert": "train.csv", "MIMIC-CXR-JPG": "mimic-cxr-2.0.0-metadata.csv.gz"}
"""Data sets that no expert source of the studies labels, by a table that tells their folder."""


class ImageFolderError(ValueError):
    """A folder of images, or a table of them, that cannot be used; one line with the remedy."""


def load_images(folder: str | Path = "", size: int = BLOCK_SIZE) -> ImageSet:
    """Load the images of a study.

    Parameters
    ----------
    folder : str or Path
        Unpacked images of ChestX-ray14, all or some, in any folders below this one; empty for the
        NIH block of the registry.
    size : int
        Edge of the squares in pixels.

    Returns
    -------
    ImageSet
        Labels ``nlp``, ``rsna`` and ``google``, see `nih_tables`.

    Raises
    ------
    ImageFolderError
        If there is no such folder, or no image in it that experts read.
    """
    if not folder:
        return load_nih_block(size)
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise ImageFolderError(f"{folder}: no such folder. Name one of NIH images.")
    for name, table in _NO_EXPERTS.items():
        if (folder / table).exists():
            raise ImageFolderError(
                f"{folder}: {name} has no labels of RSNA's and Google's experts, which the image "
                "studies need. Name a folder of NIH images; `cxrstudy predict` reads any images."
            )
    known = load_nih().images.index
    found = {path.name: path for path in sorted(folder.rglob("*.png"), reverse=True)}
    paths = pd.Series({image: found[image] for image in known.intersection(found)}, dtype=object)
    _, labels = nih_tables(pd.Index(paths.index, name="image"))
    if not any(labels[source].notna().any(axis=None) for source in ("rsna", "google")):
        raise ImageFolderError(
            f"{folder}: RSNA's and Google's experts read none of its {len(paths):,} NIH images. "
            "Unpack more of the NIH's archives into it, such as images_002."
        )
    return _read_folder(folder, paths, size)


def _read_folder(folder: Path, paths: pd.Series, size: int) -> ImageSet:
    def sources() -> Iterator[NamedImage]:
        for image, path in paths.items():
            yield NamedImage(image, str(path.relative_to(folder)), path.read_bytes)

    # Names and sizes of the files: reading them would take as long as building.
    described = "\n".join(f"{image} {path.stat().st_size}" for image, path in paths.items())
    key = f"nih_folder-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
    built = build_pixels(sources(), key, size, len(paths))
    images, labels = nih_tables(built.images)
    build = f"{len(paths):,} files of ChestX-ray14 in a folder, shrunken to {size} px"
    return ImageSet("NIH images", build, built.pixels, images, labels, built.excluded)
