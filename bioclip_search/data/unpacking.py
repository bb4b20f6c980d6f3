"""Unpacks archives that strangers made: nothing is written outside the folder, and no more than the disk can hold.

Fetching them is left to `pull`; archives of pictures that are read without unpacking to `sources.archives`.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from bioclip_search.data.space import refuse_full
from bioclip_search.errors import FetchError
from bioclip_search.sources.paths import locate_inside
from bioclip_search.swapping import whole_file

CHUNK_BYTES = 1 << 20

MAX_JSON_BYTES = 1 << 35
"""The labels of Snapshot Serengeti, the largest set of LILA, unpack to a tenth of this (32 GiB)."""

MAX_GROWTH = 200
"""JSON of camera traps packs to a thirtieth at best; what grows by more (times) is a bomb. Not looked at below `SMALL_BYTES`."""

SMALL_BYTES = 1 << 26


def unpacked_json(archive: Path) -> Path:
    """The JSON file of a zip that holds just one, unpacked beside it; a file that is no zip itself.

    Raises:
        FetchError: It is damaged, holds none or several, or would grow beyond what such files do.
    """
    if archive.suffix.lower() != ".zip":
        return archive
    target = archive.with_suffix("") if archive.with_suffix("").suffix.lower() == ".json" else archive.with_suffix(".json")
    try:
        with zipfile.ZipFile(archive) as opened:
            member = _only_json(opened, archive)
            if target.is_file() and target.stat().st_size == member.file_size:
                return target
            _refuse_bomb(member, archive)
            refuse_full(target.parent, member.file_size)
            with whole_file(target) as part, opened.open(member) as source, part.open("wb") as file:
                _copy(source, file, member.file_size, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FetchError(f"{archive}: is no sound zip ({error}). Delete it and pull it again.") from error
    return target


def _only_json(opened: zipfile.ZipFile, archive: Path) -> zipfile.ZipInfo:
    found = [member for member in opened.infolist() if member.filename.lower().endswith(".json") and not member.filename.startswith("__MACOSX")]
    if len(found) != 1:
        raise FetchError(f"{archive}: holds {len(found)} JSON files, where one was expected. Unpack it by hand and give its files.")
    return found[0]


def _refuse_bomb(member: zipfile.ZipInfo, archive: Path) -> None:
    grows = member.file_size > max(SMALL_BYTES, MAX_GROWTH * max(member.compress_size, 1))
    if grows or member.file_size > MAX_JSON_BYTES:
        raise FetchError(f"{archive}: would unpack to {member.file_size:,} bytes from {member.compress_size:,}, which no file of labels does. Delete it.")


def _copy(source: IO[bytes], file: IO[bytes], most_bytes: int, archive: Path) -> None:
    done = 0
    while chunk := source.read(CHUNK_BYTES):
        done += len(chunk)
        if done > most_bytes:
            raise FetchError(f"{archive}: holds more than it says. Delete it and pull it again.")
        file.write(chunk)


def unpack_tar(archive: Path, folder: Path, progress: Callable[[int], None] | None = None) -> int:
    """How many files of a tar are in the folder now, each whole; what is there already, of the same size, is left as it is.

    Links and devices are passed over, for no data set needs them.

    Raises:
        FetchError: It is damaged, leads out of the folder, or the disk is full.
    """
    count = 0
    try:
        with tarfile.open(archive, "r|*") as opened:
            for member in opened:
                if not member.isreg():
                    continue
                target = _inside(member.name, folder, archive)
                if not (target.is_file() and target.stat().st_size == member.size):
                    refuse_full(folder, member.size)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source = opened.extractfile(member)
                    with whole_file(target) as part, part.open("wb") as file:
                        shutil.copyfileobj(source, file, CHUNK_BYTES)
                count += 1
                if progress:
                    progress(count)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise FetchError(f"{archive}: cannot be unpacked ({error}). If it is damaged, delete it and pull it again.") from error
    return count


def _inside(name: str, folder: Path, archive: Path) -> Path:
    try:
        return locate_inside(name, folder)[1]
    except ValueError as error:
        raise FetchError(f"{archive}: {name!r} {error}. Nothing of it is unpacked any more; delete it.") from error
