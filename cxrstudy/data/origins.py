"""Where a data set's files come from when no mirror holds them: the network, or a package."""

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import pooch

CACHE_VARIABLE = "CXRSTUDY_DATA_DIR"


class DataNotAvailableError(RuntimeError):
    """A data set is neither in the mirror nor in the cache, and could not be fetched."""


class CorruptDataError(RuntimeError):
    """A file's bytes are not the ones that the registry pins."""


class Origin(Protocol):
    """How a data set's files get to this machine."""

    def command(self, name: str) -> str:
        """Return the one command that brings the data set ``name`` to this machine."""

    def locate(self, name: str, folder: str, file: str, sha256: str) -> Path:
        """Return a verified file, or raise `CorruptDataError` or `DataNotAvailableError`."""


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

    def locate(self, name: str, folder: str, file: str, sha256: str) -> Path:
        """Find a file in the cache, or download it there.

        Parameters
        ----------
        name, folder, file, sha256 : str
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
        store = pooch.create(
            path=pooch.os_cache("cxrstudy"),
            env=CACHE_VARIABLE,
            base_url="",
            registry={f"{folder}/{file}": f"sha256:{sha256}"},
            urls={f"{folder}/{file}": self.base_url + file},
            retry_if_failed=2,
        )
        progress = pooch.HTTPDownloader(progressbar=os.isatty(2), timeout=30)
        try:
            return Path(store.fetch(f"{folder}/{file}", downloader=progress))
        except ValueError as error:
            raise CorruptDataError(
                f"{self.base_url + file} delivered other bytes than the registry pins; nothing "
                f"was kept. Try `{self.command(name)}` again later. ({error})"
            ) from error
        except OSError as error:
            raise DataNotAvailableError(
                f"{file} is in no mirror folder, not in the cache, and the network did not "
                f"deliver it. With a network, run `{self.command(name)}` ({type(error).__name__})"
            ) from None


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

    def locate(self, name: str, folder: str, file: str, sha256: str) -> Path:
        """Find a file inside the installed package.

        Parameters
        ----------
        name, folder, file, sha256 : str
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
            sha256,
            remedy=f"{package} is {_installed(package)}; run `{self.command(name)}`",
        )
        return paths[0]


def check_hash(path: Path, sha256: str, remedy: str) -> None:
    """Raise `CorruptDataError` with a remedy unless a file has the expected sha256."""
    actual = pooch.file_hash(str(path))
    if actual != sha256:
        raise CorruptDataError(
            f"{path} has sha256 {actual[:12]}… but the registry pins {sha256[:12]}…: {remedy}"
        )


def _installed(package: str) -> str:
    try:
        return f"version {version(package)} installed"
    except PackageNotFoundError:
        return "not installed"
