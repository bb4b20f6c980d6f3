"""Fetches a published file over HTTPS: goes on where a broken download stopped, and checks what came.

Which file and from where is left to `detectors.known` and `data`; bars are drawn by the command line.

    NAME                  the file, only ever whole
    NAME.sha256           its SHA-256 when it came, as `sha256sum --check` reads it
    NAME.part, .etag      an unfinished download, and which version of the file it is of
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bioclip_search.errors import FetchError, NotThereError
from bioclip_search.swapping import whole_file

OFFLINE_VARIABLE = "HF_HUB_OFFLINE"
"""Set to 1, nothing is fetched; the variable of the Hugging Face hub, which open_clip and datasets obey too."""

TIMEOUT_S = 30.0
"""Longest silence of the server, in seconds."""

TRIES, FIRST_WAIT_S = 5, 1.0
"""How often a download that breaks off is taken up again, and the pause before the first time, which doubles."""

CHUNK_BYTES = 1 << 18
MAX_FILE_BYTES = 1 << 33
"""No published detector is a hundredth of this (8 GiB); whatever is larger is something else, unless the caller knows better."""

HERE = ("127.0.0.1", "localhost", "::1")
"""Hosts that may be asked without encryption: this machine."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pulled:
    """A file that is here now.

    Attributes:
        sha256: Empty where none was asked to be kept.
        is_vouched: Whether it has the checksum that its authors publish; False where they publish none.
        was_here: Nothing was downloaded.
    """

    path: Path
    sha256: str
    is_vouched: bool
    was_here: bool


def pull(
    address: str,
    path: Path,
    *,
    md5: str | None = None,
    sha256: str | None = None,
    most_bytes: int = MAX_FILE_BYTES,
    keeps_sha256: bool = True,
    progress: Progress | None = None,
    first_wait_s: float = FIRST_WAIT_S,
) -> Pulled:
    """The file at this address, as `path`; where it is here already, only its checksums are looked at.

    Args:
        md5: The checksum that the authors publish. It tells a damaged file from a sound one; no more is asked of it.
        sha256: Likewise, where they publish this one.
        most_bytes: A file that is larger is something else, and refused.
        keeps_sha256: Whether its SHA-256 is kept beside it; without, one that is here is taken as it is.
        progress: Called with the bytes that are here and those there will be.

    Raises:
        NotThereError: The server has no such file.
        FetchError: Nothing may be fetched, the address is not encrypted, cannot be reached, the download breaks off again
            and again, the disk is full, or the checksum is another. Tells how to fetch it by hand.
    """
    by_hand = f"To fetch it by hand: download {address} with a browser and put the file into {path.parent} under the name {path.name}."
    published = {kind: told.lower() for kind, told in (("md5", md5), ("sha256", sha256)) if told}
    was_here = path.is_file()
    if was_here:
        if keeps_sha256:
            refuse_changed(path)
        _refuse_another(path, published, f"{path}: is", "Delete it and pull it again.")
    else:
        try:
            _download(address, path, published, most_bytes, progress, first_wait_s)
        except FetchError as error:
            raise type(error)(f"{path.name}: {error} {by_hand}") from error
        except OSError as error:
            raise FetchError(f"{path.name}: cannot be written ({error.strerror or error}). Free some space in {path.parent}, or mend its rights.") from error
    kept = (recorded_sha256(path) or _record(path)) if keeps_sha256 else ""
    return Pulled(path, kept, bool(published), was_here)


def refuse_changed(path: Path) -> None:
    """Returns for a file that is still what it was when it came, and for one of which nothing was recorded.

    Raises:
        FetchError: Its bytes are others now.
    """
    recorded = recorded_sha256(path)
    if recorded is not None and hash_of(path) != recorded:
        raise FetchError(
            f"{path}: has changed since it came here (SHA-256 {hash_of(path)}, it was {recorded}). Delete it and pull it again; "
            f"if you changed it yourself, delete {_record_path(path).name}."
        )


def recorded_sha256(path: Path) -> str | None:
    """What the file's SHA-256 was when it came; None where that is not recorded."""
    try:
        with _record_path(path).open(encoding="ascii", errors="replace") as file:
            words = file.read(1024).split()
    except OSError:
        return None
    return words[0].lower() if words and len(words[0]) == 64 else None


