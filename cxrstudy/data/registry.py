"""Which data sets there are, what their bytes must be, and on which terms they may be used."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from cxrstudy.data.origins import (
    CACHE_VARIABLE,
    CorruptDataError,
    DataNotAvailableError,
    Download,
    InstalledPackage,
    LargeDownload,
    NoAddress,
    Origin,
    cache_folder,
    check_hash,
)

__all__ = [
    "CACHE_VARIABLE",
    "MIRROR_VARIABLE",
    "TERMS_VARIABLE",
    "CorruptDataError",
    "DataNotAvailableError",
    "Dataset",
    "TermsNotAcceptedError",
    "dataset",
    "datasets",
    "fetch",
]

MIRROR_VARIABLE = "CXRSTUDY_MIRROR"
TERMS_VARIABLE = "CXRSTUDY_ACCEPT_TERMS"


class TermsNotAcceptedError(DataNotAvailableError):
    """A data set carries an agreement that its user has not said to have accepted."""


@dataclass(frozen=True)
class Dataset:
    """One data set of the registry: its files, terms and citation."""

    name: str  # key in the registry
    title: str
    content: str  # one sentence on what it holds
    tier: int  # 0 ships inside a package, 1 is fetched without login, 2 is credentialed
    licence: str
    citation: str  # key in the bibliography
    homepage: str
    # Relative path to sha256, or to another hash with its name: "md5:...". Empty if the data set is
    # read in place from a folder that its user names.
    files: Mapping[str, str]
    # Exactly one of four origins.
    base_url: str = ""  # each file's path is appended to it; pinned to a commit
    package: str = ""  # the files ship in it: "torchxrayvision==1.5.7"
    archive_url: str = ""  # whole address of the one large file
    instead: str = ""  # the command that makes the files, or gets what they were made of
    stand_in: str = ""  # another data set that serves as well if it is at hand
    folder: str = ""  # in a mirror and in the cache; the name unless told
    agreement: bool = False  # off until its user accepts its terms

    def __post_init__(self) -> None:
        """Refuse an entry that says not exactly one way to get its files."""
        ways = (self.base_url, self.package, self.archive_url, self.instead)
        if sum(map(bool, ways)) != 1:
            raise ValueError(
                f"data set {self.name}: give either base_url or package or archive_url or instead"
            )

    @property
    def origin(self) -> Origin:
        """Where the files come from when no mirror holds them."""
        if self.package:
            return InstalledPackage(self.package)
        if self.archive_url:
            return LargeDownload(self.name, self.archive_url)
        return NoAddress(self.instead) if self.instead else Download(self.name, self.base_url)

    @property
    def fetch_command(self) -> str:
        """The one command that brings this data set to this machine."""
        accept = f"export {TERMS_VARIABLE}={self.name} && " if self.agreement else ""
        return accept + self.origin.command

    def path(self, file: str) -> Path:
        """Locate one of `files`: mirror first, then where it comes from.

        Its bytes are the pinned ones. Raises `TermsNotAcceptedError`, `CorruptDataError` or
        `DataNotAvailableError`.
        """
        expected = self.files[file]
        self._check_terms()
        mirrored = self._mirrored(file)
        if mirrored is not None:
            check_hash(mirrored, expected, remedy=f"replace it, or unset {MIRROR_VARIABLE}")
            return mirrored
        try:
            return self.origin.locate(self._folder, file, expected)
        except DataNotAvailableError as error:
            raise DataNotAvailableError(
                f"{self.title}: {error}; or name a folder that holds {self._folder}/{file} in "
                f"{MIRROR_VARIABLE}."
            ) from None

    def is_at_hand(self) -> bool:
        """Say whether a mirror or the cache has every file, without reading or fetching any."""
        return bool(self.files) and all(
            self._mirrored(file) or (cache_folder() / self._folder / file).is_file()
            for file in self.files
        )

    @property
    def _folder(self) -> str:
        return self.folder or self.name

    def _mirrored(self, file: str) -> Path | None:
        mirror = os.environ.get(MIRROR_VARIABLE)
        candidate = Path(mirror, self._folder, file) if mirror else None
        return candidate if candidate and candidate.is_file() else None

    def _check_terms(self) -> None:
        accepted = {name.strip() for name in os.environ.get(TERMS_VARIABLE, "").split(",")}
        if self.agreement and self.name not in accepted:
            raise TermsNotAcceptedError(
                f"{self.title}: off until you accept their terms ({self.licence}). Read them at "
                f"{self.homepage}, then add its name to the environment: "
                f"{TERMS_VARIABLE}={self.name} (several names with commas between them)."
            )


@cache
def datasets() -> Mapping[str, Dataset]:
    """Load the registry, in the order in which the data page lists its data sets."""
    entries = yaml.safe_load(files("cxrstudy.data").joinpath("registry.yaml").read_text("utf-8"))
    return {name: Dataset(name=name, **entry) for name, entry in entries["datasets"].items()}


def dataset(name: str) -> Dataset:
    """Look one data set up by name."""
    try:
        return datasets()[name]
    except KeyError:
        known = ", ".join(datasets())
        raise KeyError(f"no data set {name!r} in the registry; it holds: {known}") from None


def fetch(name: str) -> list[Path]:
    """Bring every file of a data set to this machine, verified, in registry order.

    If only the data set that stands in for it is at hand, its files are returned.
    """
    entry = dataset(name)
    if not entry.files:
        raise DataNotAvailableError(
            f"{entry.title}: not fetched but read in place ({entry.licence}). Get it at "
            f"{entry.homepage}, then use `{entry.fetch_command}`"
        )
    if entry.stand_in and not entry.is_at_hand() and dataset(entry.stand_in).is_at_hand():
        return fetch(entry.stand_in)
    return [entry.path(file) for file in entry.files]
