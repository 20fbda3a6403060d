"""Where a data set's files come from when no mirror holds them: the network, or a package."""

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import pooch

CACHE_VARIABLE = "CXRSTUDY_DATA_DIR"
_CHUNK_BYTES = 2**16


class DataNotAvailableError(RuntimeError):
    """A data set is neither in the mirror nor in the cache, and could not be fetched."""


class CorruptDataError(RuntimeError):
    """A file's bytes are not the ones that the registry pins."""


class Origin(Protocol):
    """How a data set's files get to this machine."""

    @property
    def command(self) -> str:
        """The one command that brings the data set to this machine."""

    def locate(self, folder: str, file: str, known_hash: str) -> Path:
        """Return a verified file, or raise `CorruptDataError` or `DataNotAvailableError`."""


def cache_folder() -> Path:
    """Return the folder for downloads and for what is made of them, on this machine only."""
    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("cxrstudy")).expanduser()


@dataclass(frozen=True)
class Download:
    """Files below one address that is pinned to a commit, kept in a cache folder."""

    name: str  # of the data set
    url: str

    @property
    def command(self) -> str:
        """The command that downloads every file."""
        return f"cxrstudy data fetch {self.name}"

    def locate(self, folder: str, file: str, known_hash: str) -> Path:
        """Find a file in the cache, or download it there; wrong bytes are not kept."""
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
                f"was kept. Try `{self.command}` again later. ({error})"
            ) from error
        except OSError as error:
            raise DataNotAvailableError(
                f"{file} is in no mirror folder, not in the cache, and the network did not "
                f"deliver it. With a network, run `{self.command}` ({type(error).__name__})"
            ) from None

    def _address(self, file: str) -> str:
        return self.url + file

    def _fetch(self, store: pooch.Pooch, file: str) -> Path:
        progress = pooch.HTTPDownloader(progressbar=os.isatty(2), timeout=30)
        return Path(store.fetch(file, downloader=progress))


class LargeDownload(Download):
    """One file of gigabytes behind an address of its own; a download that stopped goes on."""

    def _address(self, file: str) -> str:
        return self.url

    def _fetch(self, store: pooch.Pooch, file: str) -> Path:
        target = store.abspath / file
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.unfinished")
        try:
            store.fetch(file, downloader=_ResumingDownloader(unfinished))
        except ValueError:
            unfinished.unlink(missing_ok=True)
            raise
        unfinished.unlink(missing_ok=True)
        return target


@dataclass(frozen=True)
class NoAddress:
    """Files that no public address holds: a mirror or the cache has them, or a command helps."""

    command: str  # makes the files, or gets what they were made of

    def locate(self, folder: str, file: str, known_hash: str) -> Path:
        """Find a file in the cache."""
        path = cache_folder() / folder / file
        if not path.is_file():
            raise DataNotAvailableError(
                f"{file} is in no mirror folder, not in the cache, and no public address holds "
                f"it. Run `{self.command}`"
            )
        check_hash(path, known_hash, remedy=f"remove it, then run `{self.command}`")
        return path


@dataclass(frozen=True)
class InstalledPackage:
    """Files that ship inside a Python package; the package itself is never imported."""

    requirement: str  # such as "torchxrayvision==1.5.7"

    @property
    def command(self) -> str:
        """The command that installs the package."""
        return f"pip install {self.requirement}"

    def locate(self, folder: str, file: str, known_hash: str) -> Path:
        """Find a file inside the installed package; another version may ship other bytes."""
        package = self.requirement.partition("==")[0]
        spec = find_spec(package)
        roots = spec.submodule_search_locations if spec else None
        paths = [path for root in roots or () if (path := Path(root, file)).is_file()]
        if not paths:
            raise DataNotAvailableError(
                f"{file} is in no mirror folder, and package {package} ({_installed(package)}) "
                f"does not hold it. Run `{self.command}`"
            )
        remedy = f"{package} is {_installed(package)}; run `{self.command}`"
        check_hash(paths[0], known_hash, remedy)
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


class _ResumingDownloader:
    """A downloader for pooch that keeps what arrived when the connection or the process ends.

    Whoever fetches removes the unfinished part afterwards: only then is it known whether the whole
    had the right bytes.
    """

    def __init__(self, unfinished: Path) -> None:
        self.unfinished = unfinished

    def __call__(self, url: str, output_file: str, _store: pooch.Pooch) -> None:
        """Ask for the missing end, append it, and put the whole in place of the output file."""
        # Imported late, as pooch does.
        import requests

        with self.unfinished.open("ab") as file:

            def drop_what_is_sent_again(response: requests.Response, **_) -> None:
                if response.status_code == requests.codes.ok:
                    file.truncate(0)

            download = pooch.HTTPDownloader(
                progressbar=os.isatty(2),
                chunk_size=_CHUNK_BYTES,
                timeout=60,
                headers={"Range": f"bytes={file.tell()}-", "Accept-Encoding": "identity"},
                hooks={"response": drop_what_is_sent_again},
            )
            try:
                download(url, file, _store)
            except requests.HTTPError as error:
                # Nothing is missing if there is no such range.
                if error.response.status_code != requests.codes.requested_range_not_satisfiable:
                    raise
        Path(output_file).unlink()
        try:
            # With a second name, a kill while the whole is verified loses nothing.
            os.link(self.unfinished, output_file)
        except OSError:
            self.unfinished.replace(output_file)
