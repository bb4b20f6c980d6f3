"""Gives the bytes of a picture at a web address, and opens no connection to any address that is not public.

Reads one picture, over http or https; what it shows, and whether it is one at all, is left to `images`.

A host is looked up once, all its addresses are weighed, and the connection goes to one of these very addresses: a host that
tells another address when asked again (DNS rebinding) gains nothing. Redirects are weighed in the same way, one by one.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from bioclip_search.errors import PictureError
from bioclip_search.images import open_picture

MAX_FETCHED_BYTES = 32 << 20
"""Largest picture fetched, in bytes (32 MiB): twice a large JPEG of a present camera. Never more is read."""

TIME_LIMIT_S = 20.0
"""Seconds for all of it: lookup, connection, redirects and the picture."""

MAX_REDIRECTS = 4
"""Redirects followed; sites that serve pictures need one or two."""

PORTS = {"http": 80, "https": 443}
"""The schemes that are fetched, each by its own port only: behind other ports are services, not pictures."""

MAX_URL_CHARACTERS = 2_000
"""Longest address taken, in characters; browsers and servers agree on little beyond it."""

CHUNK_BYTES = 1 << 16
CHECKED_PX = 32
"""Short side, in pixels, to which a picture is decoded to see that it is one."""

NOT_PUBLIC = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "fec0::/10", "::/96"))
)
"""Networks that some versions of `ipaddress` call global: protocol assignments (RFC 6890), and addresses that stand for others (RFC 6052, 8215, 3056, 4380, 4291)."""

HEADERS = {"User-Agent": "bioclip-search", "Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}

Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""As `socket.getaddrinfo`."""

Connect = Callable[..., socket.socket]
"""As `socket.create_connection`; it is given the numbers of an address, never a name."""


@dataclass(frozen=True)
class Target:
    """A web address taken apart: what is asked, of whom."""

    scheme: str
    host: str
    port: int
    path: str


def fetch_picture(url: str, *, resolve: Resolve | None = None, connect: Connect | None = None, timeout_s: float = TIME_LIMIT_S) -> bytes:
    """The bytes of the picture at a web address. No proxy of the environment is used.

    Args:
        resolve: Looks a host up, as `socket.getaddrinfo`; asked once for each host on the way.
        connect: Connects to (number of the address, port), as `socket.create_connection`.
        timeout_s: Seconds for all of it.

    Raises:
        PictureError: It is no address of http or https, leads to an address that is not public, takes too long, is too large, or is no picture.
    """
    resolve, connect = resolve or socket.getaddrinfo, connect or socket.create_connection
    until = time.monotonic() + timeout_s
    for _ in range(MAX_REDIRECTS + 1):
        target = target_of(url)
        addresses = _public_addresses(target, resolve, until)
        with _asked(target, addresses, connect, until) as response:
            onward = response.headers.get("Location")
            if response.status in (301, 302, 303, 307, 308) and onward:
                url = urljoin(url, onward)
                continue
            content = _content(response, until)
        open_picture(content, enough_px=CHECKED_PX)
        return content
    raise PictureError(f"the address leads on more than {MAX_REDIRECTS} times; give the address of the picture itself")


def name_of(url: str) -> str:
    """What to call the picture at an address: the last part of its path, else the host.

    >>> name_of("https://example.org/birds/a%20wren.jpg?size=large"), name_of("https://example.org/")
    ('a wren.jpg', 'example.org')
    """
    parts = urlsplit(url)
    return unquote(parts.path).replace("\\", "/").rstrip("/").rpartition("/")[2] or parts.netloc.rpartition("@")[2]


def target_of(url: str) -> Target:
    """The parts of a web address.

    Raises:
        PictureError: It is none, has another scheme or port, or carries a password.
    """
    url = url.strip()
    if len(url) > MAX_URL_CHARACTERS:
        raise PictureError(f"the address is longer than {MAX_URL_CHARACTERS:,} characters")
    if any(not sign.isprintable() for sign in url):
        raise PictureError("the address holds signs that no address can hold")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise PictureError(f"is no web address ({error}); one begins with https:// or http://") from error
    if not parts.scheme:
        raise PictureError("is no web address; one begins with https:// or http://")
    if parts.scheme not in PORTS:
        raise PictureError(f"only addresses that begin with https:// or http:// are fetched, not {parts.scheme}:")
    if parts.username is not None or parts.password is not None:
        raise PictureError("the address carries a user name or password; give one without")
    if not host:
        raise PictureError("the address names no host; one looks like https://example.org/picture.jpg")
    if port not in (None, PORTS[parts.scheme]):
        raise PictureError(f"the address asks for port {port}; only the usual one of {parts.scheme}, {PORTS[parts.scheme]}, is used")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else "")
    return Target(parts.scheme, host, PORTS[parts.scheme], path)


