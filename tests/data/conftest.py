"""A server on this machine that sends files as told: with ranges or without, whole or cut, slowly, another than before, or not at all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from bioclip_search import places
from bioclip_search.pulling import OFFLINE_VARIABLE


@dataclass
class Site:
    """What the server has, by path, and how it behaves.

    Attributes:
        cuts: Of a path the numbers of bytes after which it hangs up, one a request.
        statuses: Of a path the status that it answers instead.
        asked: How often each path was asked for; `sent` how many bytes of it went out.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    knows_ranges: bool = True
    wait_s: float = 0.0
    cuts: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    busiest: int = 0
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    lock = threading.Lock()
    at_work = 0

    def do_GET(self):
        site = self.server.site
        path = unquote(urlsplit(self.path).path).lstrip("/")
        with self.lock:
            Handler.at_work += 1
            site.asked[path] += 1
            site.busiest = max(site.busiest, Handler.at_work)
        time.sleep(site.wait_s)
        with self.lock:  # before the answer, for who has it may ask for the next at once
            Handler.at_work -= 1
        self.answer(site, path)

    def answer(self, site, path):
        status = site.statuses.get(path) or (404 if path not in site.files else None)
        if status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data, etag, wanted = site.files[path], f'"{hash(site.files[path])}"', self.headers.get("Range")
        start = int(wanted[6:-1]) if wanted and site.knows_ranges and self.headers.get("If-Range") == etag else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(site.lengths.get(path, len(data) - start)))
        self.end_headers()
        cuts = site.cuts.get(path)
        body = data[start:][: cuts.pop(0) if cuts else None]
        with self.lock:
            site.sent[path] += len(body)
        self.wfile.write(body)

    def log_message(self, *_):
        """Silent."""


@pytest.fixture
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.site = Site(address=f"http://127.0.0.1:{running.server_port}/")
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running.site
        running.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An own place for data sets and models, and a machine that may fetch."""
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(OFFLINE_VARIABLE, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path
