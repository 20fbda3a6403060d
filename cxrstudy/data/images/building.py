"""Many image files to one array in the cache folder: piece by piece, so that a kill costs little.

The array holds shrunken copies for this machine's own use. It lies in the user's cache folder and
nothing publishes it.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from tqdm.std import tqdm

from cxrstudy.data.images.reading import ImageReadError, decode_image, looks_inverted, to_square
from cxrstudy.data.origins import cache_folder
from cxrstudy.whole_files import written_whole

FOLDER = "images"
"""Folder of the arrays below the data cache."""

CHUNK_IMAGES = 512
"""Images that are kept together while a build runs; a kill loses less than one chunk."""

EXCLUDED_COLUMNS = ["image", "reason"]

SUFFIXES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
"""What names of image files end in, in any case."""

_RECIPE = 1  # to be raised when the same files become other pixels
_BATCH = 16  # undecoded files in memory
_BAR_SECONDS = 5.0


@dataclass(frozen=True)
class NamedImage:
    """One image that is to be read."""

    image: str  # Its id
    where: str  # File or archive member, as errors name it
    # Returns the bytes, or raises an `OSError`. It is called before the next image is asked for, so
    # an archive can be read from front to back.
    read: Callable[[], bytes]


@dataclass(frozen=True, eq=False)
class BuiltPixels:
    """A finished array and what became of every image that was listed."""

    pixels: np.ndarray  # [n_images, size, size] Memory-mapped, read-only
    images: pd.Index  # Ids in the order of the array
    excluded: pd.DataFrame  # Columns image and reason


def build_pixels(
    sources: Iterable[NamedImage],
    key: str,
    size: int,
    total: int,
    *,
    check_inversion: bool = True,
) -> BuiltPixels:
    """Decode and shrink images into the cache, or open what an earlier call left there.

    Images that cannot be used are left out and listed: missing, damaged, of one grey level,
    inverted, listed twice, or with the same pixels as an earlier one. A build that was killed goes
    on after its last finished chunk. Processes that want the same array wait for each other.
    """
    folder = cache_folder() / FOLDER / f"{key}-{size}px-r{_RECIPE}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():
                _build(sources, folder, size, total, check_inversion)
    return _open(folder)


def _open(folder: Path) -> BuiltPixels:
    texts = {"dtype": "str", "keep_default_na": False}
    return BuiltPixels(
        pixels=np.load(folder / "pixels.npy", mmap_mode="r"),
        images=pd.Index(pd.read_csv(folder / "images.csv", **texts)["image"]),
        excluded=pd.read_csv(folder / "excluded.csv", **texts),
    )


def _build(
    sources: Iterable[NamedImage], folder: Path, size: int, total: int, check_inversion: bool
) -> None:
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    chunk_folder = unfinished / "chunks"
    chunk_folder.mkdir(parents=True, exist_ok=True)
    progress = tqdm(
        total=total, desc=folder.name, unit=" images", disable=None, mininterval=_BAR_SECONDS
    )
    chunks = []
    listed = _repeats_marked(sources)
    with progress, ThreadPoolExecutor() as pool:
        while True:
            path = chunk_folder / f"{len(chunks):06d}.npz"
            chunk = islice(listed, CHUNK_IMAGES)
            n_listed = (
                sum(1 for _ in chunk)
                if path.exists()
                else _write_chunk(path, chunk, pool, size, check_inversion)
            )
            if n_listed == 0:
                break
            chunks.append(path)
            progress.update(n_listed)
    finished = unfinished / "finished"
    shutil.rmtree(finished, ignore_errors=True)
    finished.mkdir()
    _join(chunks, finished, size)
    finished.rename(folder)
    shutil.rmtree(unfinished)


def _repeats_marked(sources: Iterable[NamedImage]) -> Iterator[NamedImage]:
    """Let the reading of an id that was there before fail with that reason."""
    seen = set()
    for source in sources:
        yield replace(source, read=_refuse_repeat) if source.image in seen else source
        seen.add(source.image)


def _refuse_repeat() -> bytes:
    raise OSError("listed more than once; the first is used. Keep one row for each image.")


def _write_chunk(
    path: Path,
    sources: Iterator[NamedImage],
    pool: ThreadPoolExecutor,
    size: int,
    check_inversion: bool,
) -> int:
    """Write the next images, if there are any, and return how many were listed."""
    # Read one by one, here, and decoded elsewhere: an archive is read from front to back.
    contents = ((source, _content(source)) for source in sources)
    squares, images, excluded = [], [], []
    while batch := list(islice(contents, _BATCH)):
        found = pool.map(lambda pair: _square(*pair, size, check_inversion), batch)
        for (source, _), square in zip(batch, found, strict=True):
            if isinstance(square, str):
                excluded.append((source.image, square))
            else:
                squares.append(square)
                images.append(source.image)
    n_listed = len(images) + len(excluded)
    if n_listed:
        with written_whole(path) as temporary:
            np.savez(
                temporary,
                pixels=np.array(squares, np.uint8).reshape(-1, size, size),
                images=np.array(images, np.str_),
                excluded=np.array(excluded, np.str_).reshape(-1, 2),
            )
    return n_listed


def _content(source: NamedImage) -> bytes | str:
    """Return the bytes, or the reason why there are none."""
    try:
        return source.read()
    except OSError as error:
        return f"{source.where}: {error.strerror or error}"


def _square(
    source: NamedImage, content: bytes | str, size: int, check_inversion: bool
) -> np.ndarray | str:
    """Return the pixels, or the reason why the image is left out."""
    if isinstance(content, str):
        return content
    try:
        image = decode_image(content, source.where)
    except ImageReadError as error:
        return str(error)
    if image.min() == image.max():
        return f"{source.where}: one grey level only. Copy it anew, or leave it out."
    if check_inversion and looks_inverted(image):
        return f"{source.where}: air is bright, so it looks inverted. Invert it, or leave it out."
    return to_square(image, size)


def _join(chunks: list[Path], folder: Path, size: int) -> None:
    """Lay the chunks' images one behind the other, without those whose pixels were there before."""
    first_with: dict[bytes, str] = {}
    images: list[str] = []
    excluded: list[tuple[str, str]] = []
    kept = []
    for path in chunks:
        with np.load(path) as chunk:
            names, squares = chunk["images"].tolist(), chunk["pixels"]
            excluded += map(tuple, chunk["excluded"].tolist())
        digests = (hashlib.sha256(square).digest() for square in squares)
        firsts = [
            first_with.setdefault(digest, name) for digest, name in zip(digests, names, strict=True)
        ]
        kept.append([first == name for first, name in zip(firsts, names, strict=True)])
        for name, first in zip(names, firsts, strict=True):
            if first == name:
                images.append(name)
            else:
                excluded.append((name, f"same pixels as {first}. Keep one of them."))
    if not images:
        reason = excluded[0][1] if excluded else "no image is listed."
        raise ImageReadError(folder.parent.name, f"no image can be used; the first one: {reason}")
    shape = (len(images), size, size)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, shape)
    start = 0
    for path, mask in zip(chunks, kept, strict=True):
        with np.load(path) as chunk:
            squares = chunk["pixels"][np.array(mask, bool)]
        pixels[start : start + len(squares)] = squares
        start += len(squares)
    pixels.flush()
    pd.DataFrame({"image": images}).to_csv(folder / "images.csv", index=False)
    pd.DataFrame(excluded, columns=EXCLUDED_COLUMNS).to_csv(folder / "excluded.csv", index=False)
