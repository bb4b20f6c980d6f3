"""The pictures in a zip or tar, member by member as a stream; nothing is ever unpacked to the disk.

Believes nothing that an archive says of itself: names lead nowhere, and sizes are held against limits. What else lies in it is passed over.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bioclip_search.errors import SourceError
from bioclip_search.images import MAX_FILE_BYTES
from bioclip_search.media import NO_FACTS, Facts, Media
from bioclip_search.sources.paths import is_picture, is_video, tellable
from bioclip_search.sources.seen import Seen
from bioclip_search.sources.source import Tally

BETWEEN = "!"
"""Stands between the archive's name and the member's: shard.zip!a/b.jpg"""

MAX_RATIO = 200
"""Bytes unpacked from one byte packed, beyond which an archive is a bomb; deflate reaches 1,000 on zeros, photographs hardly pass 1."""

FREE_OF_RATIO_BYTES = 1 << 26
"""A flat graphic may compress any amount, so the ratio counts only from this many unpacked bytes on (64 MiB)."""

MAX_HEADER_BYTES = 1 << 22
"""A tar's header has a few hundred bytes, with long names some thousand; tarfile would take one of any length into memory."""

OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
"""What unpacks a tar, by the bytes with which it begins."""

UNPACKING_ERRORS = (
    *(zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, struct.error),
    *(ValueError, LookupError, NotImplementedError, RuntimeError, OverflowError),
)
"""What the standard library raises over damaged archives."""

NO_PICTURES = "members of archives that are no pictures by their endings, passed over"
LINKS = "links and devices in archives, passed over"


def is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def is_tar(path: Path) -> bool:
    """Whether it begins with the header of a tar, packed or not."""
    try:
        with _unpacked(path) as file:
            tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
    except UNPACKING_ERRORS:
        return False
    return True


def archive_pictures(path: Path, name: str, tally: Tally, *, with_data: bool = True) -> Iterator[Media]:
    """The pictures in the order of the archive; each member that cannot be had, and an archive that ends early, as one picture with an error.

    Args:
        name: What results call the archive.
        with_data: False only lists them.
    """
    with Seen() as seen:
        for media in _zip_pictures(path, name, tally, with_data) if is_zip(path) else _tar_pictures(path, name, tally, with_data):
            if seen.is_new(media.image):
                yield media
            else:
                yield _another(media, seen)


def _another(media: Media, seen: Seen) -> Media:
    number = 2
    while not seen.is_new(f"{media.image} ({number})"):
        number += 1
    return Media(f"{media.image} ({number})", error="bears the name of another picture in the archive, so only the first is taken")


def open_zip(path: Path) -> zipfile.ZipFile:
    """The zip, to be closed by whoever asked.

    Raises:
        SourceError: It cannot be opened, or its members lie over one another.
    """
    try:
        opened = zipfile.ZipFile(path)
    except UNPACKING_ERRORS as error:
        raise SourceError(f"{path}: cannot be opened as a zip ({error}). If it was downloaded or copied, do that again; it may be cut off.") from error
    if sum(member.compress_size for member in opened.infolist()) > path.stat().st_size:
        opened.close()
        raise SourceError(f"{path}: its members lie over one another, as in a decompression bomb. Do not use this archive.")
    return opened


def _zip_pictures(path: Path, name: str, tally: Tally, with_data: bool) -> Iterator[Media]:
    try:
        opened = open_zip(path)
    except SourceError as error:
        yield Media(name, error=str(error))
        return
    with opened:
        for member in opened.infolist():
            image, problem = (None, None) if member.filename.endswith(("/", "\\")) else _name_of(name, member.filename, tally)
            if image is None:
                continue
            problem = problem or zip_problem(member)
            if problem or not with_data:
                yield Media(image, error=problem, data=None if problem else b"")
            else:
                yield zip_media(opened, member, image)


def zip_media(opened: zipfile.ZipFile, member: zipfile.ZipInfo, image: str, facts: Facts = NO_FACTS) -> Media:
    """The member as a picture, or with the reason why it cannot be had."""
    problem = zip_problem(member)
    try:
        return Media(image, error=problem, facts=facts) if problem else Media(image, data=read_member(opened, member), facts=facts)
    except UNPACKING_ERRORS as error:
        return Media(image, error=f"cannot be taken out of the archive ({error})", facts=facts)


