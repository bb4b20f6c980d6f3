"""Gives the files of a zip, tar or folder one by one, unpacked under names of our own, or refuses the whole.

Trusts nothing that an archive says of itself: sizes are counted while bytes are written. What the files hold is
left to `meta` and `delimited`, which archive is meant to `sources`.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from bioclip_search.errors import TableError

BLOCK_BYTES = 1 << 20

UNPACKING_ERRORS = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, ValueError, LookupError, NotImplementedError, RuntimeError, OverflowError),
)
"""What the standard library raises over damaged archives; names in no known encoding are a ValueError, for one."""


@dataclass(frozen=True)
class Limits:
    """What an archive may cost. The GBIF backbone, the largest we know, unpacks 5 GB from 0.9 GB in a dozen files."""

    members: int = 20_000
    unpacked_bytes: int = 64 << 30
    ratio: int = 100
    free_of_ratio_bytes: int = 64 << 20
    """Tables of few taxa compress any amount, so the ratio counts only from this size on."""


class Archive(Protocol):
    """The members of an archive, folders and the litter of operating systems left out, in order of name."""

    name: str
    members: tuple[str, ...]

    def file(self, member: str) -> Path:
        """A readable file with the member's bytes."""


@contextmanager
def open_archive(source: Path, scratch: Path, limits: Limits = Limits()) -> Iterator[Archive]:
    """Opens a folder, zip, tar or tar.gz.

    Raises:
        TableError: It is no archive, is damaged, has a member that would leave the folder or is a link, or is
            larger than the limits.
    """
    if source.is_dir():
        yield _Folder(source, limits)
        return
    meter = _Meter(source.name, source.stat().st_size, limits, scratch)
    with ExitStack() as stack:
        yield _open_zip(stack, source, scratch, meter) if zipfile.is_zipfile(source) else _open_tar(stack, source, scratch, meter)


def _open_zip(stack: ExitStack, source: Path, scratch: Path, meter: _Meter) -> Archive:
    with _told(source, "a zip"):
        return _Zip(meter.name, stack.enter_context(zipfile.ZipFile(source)), scratch, meter)


def _open_tar(stack: ExitStack, source: Path, scratch: Path, meter: _Meter) -> Archive:
    if _starts_with(source, b"\x1f\x8b"):
        source = gunzip(source, scratch, meter)
    file = stack.enter_context(_SmallReads(source))
    try:
        opened = stack.enter_context(tarfile.TarFile(fileobj=file))
    except tarfile.TarError as error:
        raise TableError(
            f"{meter.name}: is neither a folder nor a zip, tar or tar.gz archive that can be opened. Download it again, or unpack it yourself."
        ) from error
    with _told(Path(meter.name), "a tar"):
        return _Tar(meter.name, opened, scratch, meter)