def hash_of(path: Path, kind: str = "sha256") -> str:
    """In hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _refuse_another(path: Path, published: Mapping[str, str], beginning: str, what_to_do: str) -> None:
    """Raises: FetchError: the file has another checksum than its authors publish."""
    for kind, told in published.items():
        if (got := hash_of(path, kind)) != told:
            name = {"md5": "MD5", "sha256": "SHA-256"}[kind]
            raise FetchError(f"{beginning} not the file that its authors publish ({name} {got}, theirs is {told}). {what_to_do}")


def is_offline() -> bool:
    """Whether nothing may be fetched."""
    return os.environ.get(OFFLINE_VARIABLE, "").strip().upper() in ("1", "ON", "YES", "TRUE")


def _record(path: Path) -> str:
    sha256 = hash_of(path)
    with whole_file(_record_path(path)) as part:
        part.write_text(f"{sha256}  {path.name}\n", encoding="utf-8")
    return sha256


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


# Downloading


class _Broken(Exception):
    """The connection broke; another try may go on from there."""


def _download(address: str, path: Path, published: Mapping[str, str], most_bytes: int, progress: Progress | None, wait_s: float) -> None:
    if is_offline():
        raise FetchError(f"nothing is fetched, for {OFFLINE_VARIABLE} is set.")
    _refuse_plain(address)
    path.parent.mkdir(parents=True, exist_ok=True)
    part, etag = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.etag")
    for attempt in range(TRIES):
        try:
            _fetch(address, part, etag, most_bytes, progress)
            break
        except _Broken as error:
            if attempt == TRIES - 1:
                raise FetchError(f"{error}, {TRIES} times. Pull again later; it goes on where it stopped.") from error
            time.sleep(wait_s * 2**attempt)
    try:
        _refuse_another(part, published, "what came is", "It was deleted. Pull it again.")
    except FetchError:
        part.unlink()
        etag.unlink(missing_ok=True)
        raise
    os.replace(part, path)
    etag.unlink(missing_ok=True)


def _fetch(address: str, part: Path, etag: Path, most_bytes: int, progress: Progress | None) -> None:
    """Appends to the part what it lacks. A part of which no version is known, or of another one, is begun anew."""
    start = part.stat().st_size if part.is_file() and etag.is_file() else 0
    headers = {"User-Agent": "bioclip-search"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": etag.read_text(encoding="utf-8")}
    try:
        with _opener().open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT_S) as answer:
            _receive(answer, part, etag, start, most_bytes, progress)
    except urllib.error.HTTPError as error:
        error.close()
        _raise_for(error, part)
    except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError) as error:
        raise _Broken(
            f"{urlsplit(address).hostname} cannot be reached, or breaks off ({getattr(error, 'reason', None) or error or type(error).__name__})"
        ) from error


def _receive(answer: Any, part: Path, etag: Path, start: int, most_bytes: int, progress: Progress | None) -> None:
    is_part = answer.status == http.HTTPStatus.PARTIAL_CONTENT
    if is_part and not str(answer.headers.get("Content-Range")).startswith(f"bytes {start}-"):
        part.unlink(missing_ok=True)
        raise _Broken("the server sends another part of the file than was asked for")
    if not is_part:
        start = 0
        part.unlink(missing_ok=True)  # else, where this version is not taken after all, the next call would go on with it from the end of another
        _keep_version(etag, answer.headers.get("ETag"))
    length = answer.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else 0
    if total > most_bytes:
        raise FetchError(f"the server would send {total:,} bytes, where {most_bytes:,} at most were expected.")
    if total - start > shutil.disk_usage(part.parent).free:
        raise FetchError(f"needs {total - start:,} bytes, and the disk of {part.parent} has {shutil.disk_usage(part.parent).free:,} left.")
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        done = start
        while chunk := answer.read(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            if done > most_bytes:
                raise FetchError(f"the server sends more than the {most_bytes:,} bytes that were expected at most.")
            if progress:
                progress(done, max(total, done))
    if done < total:
        raise _Broken(f"the connection broke after {done:,} of {total:,} bytes")


def _keep_version(etag: Path, told: str | None) -> None:
    """A weak ETag does not promise equal bytes, so nothing can be built on it."""
    if told and not told.startswith("W/"):
        etag.write_text(told, encoding="utf-8")
    else:
        etag.unlink(missing_ok=True)


def _raise_for(error: urllib.error.HTTPError, part: Path) -> None:
    """Returns only where nothing is lacking."""
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        if part.is_file() and error.headers.get("Content-Range") == f"bytes */{part.stat().st_size}":
            return  # all of it had come, and then this program was stopped
        part.unlink(missing_ok=True)
        raise _Broken("the download did not fit what is there") from error
    if error.code >= 500 or error.code == http.HTTPStatus.TOO_MANY_REQUESTS:
        raise _Broken(f"the server is busy or broken ({error.code} {error.reason})") from error
    kind = NotThereError if error.code in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE) else FetchError
    raise kind(f"the server answers {error.code} ({error.reason}); the file may have moved.") from error


class _OnlyEncrypted(urllib.request.HTTPRedirectHandler):
    """Servers hand downloads on to others; never to one without encryption."""

    def redirect_request(self, request: Any, file: Any, code: int, message: str, headers: Any, address: str) -> Any:
        _refuse_plain(address)
        return super().redirect_request(request, file, code, message, headers, address)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_OnlyEncrypted)


def _refuse_plain(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in HERE):
        raise FetchError(f"only https addresses are fetched from, not {parts.scheme or 'none'}://{parts.hostname or ''}.")
