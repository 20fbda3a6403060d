"""The NIH block: consecutive patients of ChestX-ray14, read again in part by two expert groups."""

import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

import pandas as pd

from cxrstudy.data.images.building import EXCLUDED_COLUMNS, NamedImage, build_pixels
from cxrstudy.data.images.image_set import ImageSet
from cxrstudy.data.nih_experts import load_google, load_nih, load_rsna
from cxrstudy.data.registry import dataset

BLOCK_SIZE = 128
_DATA, _FILE = "nih_block_128", "nih_block_128.zip"

# Rows of the NIH's table whose images its archive images_002 holds; those before are in the first.
_ARCHIVE_ROWS = slice(4_999, 14_999)
# Images of the archive that the block lacks.
_NOT_IN_BLOCK = ("00001989_004.png", "00002658_002.png")


def load_nih_block(size: int = BLOCK_SIZE) -> ImageSet:
    """Load 9,998 images of 2,588 consecutive patients, not selected by label.

    ``00002300_026.png``, inverted in the NIH's release, and a few turned ones are left as they are.
    Source: Wang et al. 2017, ChestX-ray8, images by the NIH Clinical Center,
    https://nihcc.app.box.com/v/ChestXray-NIHCC
    """
    data, names = dataset(_DATA), block_images()
    if not data.place():
        data.path(_FILE)  # raises, whatever an earlier build left in the cache

    def members() -> Iterator[NamedImage]:
        with zipfile.ZipFile(data.path(_FILE)) as archive:
            for image in names:
                member = f"{_DATA}/{PurePosixPath(image).stem}.jpg"
                yield NamedImage(image, member, partial(archive.read, member))

    key = f"{_DATA}-{data.files[_FILE][:12]}"
    # The images are known, and the one that is inverted is meant to stay.
    built = build_pixels(members(), key, BLOCK_SIZE, len(names), check_inversion=False)
    images, labels = nih_tables(built.images)
    left_out = [(image, "in the archive, not in the prebuilt block") for image in _NOT_IN_BLOCK]
    excluded = [pd.DataFrame(left_out, columns=EXCLUDED_COLUMNS), built.excluded]
    build = f"prebuilt, {BLOCK_SIZE} px JPEG"
    block = ImageSet(
        "NIH block", build, built.pixels, images, labels, pd.concat(excluded, ignore_index=True)
    )
    return block.resized(size)


def nih_tables(images: pd.Index) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Look any images of ChestX-ray14 up in the tables of the NIH, RSNA and Google."""
    nih = load_nih()
    unknown = images.difference(nih.images.index)
    if len(unknown):
        raise KeyError(f"the NIH's table has no image {unknown[0]!r} ({len(unknown)} such images)")
    google = pd.concat(load_google().values())
    return nih.images.loc[images], {
        "nlp": nih.labels.loc[images],
        "rsna": load_rsna().labels.reindex(images),
        "google": google.reindex(images),
    }


def block_images() -> pd.Index:
    """Name the images of the block in the order of their names; shape (9998,)."""
    return load_nih().images.index[_ARCHIVE_ROWS].drop(list(_NOT_IN_BLOCK)).sort_values()
