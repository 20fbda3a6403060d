"""Large downloads against a server that breaks off: what arrived is kept and asked for no more."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cxrstudy.data import registry
from cxrstudy.data.registry import (
    CACHE_VARIABLE,
    MIRROR_VARIABLE,
    CorruptDataError,
    DataNotAvailableError,
    Dataset,
    fetch,
)

CHUNK = 2**16
BODY = bytes(range(256)) * 2560  # ten chunks
FILE = "large.tar.gz"


class Server:
    """Answers every path with one body, breaking off after so many bytes."""

    def __init__(self) -> None:
        """Start on a free port."""
        self.body, self.breaks_after, self.knows_ranges, self.starts = BODY, len(BODY), True, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                server.starts.append(start)
                start = start if server.knows_ranges else 0
                rest = server.body[start:]
                self.send_response((206 if rest else 416) if server.knows_ranges else 200)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest[: server.breaks_after])

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/static/abc.gz"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Free the port."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    """A running server, an empty cache folder and no mirror."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def large(server) -> Dataset:
    """A data set of one file that is pinned by its md5 sum."""
    return _dataset(archive_url=server.url)


def _dataset(**fields) -> Dataset:
    md5 = hashlib.md5(BODY).hexdigest()
    stated = {
        "name": "large", "title": "Large", "content": "x", "tier": 1, "licence": "x",
        "citation": "x", "homepage": "x", "folder": "own", "files": {FILE: f"md5:{md5}"},
    }  # fmt: skip
    return Dataset(**(stated | fields))


def _kept(tmp_path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in (tmp_path / "own").iterdir()}


def test_a_whole_download_leaves_one_file(large, server, tmp_path):
    """The file lies under its own name, whatever its address ends in, and is fetched once."""
    assert large.path(FILE).read_bytes() == large.path(FILE).read_bytes() == BODY
    assert _kept(tmp_path) == {FILE: len(BODY)} and server.starts == [0]


def test_a_download_that_breaks_off_goes_on(large, server, tmp_path):
    """Three tries bring three parts; the next command asks for the rest only."""
    server.breaks_after = 2 * CHUNK + 100
    with pytest.raises(DataNotAvailableError, match="cxrstudy data fetch large"):
        large.path(FILE)
    assert server.starts == [0, 2 * CHUNK, 4 * CHUNK]
    assert _kept(tmp_path) == {f".{FILE}.unfinished": 6 * CHUNK}
    server.breaks_after = len(BODY)
    assert large.path(FILE).read_bytes() == BODY
    assert server.starts[3:] == [6 * CHUNK] and _kept(tmp_path) == {FILE: len(BODY)}


def test_a_process_that_ended_before_the_check_loses_nothing(large, server, tmp_path):
    """A part that is already whole is verified and used."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / f".{FILE}.unfinished").write_bytes(BODY)
    assert large.path(FILE).read_bytes() == BODY
    assert server.starts == [len(BODY)] and _kept(tmp_path) == {FILE: len(BODY)}


def test_a_server_without_ranges_sends_everything_again(large, server, tmp_path):
    """Its answer replaces the part; nothing is appended twice."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / f".{FILE}.unfinished").write_bytes(BODY[:700])
    server.knows_ranges = False
    assert large.path(FILE).read_bytes() == BODY
    assert server.starts == [700]


def test_other_bytes_are_not_kept(large, server, tmp_path):
    """A part that became a wrong whole is removed, so that the next command starts anew."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / f".{FILE}.unfinished").write_bytes(b"other")
    with pytest.raises(CorruptDataError, match="other bytes than the registry pins"):
        large.path(FILE)
    assert _kept(tmp_path) == {}
    assert large.path(FILE).read_bytes() == BODY


def test_without_hard_links_the_part_is_moved(large, server, tmp_path, monkeypatch):
    """File systems without hard links get the file as well."""

    def refuse(*_):
        raise OSError

    monkeypatch.setattr("cxrstudy.data.origins.os.link", refuse)
    assert large.path(FILE).read_bytes() == BODY
    assert _kept(tmp_path) == {FILE: len(BODY)}


def test_a_file_without_an_address_comes_from_the_cache(server, tmp_path):
    """What no address holds is looked for in the cache; if it is not there, a command is named."""
    made = _dataset(instead="python scripts/make_it.py")
    assert made.fetch_command == "python scripts/make_it.py" and not made.is_at_hand()
    with pytest.raises(DataNotAvailableError, match=r"Run `python scripts/make_it.py`.*own/large"):
        made.path(FILE)
    path = tmp_path / "own" / FILE
    path.parent.mkdir()
    path.write_bytes(BODY)
    assert made.path(FILE) == path and made.is_at_hand()
    path.write_bytes(BODY[1:])
    with pytest.raises(CorruptDataError, match="has md5 .* remove it, then run"):
        made.path(FILE)


def test_another_data_set_stands_in_if_it_is_at_hand(server, large, tmp_path, monkeypatch):
    """Fetching what has no address fails, until what it was made of is on this machine."""
    made = _dataset(name="made", folder="made", instead="x", stand_in="large")
    monkeypatch.setattr(registry, "datasets", lambda: {"made": made, "large": large})
    with pytest.raises(DataNotAvailableError):
        fetch("made")
    assert not server.starts
    assert fetch("large") == fetch("made") == [tmp_path / "own" / FILE]


def test_what_is_read_in_place_is_not_fetched(monkeypatch):
    """A data set without files says where it is had and how it is used."""
    own = _dataset(files={}, instead="load_it(FOLDER)", homepage="https://own.example")
    monkeypatch.setattr(registry, "datasets", lambda: {"large": own})
    with pytest.raises(DataNotAvailableError, match=r"https://own.example, then use `load_it"):
        fetch("large")
    assert not own.is_at_hand()
