"""Downloads from a server on this machine that breaks off, changes its mind, lies and has nothing."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bioclip_search.errors import FetchError, NotThereError
from bioclip_search.pulling import OFFLINE_VARIABLE, TRIES, hash_of, pull, recorded_sha256, refuse_changed

DATA = bytes(range(256)) * 4000
MD5 = hashlib.md5(DATA).hexdigest()


@dataclass
class Behaviour:
    """What the server does: `cuts` are the numbers of bytes after which it hangs up, one a request; `off` by how many it mistakes the next range."""

    data: bytes = DATA
    etag: str | None = '"v1"'
    status: int | None = None
    to: str | None = None
    knows_ranges: bool = True
    tells_length: bool = True
    off: int = 0
    cuts: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)
    sent: int = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        does = self.server.behaviour
        wanted = self.headers.get("Range")
        does.asked.append(wanted)
        if does.status:
            self.send_response(does.status)
            if does.to:
                self.send_header("Location", does.to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(wanted[6:-1]) if wanted and does.knows_ranges and self.headers.get("If-Range") == does.etag else 0
        if start >= len(does.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(does.data)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            start, does.off = start + does.off, 0
            self.send_header("Content-Range", f"bytes {start}-{len(does.data) - 1}/{len(does.data)}")
        if does.etag:
            self.send_header("ETag", does.etag)
        if does.tells_length:
            self.send_header("Content-Length", str(len(does.data) - start))
        self.end_headers()
        body = does.data[start:][: does.cuts.pop(0) if does.cuts else None]
        does.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_):
        """Silent."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.behaviour = Behaviour()
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running.behaviour, f"http://127.0.0.1:{running.server_port}/model.pt?download=1"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.delenv(OFFLINE_VARIABLE, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def fetch(address, path, **told):
    return pull(address, path, first_wait_s=0.0, **told)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_comes_whole_with_its_checksum_beside_it(server, tmp_path):
    _, address = server
    told = []
    pulled = fetch(address, tmp_path / "models" / "model.pt", progress=lambda done, total: told.append((done, total)))
    assert pulled.path.read_bytes() == DATA
    assert pulled.sha256 == hashlib.sha256(DATA).hexdigest() == recorded_sha256(pulled.path)
    assert (pulled.is_vouched, pulled.was_here) == (False, False)
    assert (pulled.path.parent / "model.pt.sha256").read_text() == f"{pulled.sha256}  model.pt\n", "as sha256sum --check reads it"
    assert names_in(pulled.path.parent) == ["model.pt", "model.pt.sha256"]
    assert told == sorted(told)
    assert told[-1] == (len(DATA), len(DATA))


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    does, address = server
    does.cuts = [300_000, 400_000]
    assert fetch(address, tmp_path / "model.pt", md5=MD5).is_vouched
    assert (tmp_path / "model.pt").read_bytes() == DATA
    assert does.asked == [None, "bytes=300000-", "bytes=700000-"]
    assert does.sent == len(DATA), "nothing came twice"


def test_a_later_call_goes_on_too(server, tmp_path):
    does, address = server
    does.cuts = [100_000] * TRIES
    with pytest.raises(FetchError, match=rf"broke after 500,000 of 1,024,000 bytes, {TRIES} times\. Pull again later"):
        fetch(address, tmp_path / "model.pt")
    assert names_in(tmp_path) == ["model.pt.etag", "model.pt.part"]
    fetch(address, tmp_path / "model.pt")
    assert (tmp_path / "model.pt").read_bytes() == DATA
    assert does.sent == len(DATA)


@pytest.mark.parametrize(
    ("change", "case"),
    [
        ({"data": DATA[::-1], "etag": '"v2"'}, "another version lies there by now"),
        ({"knows_ranges": False}, "the server knows no ranges"),
    ],
)
def test_what_cannot_be_continued_is_begun_anew(server, tmp_path, change, case):
    does, address = server
    does.cuts = [100_000] * TRIES
    with pytest.raises(FetchError):
        fetch(address, tmp_path / "model.pt")
    for name, value in change.items():
        setattr(does, name, value)
    fetch(address, tmp_path / "model.pt")
    assert does.asked[-1] == "bytes=500000-"
    assert (tmp_path / "model.pt").read_bytes() == does.data, case


def test_another_version_that_is_refused_leaves_nothing_of_the_first_to_build_on(server, tmp_path):
    does, address = server
    does.cuts = [100_000] * TRIES
    with pytest.raises(FetchError):
        fetch(address, tmp_path / "model.pt")
    does.data, does.etag = DATA[::-1], '"v2"'
    with pytest.raises(FetchError, match="would send 1,024,000 bytes"):
        fetch(address, tmp_path / "model.pt", most_bytes=1_000_000)
    fetch(address, tmp_path / "model.pt")
    assert (tmp_path / "model.pt").read_bytes() == does.data


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_without_a_version_nothing_is_built_upon(server, tmp_path, etag):
    does, address = server
    does.etag, does.cuts = etag, [300_000]
    fetch(address, tmp_path / "model.pt")
    assert does.asked == [None, None]
    assert (tmp_path / "model.pt").read_bytes() == DATA


def test_a_download_that_was_whole_when_the_program_was_stopped_is_taken_as_it_is(server, tmp_path):
    does, address = server
    (tmp_path / "model.pt.part").write_bytes(DATA)
    (tmp_path / "model.pt.etag").write_text('"v1"')
    fetch(address, tmp_path / "model.pt", md5=MD5)
    assert does.sent == 0
    assert names_in(tmp_path) == ["model.pt", "model.pt.sha256"]


def test_a_part_that_is_longer_than_the_file_is_begun_anew(server, tmp_path):
    _, address = server
    (tmp_path / "model.pt.part").write_bytes(DATA + b"more")
    (tmp_path / "model.pt.etag").write_text('"v1"')
    fetch(address, tmp_path / "model.pt")
    assert (tmp_path / "model.pt").read_bytes() == DATA


def test_another_part_than_was_asked_for_is_never_taken_for_the_file(server, tmp_path):
    does, address = server
    does.cuts, does.off = [1000], 7
    pull(address, tmp_path / "model.pt", first_wait_s=0)
    assert (tmp_path / "model.pt").read_bytes() == DATA
    assert does.asked == [None, "bytes=1000-", None]  # what fits nothing is thrown away, and all of it begun anew


def test_a_server_that_tells_no_length_is_believed_at_the_end_of_the_file(server, tmp_path):
    does, address = server
    does.tells_length = False
    assert fetch(address, tmp_path / "model.pt", md5=MD5).is_vouched


def test_a_file_with_another_checksum_is_refused_and_nothing_is_left(server, tmp_path):
    _, address = server
    with pytest.raises(FetchError, match=rf"MD5 {MD5}, theirs is {'0' * 32}.*deleted.*by hand"):
        fetch(address, tmp_path / "model.pt", md5="0" * 32)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("status", "words"), [(404, "answers 404"), (403, "answers 403")])
