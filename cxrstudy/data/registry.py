"""Where each data set lies, what its bytes must be, and on which terms it may be used."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import pooch
import yaml

MIRROR_VARIABLE = "CXRSTUDY_MIRROR"
CACHE_VARIABLE = "CXRSTUDY_DATA_DIR"


class DataNotAvailableError(RuntimeError):
    """A data set is neither in the mirror nor in the cache, and could not be fetched."""


class CorruptDataError(RuntimeError):
    """A file's bytes are not the ones that the registry pins."""


@dataclass(frozen=True)
class Dataset:
    """One data set of the registry: its files, terms and citation.

    Attributes
    ----------
    name, title, content : str
        Key in the registry, display name, one sentence on what it holds.
    tier : int
        0 ships inside a package, 1 is fetched without login, 2 is credentialed.
    licence, citation, homepage : str
        Terms in words, key in the bibliography, where to read more.
    base_url : str
        Address that each file's path is appended to; pinned to a commit.
    files : mapping of str to str
        Relative path to sha256.
    """

    name: str
    title: str
    content: str
    tier: int
    licence: str
    citation: str
    homepage: str
    base_url: str
    files: Mapping[str, str]

    @property
    def fetch_command(self) -> str:
        """The one command that brings this data set to this machine."""
        return f"cxrstudy data fetch {self.name}"

    def path(self, file: str) -> Path:
        """Locate one file: mirror first, then cache, then network.

        Parameters
        ----------
        file : str
            A relative path among `files`.

        Returns
        -------
        Path
            A file whose sha256 is the pinned one.

        Raises
        ------
        KeyError
            If the data set has no such file.
        CorruptDataError
            If the mirror's or the fetched file has other bytes than the registry pins.
        DataNotAvailableError
            If the file is in no folder and the network does not deliver it.
        """
        expected = self.files[file]
        mirrored = self._mirrored(file)
        if mirrored is not None:
            _check_hash(mirrored, expected, remedy=f"replace it, or unset {MIRROR_VARIABLE}")
            return mirrored
        return self._downloaded(file)

    def _mirrored(self, file: str) -> Path | None:
        mirror = os.environ.get(MIRROR_VARIABLE)
        candidate = Path(mirror, self.name, file) if mirror else None
        return candidate if candidate and candidate.is_file() else None

    def _downloaded(self, file: str) -> Path:
        store = pooch.create(
            path=pooch.os_cache("cxrstudy"),
            env=CACHE_VARIABLE,
            base_url="",
            registry={f"{self.name}/{file}": f"sha256:{self.files[file]}"},
            urls={f"{self.name}/{file}": self.base_url + file},
            retry_if_failed=2,
        )
        progress = pooch.HTTPDownloader(progressbar=os.isatty(2), timeout=30)
        try:
            return Path(store.fetch(f"{self.name}/{file}", downloader=progress))
        except ValueError as error:
            raise CorruptDataError(
                f"{self.base_url + file} delivered other bytes than the registry pins; nothing "
                f"was kept. Try `{self.fetch_command}` again later. ({error})"
            ) from error
        except OSError as error:
            raise DataNotAvailableError(
                f"{self.title}: {file} is in no mirror folder, not in the cache, and the network "
                f"did not deliver it. With a network, run `{self.fetch_command}`; or name a "
                f"folder that holds {self.name}/{file} in {MIRROR_VARIABLE}. ({type(error).__name__})"
            ) from None


@cache
def datasets() -> Mapping[str, Dataset]:
    """Load the registry.

    Returns
    -------
    mapping of str to Dataset
        In the order in which the data page lists them.
    """
    entries = yaml.safe_load(files("cxrstudy.data").joinpath("registry.yaml").read_text("utf-8"))
    return {name: Dataset(name=name, **entry) for name, entry in entries["datasets"].items()}


def dataset(name: str) -> Dataset:
    """Look one data set up by name.

    Raises
    ------
    KeyError
        If the registry has no such data set; the message lists those it has.
    """
    try:
        return datasets()[name]
    except KeyError:
        known = ", ".join(datasets())
        raise KeyError(f"no data set {name!r} in the registry; it holds: {known}") from None


def fetch(name: str) -> list[Path]:
    """Bring every file of a data set to this machine.

    Parameters
    ----------
    name : str
        Key in the registry.

    Returns
    -------
    list of Path
        In registry order, each verified against its sha256.
    """
    entry = dataset(name)
    return [entry.path(file) for file in entry.files]


def _check_hash(path: Path, expected: str, remedy: str) -> None:
    actual = pooch.file_hash(str(path))
    if actual != expected:
        raise CorruptDataError(
            f"{path} has sha256 {actual[:12]}… but the registry pins {expected[:12]}…: {remedy}"
        )
