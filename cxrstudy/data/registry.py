"""Which data sets there are, on which terms they may be used, and how their files get here.

A file comes from the mirror, from the cache, from the network or from an installed package, and
its bytes are always the pinned ones.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pooch
import yaml

MIRROR_VARIABLE = "CXRSTUDY_MIRROR"
TERMS_VARIABLE = "CXRSTUDY_ACCEPT_TERMS"
CACHE_VARIABLE = "CXRSTUDY_DATA_DIR"
_CHUNK_BYTES = 2**16


class DataNotAvailableError(RuntimeError):
    """A data set is neither in the mirror nor in the cache, and could not be fetched."""


class CorruptDataError(RuntimeError):
    """A file's bytes are not the ones that the registry pins."""


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
    def origin(self) -> "Download | InstalledPackage | NoAddress":
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
        """Locate one of `files` with the pinned bytes: mirror first, then where it comes from."""
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


class _ResumingDownloader:
    """A downloader for pooch that keeps what arrived when the connection or the process ends.

    Whoever fetches removes the part once it is known whether the whole had the right bytes.
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