def test_a_file_that_is_not_there_is_told_at_once_with_the_way_by_hand(server, tmp_path, status, words):
    does, address = server
    does.status = status
    with pytest.raises(FetchError, match=rf"{words}.*may have moved.*by hand") as caught:
        fetch(address, tmp_path / "model.pt")
    assert len(does.asked) == 1
    assert address in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert names_in(tmp_path) == []


def test_a_busy_server_is_asked_again(server, tmp_path):
    does, address = server
    does.status = 503
    with pytest.raises(FetchError, match=rf"busy or broken \(503.*{TRIES} times"):
        fetch(address, tmp_path / "model.pt")
    assert len(does.asked) == TRIES


def test_without_a_network_the_way_by_hand_is_told(tmp_path):
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 cannot be reached.*To fetch it by hand: download http"):
        fetch("http://127.0.0.1:9/model.pt", tmp_path / "model.pt")


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_offline_nothing_is_asked(server, tmp_path, monkeypatch, value):
    does, address = server
    monkeypatch.setenv(OFFLINE_VARIABLE, value)
    with pytest.raises(FetchError, match=r"HF_HUB_OFFLINE is set.*by hand"):
        fetch(address, tmp_path / "model.pt")
    assert does.asked == []


@pytest.mark.parametrize("address", ["http://example.org/model.pt", "ftp://example.org/model.pt", "file:///etc/passwd", "model.pt"])
def test_only_encrypted_addresses_are_fetched_from(tmp_path, address):
    with pytest.raises(FetchError, match="only https addresses"):
        fetch(address, tmp_path / "model.pt")


