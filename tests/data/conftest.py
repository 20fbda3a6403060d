"""A web server of one file, with an empty cache and no mirror."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cxrstudy.data import origins
from cxrstudy.data.origins import CACHE_VARIABLE, OFFLINE_VARIABLE
from cxrstudy.data.registry import MIRROR_VARIABLE


class Server:
    """Answers every path with one body, or with its end if a range is asked for."""

    def __init__(self) -> None:
        self.body, self.status, self.announced = b"", 200, None
        self.breaks_after, self.knows_ranges = None, True
        self.starts = []  # where each request wants the body to begin
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
                server.starts.append(start)
                ranged = asked and server.knows_ranges
                rest = server.body[start:] if ranged else server.body
                self.send_response((206 if rest else 416) if ranged else server.status)
                if ranged or server.announced:
                    self.send_header("Content-Length", str(server.announced or len(rest)))
                self.end_headers()
                self.wfile.write(rest[: server.breaks_after])

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    """A running server, an empty cache folder and no mirror."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    monkeypatch.delenv(OFFLINE_VARIABLE, raising=False)
    origins._require_answer.cache_clear()
    server = Server()
    yield server
    server.stop()