def is_public(address: str) -> bool:
    """Whether an address, in numbers, is one of the open internet, and stands for no other.

    >>> [is_public(address) for address in ("93.184.215.14", "127.0.0.1", "169.254.169.254", "100.64.0.1", "::ffff:10.0.0.1", "224.0.0.1")]
    [True, False, False, False, False, False]
    """
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    if any(number in network for network in NOT_PUBLIC if network.version == number.version):
        return False
    return number.is_global and not (number.is_multicast or number.is_reserved or number.is_unspecified or number.is_loopback or number.is_link_local)


def _public_addresses(target: Target, resolve: Resolve, until: float) -> list[str]:
    """The addresses of a host, looked up once, all of them public.

    Raises:
        PictureError: There is no such host, or one of its addresses is not public: then none is used.
    """
    found = _looked_up(target, resolve, until)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise PictureError(f"there is no host {target.host}; look whether the address is spelt right")
    if not all(map(is_public, addresses)):
        raise PictureError(f"{target.host} is no public address (it lies in a private network or on this computer), and such are not fetched")
    return addresses


def _looked_up(target: Target, resolve: Resolve, until: float) -> Sequence[tuple[Any, ...]]:
    """Subtle: a lookup cannot be told when to stop, so it runs in a thread that is left behind when time is up."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(resolve(target.host, target.port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:  # ValueError: a name that IDNA cannot write
            answers.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        found = answers.get(timeout=_left(until))
    except queue.Empty:
        raise _too_slow() from None
    if isinstance(found, Exception):
        raise PictureError(f"there is no host {target.host}; look whether the address is spelt right, and whether this computer is online") from found
    return found


@contextlib.contextmanager
def _asked(target: Target, addresses: Sequence[str], connect: Connect, until: float) -> Iterator[http.client.HTTPResponse]:
    """The answer of the host at one of these addresses, read up to its headers.

    Subtle: a time limit of a socket is one for each piece, and a host that sends a byte a second would never reach it. So
    a clock of our own cuts the line.
    """
    connection = http.client.HTTPConnection(target.host, target.port)
    line = _connected(target, addresses, connect, until)
    clock = threading.Timer(_left(until), _cut, [line])
    clock.daemon = True
    clock.start()
    try:
        if target.scheme == "https":
            line.do_handshake()
        connection.sock = line
        connection.request("GET", target.path, headers=HEADERS)
        yield connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _too_slow() if time.monotonic() >= until else PictureError(f"{target.host} gave no answer that could be read ({_reason(error)})") from error
    finally:
        clock.cancel()
        line.close()


def _connected(target: Target, addresses: Sequence[str], connect: Connect, until: float) -> socket.socket:
    """A line to the first address that takes one; for https not yet secured."""
    reason: Exception | None = None
    for address in addresses:
        try:
            line = connect((address, target.port), timeout=_left(until))
        except OSError as error:
            reason = error
            continue
        if target.scheme == "http":
            return line
        return ssl.create_default_context().wrap_socket(line, server_hostname=target.host, do_handshake_on_connect=False)
    raise PictureError(f"{target.host} cannot be reached ({_reason(reason)})") from reason


def _content(response: http.client.HTTPResponse, until: float) -> bytes:
    """What follows the headers, read piece by piece up to the limit.

    Raises:
        PictureError: The host refuses, or sends too much, too slowly, or a page.
    """
    if response.status != 200:
        raise PictureError(f"the host answered {response.status} {response.reason[:80]} instead of a picture")
    kind = (response.headers.get_content_type() or "").lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise PictureError("the address is that of a web page, not of a picture; copy the address of the picture itself")
    if (response.length or 0) > MAX_FETCHED_BYTES:
        raise _too_large()
    pieces, size = [], 0
    while piece := response.read1(CHUNK_BYTES):
        size += len(piece)
        if size > MAX_FETCHED_BYTES:
            raise _too_large()
        if time.monotonic() >= until:
            raise _too_slow()
        pieces.append(piece)
    if time.monotonic() >= until:
        raise _too_slow()
    return b"".join(pieces)


def _cut(line: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        line.shutdown(socket.SHUT_RDWR)


def _left(until: float) -> float:
    """Seconds that are left, of which there must be some."""
    left = until - time.monotonic()
    if left <= 0:
        raise _too_slow()
    return left


def _reason(error: Exception | None) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__).partition("\n")[0][:120]


def _too_slow() -> PictureError:
    return PictureError(f"took longer than {TIME_LIMIT_S:.0f} seconds; fetch it with the browser and drop the file here")


def _too_large() -> PictureError:
    return PictureError(f"is larger than {MAX_FETCHED_BYTES >> 20} MiB; make it smaller")
