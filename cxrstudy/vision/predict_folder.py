"""Predict every image of a folder: files of any kind and number in, one table out."""

import csv
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cxrstudy.data.images import ImageReadError, looks_inverted, read_image, to_square
from cxrstudy.data.images.building import SUFFIXES
from cxrstudy.data.images.folders import ImageFolderError
from cxrstudy.observations import OBSERVATIONS
from cxrstudy.vision.stored_classifier import StoredClassifier
from cxrstudy.whole_files import check_table_path, written_whole

_BATCH = 64
_MOST_BYTES = 2**30
_BAR_SECONDS = 5.0


@dataclass(frozen=True)
class FolderPredictions:
    """What became of a folder's files."""

    destination: Path  # The table
    n_predicted: int  # Its rows
    # One line for each file that could not be read, and for each that looks inverted and was
    # predicted all the same
    skipped: tuple[str, ...]
    inverted: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _ReadFile:
    """A file's pixels, or None, and a line of what there is to say about it."""

    path: Path
    square: np.ndarray | None
    remark: str | None


def predict_folder(
    classifier: StoredClassifier, folder: str | Path, destination: str | Path
) -> FolderPredictions:
    """Predict the images of a folder and of the folders in it, and write a table.

    Read are PNG, JPEG and DICOM files by their endings, and DICOM files without an ending or with a
    number as one; links are followed as long as they stay in the folder. The table appears when it
    is complete; a run that fails leaves an older one as it was.
    """
    folder, destination = Path(folder), Path(destination)
    if not folder.is_dir():
        raise ImageFolderError(f"{folder}: no such folder. Name the folder of images.")
    check_table_path(destination, ImageFolderError)
    paths, skipped = _images_below(folder)
    if not paths:
        more = f" Passed over: {skipped[0]}" if skipped else ""
        raise ImageFolderError(
            f"{folder}: no image in it. Names end in {', '.join(SUFFIXES)}, or the file is "
            f"DICOM without an ending.{more}"
        )
    inverted: list[str] = []
    n_predicted = 0
    with (
        written_whole(destination) as unfinished,
        # File names need not be Unicode; what is not is written as its bytes' numbers.
        unfinished.open("w", encoding="utf-8", errors="backslashreplace", newline="") as table,
        ThreadPoolExecutor() as pool,
        tqdm(total=len(paths), unit=" images", disable=None, mininterval=_BAR_SECONDS) as progress,
    ):
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["image", *OBSERVATIONS])
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            read = list(pool.map(partial(_read_square, size=classifier.image_size), batch))
            skipped += [file.remark for file in read if file.square is None]
            usable = [file for file in read if file.square is not None]
            inverted += [file.remark for file in usable if file.remark]
            writer.writerows(_rows(classifier, folder, usable))
            n_predicted += len(usable)
            progress.update(len(batch))
    return FolderPredictions(destination, n_predicted, tuple(skipped), tuple(inverted))


def _images_below(folder: Path) -> tuple[list[Path], list[str]]:
    """List image files in the order of their paths, and a line for each that must not be read."""
    inside = Path(os.path.realpath(folder))
    paths: list[Path] = []
    skipped: list[str] = []

    def refuse(error: OSError) -> None:
        skipped.append(_line(error.filename, f"not readable ({error.strerror}). Check its rights."))

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        # The walk does not enter links to folders; those that stay inside lead nowhere new.
        for name in [*folders, *filter(_may_be_image, names)]:
            path = Path(parent, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                skipped.append(_line(path, "a link out of the folder. Copy what it names into it."))
            elif name not in folders:
                try:
                    if _has_ending(name) or (path.is_file() and _is_dicom(path)):
                        paths.append(path)
                except OSError as error:
                    refuse(error)
    return sorted(paths), skipped


def _may_be_image(name: str) -> bool:
    """Go by the name alone; a DICOM file may be named by its number, such as 1.2.840.55."""
    if name.startswith(".") or name == "DICOMDIR":
        return False
    ending = Path(name).suffix
    return _has_ending(name) or ending == "" or ending[1:].isdigit()


def _has_ending(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_dicom(path: Path) -> bool:
    # Slow to import, and few folders need it.
    from pydicom.misc import is_dicom

    return is_dicom(path)


def _read_square(path: Path, size: int) -> _ReadFile:
    reason = _unfit(path)
    if reason:
        return _ReadFile(path, None, _line(path, reason))
    try:
        image = read_image(path)
    except ImageReadError as error:
        return _ReadFile(path, None, _line(path, error.reason))
    if image.min() == image.max():
        reason = "one grey level only. Copy it anew, or leave it out."
        return _ReadFile(path, None, _line(path, reason))
    remark = None
    if looks_inverted(image):
        remark = _line(path, "air is bright, so it looks inverted; predicted as it is. Look at it.")
    return _ReadFile(path, to_square(image, size), remark)


def _unfit(path: Path) -> str | None:
    """Say why a file must not even be opened: a pipe would wait, a huge file fill the memory."""
    try:
        found = path.stat()
    except OSError as error:
        return f"not readable ({error.strerror}). Check the path."
    if not stat.S_ISREG(found.st_mode):
        return "not a file. Leave it out."
    if found.st_size > _MOST_BYTES:
        return "more than 1 GiB, so no X-ray. Leave it out."
    return None


def _rows(
    classifier: StoredClassifier, folder: Path, files: list[_ReadFile]
) -> Iterator[list[str]]:
    if not files:
        return
    predicted = classifier.predict(np.stack([file.square for file in files]))
    for file, row in zip(files, predicted.to_dict("records"), strict=True):
        cells = [f"{row[name]:.6g}" if name in row else "" for name in OBSERVATIONS]
        yield [file.path.relative_to(folder).as_posix(), *cells]


def _line(path: str | Path, reason: str) -> str:
    """Keep to one line, whatever the file is called."""
    return " ".join(f"{path}: {reason}".split())