class _SmallReads(io.FileIO):
    """A file that gives no large piece at once: tarfile takes a header of any length into memory as a whole."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= 4 * BLOCK_BYTES:
            raise TableError(f"{self.name}: has a header of {size:,} bytes, where a tar has a few hundred. Do not unpack this archive.")
        return super().read(size)


def gunzip(source: Path, scratch: Path, meter: _Meter | None = None) -> Path:
    """The unpacked bytes of a .gz file, as a new file in the scratch folder."""
    meter = meter or _Meter(source.name, source.stat().st_size, Limits(), scratch)
    with _told(source, "a gz"), gzip.open(source) as packed:
        return meter.write(packed, source.name)


class _Meter:
    """Writes members into the scratch folder and stops when they grow beyond the limits."""

    def __init__(self, name: str, packed_bytes: int, limits: Limits, scratch: Path):
        self.name, self.packed_bytes, self.limits, self.scratch = name, packed_bytes, limits, scratch
        self.written, self.files = 0, 0

    def write(self, stream: BinaryIO, member: str) -> Path:
        """Copies the stream into a file of our own naming, counting; a file that breaks a limit is not kept."""
        self.files += 1
        path = self.scratch / f"member-{self.files:05d}"
        try:
            with path.open("xb") as file:
                while block := stream.read(BLOCK_BYTES):
                    self._count(len(block), member)
                    file.write(block)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _count(self, count: int, member: str) -> None:
        self.written += count
        limits = self.limits
        if self.written > limits.unpacked_bytes:
            raise TableError(
                f"{self.name}: unpacks to more than {limits.unpacked_bytes:,} bytes (at {member}); this is no checklist. Unpack only what you trust."
            )
        if self.written > limits.free_of_ratio_bytes and self.written > limits.ratio * max(self.packed_bytes, 1):
            raise TableError(
                f"{self.name}: unpacks to more than {limits.ratio} times its size (at {member}), as a zip bomb does and no checklist. "
                "If you trust it, unpack it yourself and give the folder."
            )
        if count > shutil.disk_usage(self.scratch).free:
            raise TableError(f"{self.name}: the disk of {self.scratch} is full. Free some space, or set TMPDIR to a larger disk.")


class _Folder:
    def __init__(self, folder: Path, limits: Limits):
        self.name, self._folder = folder.name, folder
        home = folder.resolve()
        found = []
        for path in folder.rglob("*"):
            if not path.is_file() or _is_litter(path.relative_to(folder).as_posix()):
                continue
            if not path.resolve().is_relative_to(home):
                raise TableError(f"{path}: is a link to a file outside the folder. Copy the file into the folder.")
            found.append(path.relative_to(folder).as_posix())
            _refuse_crowd(folder.name, len(found), limits)
        self.members = tuple(sorted(found))

    def file(self, member: str) -> Path:
        return self._folder / member


class _Zip:
    def __init__(self, name: str, opened: zipfile.ZipFile, scratch: Path, meter: _Meter):
        self.name, self._opened, self._meter = name, opened, meter
        infos = opened.infolist()
        _refuse_crowd(name, len(infos), meter.limits)
        for info in infos:
            # Subtle: `filename` is cut at a NUL by zipfile, `orig_filename` is what the archive really says.
            _refuse_unsafe(name, info.orig_filename, is_link=stat.S_ISLNK(info.external_attr >> 16))
        self._infos = {info.filename: info for info in infos if not info.is_dir() and not _is_litter(info.filename)}
        _refuse_twice(name, [info.filename for info in infos])
        self._files: dict[str, Path] = {}
        self.members = tuple(sorted(self._infos))

    def file(self, member: str) -> Path:
        if member not in self._files:
            info = self._infos[member]
            if info.flag_bits & 1:
                raise TableError(f"{self.name}: {member} is locked with a password. Unpack it yourself and give the folder.")
            with _told(Path(f"{self.name}: {member}"), "a zip member"), self._opened.open(info) as stream:
                self._files[member] = self._meter.write(stream, member)
        return self._files[member]


class _Tar:
    def __init__(self, name: str, opened: tarfile.TarFile, scratch: Path, meter: _Meter):
        self.name, self._opened, self._meter = name, opened, meter
        self._infos: dict[str, tarfile.TarInfo] = {}
        for count, info in enumerate(opened, 1):
            _refuse_crowd(name, count, meter.limits)
            _refuse_unsafe(name, info.name, is_link=not (info.isreg() or info.isdir()))
            path = str(PurePosixPath(info.name))
            if info.isreg() and not _is_litter(path):
                _refuse_twice(name, [*([path] if path in self._infos else []), path])
                self._infos[path] = info
        self._files: dict[str, Path] = {}
        self.members = tuple(sorted(self._infos))

    def file(self, member: str) -> Path:
        if member not in self._files:
            stream = self._opened.extractfile(self._infos[member])
            assert stream is not None  # only regular files are listed
            with _told(Path(f"{self.name}: {member}"), "a tar member"), stream:
                self._files[member] = self._meter.write(stream, member)
        return self._files[member]


def _refuse_unsafe(archive: str, member: str, *, is_link: bool) -> None:
    parts = member.split("/")
    if is_link:
        fault = "is a link or device"
    elif "\x00" in member:
        fault = "has a NUL in its name"
    elif member.startswith("/") or re.match(r"[A-Za-z]:", member):
        fault = "has an absolute path"
    elif "\\" in member:
        fault = "has a backslash in its name"
    elif ".." in parts:
        fault = "would be unpacked outside of the folder"
    else:
        return
    raise TableError(f"{archive}: its member {member[:200]!a} {fault}, which no checklist needs. Do not unpack this archive unless you trust it.")


def _refuse_crowd(archive: str, count: int, limits: Limits) -> None:
    if count > limits.members:
        raise TableError(f"{archive}: has more than {limits.members:,} members; a checklist has a few dozen. Give the folder or file that holds the checklist.")


def _refuse_twice(archive: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise TableError(f"{archive}: has the member {doubled!a} twice, so it is not clear which one counts. Pack it again.")


def _is_litter(member: str) -> bool:
    """What operating systems put beside the data: __MACOSX, .DS_Store, Thumbs.db and other hidden files."""
    return any(part.startswith((".", "__MACOSX")) or part == "Thumbs.db" for part in member.split("/"))


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


@contextmanager
def _told(what: os.PathLike, kind: str) -> Iterator[None]:
    """Translates the errors of the unpacking libraries."""
    try:
        yield
    except UNPACKING_ERRORS as error:
        raise TableError(f"{what}: is damaged or not {kind} as it should be ({str(error)[:200]}). Download it again.") from error
