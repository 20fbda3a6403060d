"""The registry against a small local store: mirror, cache, network, and bytes that are wrong."""

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cxrstudy.data import registry
from cxrstudy.data.registry import (
    CACHE_VARIABLE,
    MIRROR_VARIABLE,
    TERMS_VARIABLE,
    CorruptDataError,
    DataNotAvailableError,
    Dataset,
    TermsNotAcceptedError,
    dataset,
    datasets,
    fetch,
)

GOOD = b"study,Edema\np1,1\n" * 100
FILE = "labels/own.csv"


class Store:
    """A web server that answers every path with the bytes it is told to."""

    def __init__(self) -> None:
        """Start on a free port."""
        self.body, self.status, self.announced, self.requests = GOOD, 200, None, 0
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                store.requests += 1
                self.send_response(store.status)
                if store.announced:
                    self.send_header("Content-Length", str(store.announced))
                self.end_headers()
                self.wfile.write(store.body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Free the port."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def store(tmp_path, monkeypatch) -> Iterator[Store]:
    """A running store, an empty cache folder and no mirror."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    store = Store()
    yield store
    store.stop()


@pytest.fixture
def own(store) -> Dataset:
    """A data set of one file that the store serves."""
    return _dataset(store.url)


def _dataset(url: str) -> Dataset:
    return Dataset(
        name="own", title="Own labels", content="x", tier=1, licence="none", citation="x",
        homepage="x", base_url=url, files={FILE: hashlib.sha256(GOOD).hexdigest()},
    )  # fmt: skip


def _mirror(tmp_path, monkeypatch, content: bytes):
    path = tmp_path / "mirror" / "own" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path / "mirror"))
    return path


def _kept(tmp_path) -> list:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_the_mirror_comes_first(own, store, tmp_path, monkeypatch):
    """A file in the mirror is used where it lies, and the network is not asked."""
    path = _mirror(tmp_path, monkeypatch, GOOD)
    assert own.path(FILE) == path
    assert store.requests == 0 and not _kept(tmp_path)


def test_a_file_that_the_mirror_lacks_is_downloaded(own, store, tmp_path, monkeypatch):
    """A mirror without this file falls back to the network."""
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path))
    assert own.path(FILE).read_bytes() == GOOD
    assert store.requests == 1


def test_wrong_bytes_in_the_mirror_are_refused(own, store, tmp_path, monkeypatch):
    """A changed mirror file is named with the remedy, and never replaced in silence."""
    path = _mirror(tmp_path, monkeypatch, GOOD + b"p2,0\n")
    with pytest.raises(CorruptDataError) as caught:
        own.path(FILE)
    assert str(path) in str(caught.value)
    assert "replace it" in str(caught.value) and MIRROR_VARIABLE in str(caught.value)
    assert store.requests == 0


def test_a_download_is_verified_and_kept(own, store, tmp_path):
    """The second call reads the cache and does not ask the network."""
    assert own.path(FILE) == own.path(FILE) == tmp_path / "cache" / "own" / FILE
    assert store.requests == 1


def test_a_corrupt_download_never_enters_the_cache(own, store, tmp_path):
    """Other bytes than the pinned ones are refused after retries, and nothing stays."""
    store.body = GOOD.replace(b"1", b"0")
    with pytest.raises(CorruptDataError, match="other bytes than the registry pins") as caught:
        own.path(FILE)
    assert "cxrstudy data fetch own" in str(caught.value)
    assert store.requests == 3 and not _kept(tmp_path)


@pytest.mark.parametrize("announced", [None, len(GOOD)])
def test_a_truncated_download_never_enters_the_cache(own, store, tmp_path, announced):
    """Half a file, with or without its announced length, leaves the cache empty."""
    store.body, store.announced = GOOD[: len(GOOD) // 2], announced
    with pytest.raises((CorruptDataError, DataNotAvailableError), match="cxrstudy data fetch own"):
        own.path(FILE)
    assert not _kept(tmp_path)


def test_a_damaged_cache_is_mended(own, store, tmp_path):
    """A cached file that was changed on disk is fetched again."""
    own.path(FILE).write_bytes(b"half")
    assert own.path(FILE).read_bytes() == GOOD
    assert store.requests == 2


def test_a_store_that_says_no(own, store, tmp_path):
    """An HTTP error is an unavailable data set, not a file with the error page in it."""
    store.status, store.body = 404, b"<html>not found</html>"
    with pytest.raises(DataNotAvailableError, match="cxrstudy data fetch own"):
        own.path(FILE)
    assert not _kept(tmp_path)


def test_without_network_and_mirror_the_message_names_one_command(store, tmp_path):
    """What is missing, the one command that gets it, and the way without a network."""
    store.server.server_close()
    with pytest.raises(DataNotAvailableError) as caught:
        _dataset(store.url).path(FILE)
    message = str(caught.value)
    assert message.count("`cxrstudy data fetch own`") == 1
    assert "Own labels" in message and f"own/{FILE}" in message and MIRROR_VARIABLE in message


def test_a_file_outside_the_data_set_is_refused(own):
    """Only files of the registry have a path."""
    with pytest.raises(KeyError, match="none.csv"):
        own.path("none.csv")


def test_an_unknown_data_set_lists_the_known_ones():
    """A mistyped name is told what the registry holds."""
    with pytest.raises(KeyError, match="no data set 'x'.*chexpert_test_set_labels"):
        dataset("x")


def test_fetch_gets_every_file(own, monkeypatch):
    """Fetching a data set returns the path of each of its files."""
    monkeypatch.setattr(registry, "datasets", lambda: {"own": own})
    assert [path.read_bytes() for path in fetch("own")] == [GOOD]


def test_a_data_set_with_an_agreement_is_off_until_accepted(own, monkeypatch):
    """Not even the mirror or the network is asked before the terms are accepted by name."""
    guarded = dataclasses.replace(own, agreement=True)
    monkeypatch.delenv(TERMS_VARIABLE, raising=False)
    with pytest.raises(TermsNotAcceptedError, match=f"{TERMS_VARIABLE}=own"):
        guarded.path(FILE)
    monkeypatch.setenv(TERMS_VARIABLE, "other, own")
    assert guarded.path(FILE).read_bytes() == GOOD


@pytest.mark.parametrize("changes", [{"base_url": ""}, {"package": "x==1"}])
def test_an_entry_has_one_origin(own, changes):
    """An address and a package, or neither, is refused when the registry is read."""
    with pytest.raises(ValueError, match="data set own: give either base_url or package"):
        dataclasses.replace(own, **changes)


@pytest.mark.parametrize("entry", datasets().values(), ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry):
    """Terms, citation, tier, one pinned origin and whole sha256 hashes are stated."""
    assert entry.title and entry.content and entry.licence and entry.citation
    assert entry.tier in (0, 1, 2)
    assert entry.homepage.startswith("https://")
    address = entry.base_url or entry.archive_url
    assert address.startswith("https://") or "==" in entry.package or entry.instead
    digits = {"sha256": 64, "md5": 32}
    for known_hash in entry.files.values():
        algorithm, _, digest = known_hash.rpartition(":")
        assert len(digest) == digits[algorithm or "sha256"] and int(digest, 16)


def test_the_test_set_is_pinned_to_its_commit():
    """The labels come from one commit, so that an address always means the same bytes."""
    assert (
        "/a03eb3438ca55c28eb4379dd0dd09e3b38c0c414/" in dataset("chexpert_test_set_labels").base_url
    )


def test_every_real_file_has_the_pinned_bytes(mirror):
    """Each file of the CheXpert test-set labels has the registry's sha256."""
    entry = dataset("chexpert_test_set_labels")
    found = {
        file: hashlib.sha256((mirror / entry.name / file).read_bytes()).hexdigest()
        for file in entry.files
    }
    assert found == dict(entry.files)
    assert len(found) == 29
