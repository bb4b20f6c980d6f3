"""Pictures from the web, without the web: a resolver that tells what it is told to, and a server on this computer behind an injected connector."""

from __future__ import annotations

import http.server
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any

import PIL.Image
import pytest

from bioclip_search import fetching
from bioclip_search.errors import PictureError
from bioclip_search.fetching import fetch_picture, is_public, name_of, target_of

PUBLIC = "93.184.215.14"


def picture_bytes() -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (40, 30), "green").save(file, "PNG")
    return file.getvalue()


def resolver(*addresses: str) -> Any:
    """A lookup that gives these addresses for every host, and notes the hosts it was asked for."""

    def resolve(host, port, **_):
        resolve.asked.append(host)
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    resolve.asked = []
    return resolve


def no_connection(*_, **__) -> socket.socket:
    pytest.fail("a connection was opened")


@pytest.fixture
def serving() -> Iterator[Callable[..., Any]]:
    """Gives a connector to a server whose answer to each path is given; the connector notes where it was sent."""
    servers = []

    def serve(**answers: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Any:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                connect.paths.append(self.path)
                answers[self.path.partition("?")[0].strip("/") or "root"](self)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def connect(address, timeout):
            connect.addresses.append(address)
            return socket.create_connection(("127.0.0.1", server.server_port), timeout=timeout)

        connect.addresses, connect.paths = [], []
        return connect

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def sends(content: bytes, kind: str = "image/png", status: int = 200, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler):
        handler.send_response(status)
        for name, value in ({"Content-Type": kind, "Content-Length": str(len(content))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def moved(to: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    return sends(b"", status=302, Location=to)


def test_a_picture_is_fetched_from_the_very_address_that_was_looked_up(serving):
    connect, resolve = serving(**{"a%20wren.png": sends(picture_bytes())}), resolver(PUBLIC)
    assert fetch_picture("http://example.org/a wren.png?x=1", resolve=resolve, connect=connect) == picture_bytes()
    assert connect.addresses == [(PUBLIC, 80)]
    assert connect.paths == ["/a%20wren.png?x=1"]
    assert resolve.asked == ["example.org"]


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.8.9.10", id="another loopback"),
        pytest.param("0.0.0.0", id="unspecified"),
        pytest.param("10.1.2.3", id="private A"),
        pytest.param("172.20.0.1", id="private B"),
        pytest.param("192.168.1.1", id="private C"),
        pytest.param("169.254.169.254", id="metadata of clouds"),
        pytest.param("100.64.0.1", id="carrier-grade NAT"),
        pytest.param("192.0.0.8", id="protocol assignments"),
        pytest.param("198.18.0.1", id="benchmarks"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("::", id="unspecified, IPv6"),
        pytest.param("::1", id="loopback, IPv6"),
        pytest.param("::ffff:127.0.0.1", id="mapped loopback"),
        pytest.param("::ffff:169.254.169.254", id="mapped metadata"),
        pytest.param("::127.0.0.1", id="compatible loopback"),
        pytest.param("64:ff9b::7f00:1", id="NAT64"),
        pytest.param("2002:7f00:1::", id="6to4"),
        pytest.param("2001::1", id="Teredo"),
        pytest.param("fc00::1", id="unique local"),
        pytest.param("fe80::1%eth0", id="link-local with its zone"),
        pytest.param("ff02::1", id="multicast, IPv6"),
        pytest.param("no number", id="no number"),
    ],
)
def test_an_address_that_is_not_public_is_refused_before_any_connection(address):
    assert not is_public(address)
    with pytest.raises(PictureError, match="no public address"):
        fetch_picture("https://harmless.example/cat.jpg", resolve=resolver(address), connect=no_connection)


def test_public_addresses_of_both_kinds_are_taken():
    assert is_public(PUBLIC)
    assert is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


def test_one_bad_address_among_good_ones_spoils_the_host():
    with pytest.raises(PictureError, match="no public address"):
        fetch_picture("http://example.org/a.png", resolve=resolver(PUBLIC, "127.0.0.1"), connect=no_connection)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0"])
def test_numbers_in_any_writing_are_refused_by_the_lookup_of_this_computer(host):
    with pytest.raises(PictureError, match="no public address"):
        fetch_picture(f"http://{host}/", connect=no_connection)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "are fetched, not file:"),
        ("ftp://example.org/a.png", "not ftp:"),
        ("data:image/png;base64,AAAA", "not data:"),
        ("javascript:alert(1)", "not javascript:"),
        ("/etc/passwd", "is no web address"),
        ("../../etc/passwd", "is no web address"),
        ("//example.org/a.png", "is no web address"),
        ("http:///a.png", "names no host"),
        ("http://user:secret@example.org/a.png", "user name or password"),
        ("http://user@example.org/a.png", "user name or password"),
        ("http://example.org:22/a.png", "port 22"),
        ("http://example.org:443/a.png", "port 443"),
        ("http://example.org:99999/", "no web address"),
        ("http://[::1/a.png", "no web address"),
        ("http://example.org/a\r\nHost: evil", "signs that no address can hold"),
        ("http://example.org/" + "a" * 3000, "longer than 2,000"),
        ("", "is no web address"),
    ],
)
def test_what_is_no_plain_address_of_the_web_is_refused_before_it_is_looked_up(url, words):
    resolve = resolver(PUBLIC)
    with pytest.raises(PictureError) as told:
        fetch_picture(url, resolve=resolve, connect=no_connection)
    assert words in str(told.value)
    assert resolve.asked == []


