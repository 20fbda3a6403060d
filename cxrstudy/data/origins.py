"""Where a data set's files come from when no mirror holds them: the network, or a package."""

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import pooch

from cxrstudy.data.resuming_download import ResumingDownloader

CACHE_VARIABLE = "CXRSTUDY_DATA_DIR"


class DataNotAvailableError(RuntimeError):
    """A data set is neither in the mirror nor in the cache, and could not be fetched."""


class CorruptDataError(RuntimeError):
    """A file's bytes are not the ones that the registry pins."""


class Origin(Protocol):
    """How a data set's files get to this machine."""

    def command(self, name: str) -> str:
        """Return the one command that brings the data set ``name`` to this machine."""

    def locate(self, name: str, folder: str, file: str, known_hash: str) -> Path:
        """Return a verified file, or raise `CorruptDataError` or `DataNotAvailableError`."""


def cache_folder() -> Path:
    """Return the folder for downloads and for what is made of them, on this machine only."""
    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("cxrstudy")).expanduser()


@dataclass(frozen=True)
class Download:
    """Files below one address, kept in a cache folder.

    Attributes
    ----------
    base_url : str
        Address that each file's path is appended to; pinned to a commit.
    """

    base_url: str

    def command(self, name: str) -> str:
        """Return the command that downloads every file."""
        return f"cxrstudy data fetch {name}"

    def locate(self, name: str, folder: str, file: str, known_hash: str) -> Path:
        """Find a file in the cache, or download it there.

        Parameters
        ----------
        name, folder, file, known_hash : str
            Data set, its folder in the cache, path below it and below the address, expected hash.

        Returns
        -------
        Path

        Raises
        ------
        CorruptDataError
            If other bytes were delivered; they are not kept.
        DataNotAvailableError
            If the network does not deliver the file.
        """
        address = self._address(file)
        store = pooch.create(
            path=cache_folder(),
            base_url="",
            registry={f"{folder}/{file}": known_hash},
            urls={f"{folder}/{file}": address},
            retry_if_failed=2,
        )
        try:
            return self._fetch(store, f"{folder}/{file}")
        except ValueError as error:
            raise CorruptDataError(
                f"{address} delivered other bytes than the registry pins; nothing "
                f"was kept. Try `{self.command(name)}` again later. ({error})"
            ) from error
        except OSError as error:
            raise DataNotAvailableError(
                f"{file} is in no mirror folder, not in the cache, and the network did not "
                f"deliver it. With a network, run `{self.command(name)}` ({type(error).__name__})"
            ) from None

    def _address(self, file: str) -> str:
        return self.base_url + file

    def _fetch(self, store: pooch.Pooch, file: str) -> Path:
        progress = pooch.HTTPDownloader(progressbar=os.isatty(2), timeout=30)
        return Path(store.fetch(file, downloader=progress))


@dataclass(frozen=True)
class LargeDownload(Download):
    """One file of gigabytes behind an address of its own; a download that stopped goes on.

    Attributes
    ----------
    base_url : str
        The whole address, whatever the file is called here.
    """

    def _address(self, file: str) -> str:
        return self.base_url

    def _fetch(self, store: pooch.Pooch, file: str) -> Path:
        target = store.abspath / file
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.unfinished")
        try:
            store.fetch(file, downloader=ResumingDownloader(unfinished))
        except ValueError:
            unfinished.unlink(missing_ok=True)
            raise
        unfinished.unlink(missing_ok=True)
        return target


@dataclass(frozen=True)
class NoAddress:
    """Files that no public address holds: a mirror or the cache has them, or a command helps.

    Attributes
    ----------
    instead : str
        The command that makes the files, or gets what they were made of.
    """

    instead: str

    def command(self, name: str) -> str:
        """Return that command."""
        return self.instead

    def locate(self, name: str, folder: str, file: str, known_hash: str) -> Path:
        """Find a file in the cache.

        Parameters
        ----------
        name, folder, file, known_hash : str
            Data set (its name plays no role here), its folder in the cache, path below it,
            expected hash.

        Returns
        -------
        Path

        Raises
        ------
        CorruptDataError
            If the file has other bytes.
        DataNotAvailableError
            If the cache does not hold the file.
        """
        path = cache_folder() / folder / file
        if not path.is_file():
            raise DataNotAvailableError(
                f"{file} is in no mirror folder, not in the cache, and no public address holds "
                f"it. Run `{self.instead}`"
            )
        check_hash(path, known_hash, remedy=f"remove it, then run `{self.instead}`")
        return path


@dataclass(frozen=True)
class InstalledPackage:
    """Files that ship inside a Python package; the package itself is never imported.

    Attributes
    ----------
    requirement : str
        Package and version, such as ``"torchxrayvision==1.5.7"``.
    """

    requirement: str

    def command(self, name: str) -> str:
        """Return the command that installs the package."""
        return f"pip install {self.requirement}"

    def locate(self, name: str, folder: str, file: str, known_hash: str) -> Path:
        """Find a file inside the installed package.

        Parameters
        ----------
        name, folder, file, known_hash : str
            Data set (its name and folder play no role here), path below the package, expected
            hash.

        Returns
        -------
        Path

        Raises
        ------
        CorruptDataError
            If the installed package ships other bytes, as another version may.
        DataNotAvailableError
            If the package is not installed or lacks the file.
        """
        package = self.requirement.partition("==")[0]
        spec = find_spec(package)
        roots = spec.submodule_search_locations if spec else None
        paths = [path for root in roots or () if (path := Path(root, file)).is_file()]
        if not paths:
            raise DataNotAvailableError(
                f"{file} is in no mirror folder, and package {package} ({_installed(package)}) "
                f"does not hold it. Run `{self.command(name)}`"
            )
        check_hash(
            paths[0],
            known_hash,
            remedy=f"{package} is {_installed(package)}; run `{self.command(name)}`",
        )
        return paths[0]


def check_hash(path: Path, known_hash: str, remedy: str) -> None:
    """Raise `CorruptDataError` with a remedy unless a file has the expected hash.

    A hash is a sha256, or begins with the name of another algorithm and a colon.
    """
    algorithm, _, expected = known_hash.rpartition(":")
    algorithm = algorithm or "sha256"
    actual = pooch.file_hash(str(path), algorithm)
    if actual != expected:
        raise CorruptDataError(
            f"{path} has {algorithm} {actual[:12]}… but the registry pins {expected[:12]}…: "
            f"{remedy}"
        )


def _installed(package: str) -> str:
    try:
        return f"version {version(package)} installed"
    except PackageNotFoundError:
        return "not installed"