def read_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Its bytes, never more than it says and than a picture may have."""
    with opened.open(member) as file:
        return file.read(MAX_FILE_BYTES)


def zip_problem(member: zipfile.ZipInfo) -> str | None:
    if member.flag_bits & 1:
        return "is encrypted; take it out with its password, and give the folder"
    return _size_problem(member.file_size, member.compress_size)


def _size_problem(unpacked_bytes: int, packed_bytes: int) -> str | None:
    if unpacked_bytes > MAX_FILE_BYTES:
        return f"is larger than {MAX_FILE_BYTES >> 20} MiB"
    if unpacked_bytes > max(FREE_OF_RATIO_BYTES, MAX_RATIO * packed_bytes):
        return f"unpacks to more than {MAX_RATIO} times its size (decompression bomb?)"
    return None


def _name_of(archive: str, member: str, tally: Tally) -> tuple[str | None, str | None]:
    """What results call a member, None where it is no picture, and why it is not taken."""
    parts = [part for part in member.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or parts[-1].startswith(".") or "__MACOSX" in parts:
        return None, None
    if not is_picture(parts[-1]) and not is_video(parts[-1]):
        tally.add(NO_PICTURES, tellable(f"{archive}{BETWEEN}{'/'.join(parts)}"))
        return None, None
    leaves = member.startswith(("/", "\\")) or ".." in parts or parts[0].endswith(":")
    image = tellable(f"{archive}{BETWEEN}{'/'.join('__' if part == '..' else part for part in parts)}").replace("\0", "")
    if leaves:
        return image, f"bears a name that leads out of the archive ({tellable(member)!r}), so it is not opened"
    return image, "is a video in an archive; take it out, and give the folder" if is_video(parts[-1]) else None


def _tar_pictures(path: Path, name: str, tally: Tally, with_data: bool) -> Iterator[Media]:
    try:
        with _unpacked(path) as file:
            guard = _Guard(file, None if _opener(path) is open else max(FREE_OF_RATIO_BYTES, MAX_RATIO * path.stat().st_size))
            with tarfile.TarFile(fileobj=guard, errorlevel=1) as opened:  # type: ignore[arg-type]
                while (member := opened.next()) is not None:
                    opened.members.clear()  # Subtle: tarfile keeps all it has met, which is memory without end
                    media = _tar_member(guard, member, name, tally, with_data)
                    if media is not None:
                        yield media
            if any(guard.last) or len(guard.last) < tarfile.BLOCKSIZE:  # Subtle: tarfile takes a damaged header for the end
                raise EOFError("it lacks the mark of its end")
    except (SourceError, *UNPACKING_ERRORS) as error:
        yield Media(name, error=f"is an archive that cannot be read to its end ({error or type(error).__name__}); what came before was taken")


def _tar_member(guard: _Guard, member: tarfile.TarInfo, archive: str, tally: Tally, with_data: bool) -> Media | None:
    image, problem = (None, None) if member.isdir() else _name_of(archive, member.name, tally)
    if image is None:
        return None
    if not member.isreg() or member.issparse():
        tally.add(LINKS, image)
        return None
    problem = problem or (f"is larger than {MAX_FILE_BYTES >> 20} MiB" if member.size > MAX_FILE_BYTES else None)
    if problem or not with_data:
        return Media(image, error=problem, data=None if problem else b"")
    return Media(image, data=guard.member(member))


def _opener(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(5)
    return next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)


def _unpacked(path: Path) -> BinaryIO:
    return _opener(path)(path, "rb")


class _Guard:
    """Lends a file to tarfile and gives it no large piece at once; keeps the last piece. Members are read past tarfile, once, in order."""

    def __init__(self, file: BinaryIO, most_bytes: int | None):
        self.file, self.most_bytes, self.last = file, most_bytes, b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise SourceError(f"it has a header of {size:,} bytes, where a tar has a few hundred")
        self.last = self.file.read(size)
        return self.last

    def member(self, member: tarfile.TarInfo) -> bytes:
        self.seek(member.offset_data)
        data = self.file.read(member.size)
        if len(data) < member.size:
            raise EOFError("it is cut off")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if self.most_bytes is not None and offset > self.most_bytes:
            raise SourceError(f"it unpacks to more than {MAX_RATIO} times its size (decompression bomb?)")
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()