@pytest.mark.parametrize(("to", "words"), [("http://inside.example/x", "no public address"), ("file:///etc/passwd", "not file:")])
def test_a_redirect_is_weighed_like_the_first_address(serving, to, words):
    connect = serving(root=moved(to))

    def resolve(host, port, **_):
        return resolver("10.0.0.1" if host == "inside.example" else PUBLIC)(host, port)

    with pytest.raises(PictureError, match=words):
        fetch_picture("http://example.org/", resolve=resolve, connect=connect)
    assert len(connect.addresses) == 1


def test_a_host_that_tells_another_address_when_asked_again_gains_nothing(serving):
    answers = iter([PUBLIC, "127.0.0.1"])
    connect = serving(root=moved("/picture"), picture=sends(picture_bytes()))

    def resolve(host, port, **_):
        return resolver(next(answers))(host, port)

    with pytest.raises(PictureError, match="no public address"):
        fetch_picture("http://example.org/", resolve=resolve, connect=connect)
    assert connect.addresses == [(PUBLIC, 80)]


def test_redirects_are_followed_a_few_times_only(serving):
    connect = serving(root=moved("/b"), b=moved("http://example.net/c"), c=sends(picture_bytes()), loop=moved("/loop"))
    assert fetch_picture("http://example.org/", resolve=resolver(PUBLIC), connect=connect) == picture_bytes()
    with pytest.raises(PictureError, match="more than 4 times"):
        fetch_picture("http://example.org/loop", resolve=resolver(PUBLIC), connect=connect)
    assert connect.paths.count("/loop") == 5


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(sends(b"<html></html>", "text/html; charset=utf-8"), "web page", id="a page"),
        pytest.param(sends(b"<html></html>", "image/jpeg"), "no picture of a known kind", id="a page that says it is a picture"),
        pytest.param(sends(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), "no picture of a known kind", id="SVG"),
        pytest.param(sends(b""), "empty", id="nothing"),
        pytest.param(sends(b"gone", status=404), "answered 404", id="not found"),
        pytest.param(sends(b"", status=302), "answered 302", id="a redirect to nowhere"),
    ],
)
def test_what_is_no_picture_is_told(serving, answer, words):
    with pytest.raises(PictureError, match=words):
        fetch_picture("http://example.org/", resolve=resolver(PUBLIC), connect=serving(root=answer))


@pytest.mark.parametrize("is_told", [True, False])
def test_no_more_is_read_than_the_limit_whether_its_length_is_told_or_not(serving, monkeypatch, is_told):
    monkeypatch.setattr(fetching, "MAX_FETCHED_BYTES", 1 << 20)
    written = []

    def pour(handler):
        handler.send_response(200)
        if is_told:
            handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        try:
            for _ in range(1000):
                handler.wfile.write(bytes(1 << 16))
                written.append(1)
        except OSError:
            pass

    with pytest.raises(PictureError, match="larger than 1 MiB"):
        fetch_picture("http://example.org/", resolve=resolver(PUBLIC), connect=serving(root=pour))
    assert len(written) < 1000


def test_a_host_that_sends_a_byte_now_and_then_is_cut_off(serving):
    release = threading.Event()

    def trickle(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        try:
            while not release.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:
            pass

    with pytest.raises(PictureError, match="took longer"):
        fetch_picture("http://example.org/", resolve=resolver(PUBLIC), connect=serving(root=trickle), timeout_s=0.4)
    release.set()


def test_a_lookup_that_never_ends_is_left_behind():
    release = threading.Event()

    def resolve(*_, **__):
        release.wait()
        return []

    with pytest.raises(PictureError, match="took longer"):
        fetch_picture("http://example.org/", resolve=resolve, connect=no_connection, timeout_s=0.1)
    release.set()


def test_a_host_that_is_not_there_is_told():
    def resolve(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(PictureError, match=r"no host nowhere\.example"):
        fetch_picture("http://nowhere.example/", resolve=resolve, connect=no_connection)
    with pytest.raises(PictureError, match="no host"):
        fetch_picture("http://example.org/", resolve=lambda *_, **__: [], connect=no_connection)


def test_the_next_address_is_tried_where_one_takes_no_line(serving):
    behind = serving(root=sends(picture_bytes()))

    def connect(address, timeout):
        if address[0] == PUBLIC:
            raise ConnectionRefusedError(111, "Connection refused")
        return behind(address, timeout)

    assert fetch_picture("http://example.org/", resolve=resolver(PUBLIC, "1.1.1.1"), connect=connect) == picture_bytes()
    with pytest.raises(PictureError, match="cannot be reached"):
        fetch_picture("http://example.org/", resolve=resolver(PUBLIC), connect=connect)


def test_https_is_not_spoken_with_a_host_that_cannot_prove_its_name(serving):
    with pytest.raises(PictureError, match="gave no answer that could be read"):
        fetch_picture("https://example.org/", resolve=resolver(PUBLIC), connect=serving(root=sends(picture_bytes())))
    assert ssl.create_default_context().check_hostname


def test_no_proxy_of_the_environment_is_used(serving, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    connect = serving(root=sends(picture_bytes()))
    assert fetch_picture("http://example.org/", resolve=resolver(PUBLIC), connect=connect) == picture_bytes()
    assert connect.addresses == [(PUBLIC, 80)]


def test_a_picture_is_called_by_the_last_part_of_its_address():
    assert name_of("https://example.org/a/..%2F..%2Fetc%2Fpasswd") == "passwd"
    assert name_of("https://example.org") == "example.org"
    assert target_of("HTTP://Example.org").path == "/"
