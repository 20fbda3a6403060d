"""The NIH block: consecutive patients of ChestX-ray14, read again in part by two expert groups."""

import tarfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from cxrstudy.data.images.building import EXCLUDED_COLUMNS, NamedImage, build_pixels
from cxrstudy.data.images.image_set import ImageSet
from cxrstudy.data.nih_experts import load_google, load_nih, load_rsna
from cxrstudy.data.registry import dataset

BUILDS: tuple[str, ...] = ("auto", "prebuilt", "archive")
"""What `load_nih_block` may be asked for."""

PREBUILT, PREBUILT_FILE = "nih_block_128", "nih_block_128.zip"
ARCHIVE, ARCHIVE_FILE = "nih_images_002", "images_002.tar.gz"
PREBUILT_SIZE = 128

ARCHIVE_ROWS = slice(4_999, 14_999)
"""Rows of the NIH's table whose images the archive holds; those before are in the first one."""

NOT_IN_BLOCK: tuple[str, ...] = ("00001989_004.png", "00002658_002.png")
"""Images of the archive that the prebuilt block lacks, so that no build uses them."""

_NAME = "NIH block"


def load_nih_block(size: int = PREBUILT_SIZE, build: str = "auto") -> ImageSet:
    """Load 9,998 images of 2,588 consecutive patients, not selected by label.

    Both builds hold the same images, but their pixels differ, and so do results: state the set's
    ``build``. ``00002300_026.png``, inverted in the NIH's release, and a few turned ones are left
    as they are. Source: Wang et al. 2017, ChestX-ray8, images by the NIH Clinical Center,
    https://nihcc.app.box.com/v/ChestXray-NIHCC
    """
    if build not in BUILDS:
        raise ValueError(f"no build {build!r} of the NIH block; choose one of {', '.join(BUILDS)}")
    if build == "auto":
        use_archive = not dataset(PREBUILT).place() and dataset(ARCHIVE).place()
        build = "archive" if use_archive else "prebuilt"
    return _from_archive(size) if build == "archive" else _prebuilt().resized(size)


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
    return load_nih().images.index[ARCHIVE_ROWS].drop(list(NOT_IN_BLOCK)).sort_values()


def read_archive(path: Path, images: pd.Index) -> Iterator[NamedImage]:
    """Read the wanted images of one of the NIH's archives from front to back."""
    wanted = dict.fromkeys(images)
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            image = PurePosixPath(member.name).name
            if member.isfile() and image in wanted:
                yield NamedImage(image, member.name, partial(_member, archive, member))
                wanted.pop(image)
    for image in wanted:
        yield NamedImage(image, image, partial(_refuse_missing, path.name))


def _prebuilt() -> ImageSet:
    data = dataset(PREBUILT)
    images = block_images()

    def members() -> Iterator[NamedImage]:
        with zipfile.ZipFile(data.path(PREBUILT_FILE)) as archive:
            for image in images:
                member = f"{PREBUILT}/{PurePosixPath(image).stem}.jpg"
                yield NamedImage(image, member, partial(archive.read, member))

    if not data.place():
        data.path(PREBUILT_FILE)
    key = f"{PREBUILT}-{data.files[PREBUILT_FILE][:12]}"
    return _image_set(members(), key, PREBUILT_SIZE, f"prebuilt, {PREBUILT_SIZE} px JPEG")


def _from_archive(size: int) -> ImageSet:
    data = dataset(ARCHIVE)
    images = block_images()

    def members() -> Iterator[NamedImage]:
        yield from read_archive(data.path(ARCHIVE_FILE), images)

    key = f"{ARCHIVE}-{data.files[ARCHIVE_FILE].rpartition(':')[2][:12]}"
    build = f"built from the NIH's archive images_002, 1024 px, averaged down to {size} px"
    return _image_set(members(), key, size, build)


def _image_set(sources: Iterator[NamedImage], key: str, size: int, build: str) -> ImageSet:
    # The images are known, and one that is inverted is meant to stay: see `load_nih_block`.
    built = build_pixels(sources, key, size, len(block_images()), check_inversion=False)
    images, labels = nih_tables(built.images)
    left_out = [(image, "in the archive, not in the prebuilt block") for image in NOT_IN_BLOCK]
    excluded = [pd.DataFrame(left_out, columns=EXCLUDED_COLUMNS), built.excluded]
    return ImageSet(
        _NAME, build, built.pixels, images, labels, pd.concat(excluded, ignore_index=True)
    )


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    return archive.extractfile(member).read()


def _refuse_missing(archive: str) -> bytes:
    raise OSError(f"not in {archive}")