def test_a_server_may_not_hand_on_to_one_without_encryption(server, tmp_path):
    does, address = server
    does.status, does.to = 302, "http://example.org/model.pt"
    with pytest.raises(FetchError, match=r"only https addresses.*example\.org"):
        fetch(address, tmp_path / "model.pt")


# What is here already


def test_a_file_that_is_here_is_not_fetched_again(server, tmp_path):
    does, address = server
    fetch(address, tmp_path / "model.pt")
    again = fetch(address, tmp_path / "model.pt", md5=MD5)
    assert (again.was_here, again.is_vouched) == (True, True)
    assert len(does.asked) == 1


def test_a_file_put_there_by_hand_gets_its_record(server, tmp_path):
    does, address = server
    (tmp_path / "model.pt").write_bytes(DATA)
    assert fetch(address, tmp_path / "model.pt", md5=MD5).was_here
    assert recorded_sha256(tmp_path / "model.pt") == hash_of(tmp_path / "model.pt")
    assert does.asked == []


def test_a_wrong_file_put_there_by_hand_is_told(server, tmp_path):
    _, address = server
    (tmp_path / "model.pt").write_bytes(b"something else")
    with pytest.raises(FetchError, match="not the file that its authors publish"):
        fetch(address, tmp_path / "model.pt", md5=MD5)
    assert (tmp_path / "model.pt").read_bytes() == b"something else", "it is the user's; it is not deleted"


def test_a_file_that_changed_since_it_came_is_noticed(server, tmp_path):
    _, address = server
    path = fetch(address, tmp_path / "model.pt").path
    refuse_changed(path)
    path.write_bytes(DATA[:-1] + b"!")
    for check in (lambda: refuse_changed(path), lambda: fetch(address, path)):
        with pytest.raises(FetchError, match=r"has changed since it came.*model\.pt\.sha256"):
            check()


def test_a_file_without_a_record_is_taken_as_it_is(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"mine")
    refuse_changed(tmp_path / "model.pt")
    (tmp_path / "model.pt.sha256").write_text("no checksum at all")
    refuse_changed(tmp_path / "model.pt")


def test_a_published_sha256_is_held_against_what_comes_and_what_is_here(server, tmp_path):
    _, address = server
    with pytest.raises(FetchError, match=r"SHA-256 .*theirs is 0{64}.*deleted"):
        fetch(address, tmp_path / "model.pt", sha256="0" * 64)
    assert fetch(address, tmp_path / "model.pt", sha256=hashlib.sha256(DATA).hexdigest().upper()).is_vouched
    with pytest.raises(FetchError, match=r"theirs is 0{64}.*Delete it"):
        fetch(address, tmp_path / "model.pt", sha256="0" * 64)


def test_more_than_was_expected_is_refused_whether_its_length_is_told_or_not(server, tmp_path):
    does, address = server
    with pytest.raises(FetchError, match="would send 1,024,000 bytes, where 1,000 at most"):
        fetch(address, tmp_path / "model.pt", most_bytes=1000)
    does.tells_length = False
    with pytest.raises(FetchError, match="sends more than the 1,000 bytes"):
        fetch(address, tmp_path / "model.pt", most_bytes=1000)


def test_a_picture_among_thousands_needs_no_record_of_its_own(server, tmp_path):
    _, address = server
    assert fetch(address, tmp_path / "1.jpg", keeps_sha256=False).sha256 == ""
    assert names_in(tmp_path) == ["1.jpg"]


def test_what_is_gone_differs_from_what_cannot_be_reached(server, tmp_path):
    does, address = server
    does.status = 404
    with pytest.raises(NotThereError):
        fetch(address, tmp_path / "1.jpg")
    does.status = 403
    with pytest.raises(FetchError) as caught:
        fetch(address, tmp_path / "1.jpg")
    assert not isinstance(caught.value, NotThereError)
