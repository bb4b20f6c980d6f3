"""Takes in the checklists and rules that somebody sent by the browser, within limits, and leaves nothing of them on disk.

Gives names and geofences; what their formats are is left to `listed` and `geography.geofence`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from bioclip_search.errors import TableError
from bioclip_search.geography.geofence import Geofence
from bioclip_search.listed import listed_names

MAX_SENT_BYTES = 20 << 20
"""Largest list or set of rules taken, in bytes (20 MiB): SpeciesNet's geofence has 6."""

MAX_NAMES = 50_000
"""Names of a checklist that are looked up while somebody waits: ten seconds' work; all birds of the world are 11,000."""

MAX_LINES = 500_000
"""Lines of a text that are read at all; a list of names that long is a whole taxonomy, not the list of a place."""

LIST_SUFFIXES = ("txt", "csv", "tsv", "parquet", "zip")
"""Endings of what a checklist may come as."""

Read = TypeVar("Read")


def sent_names(name: str, content: bytes) -> tuple[list[str], tuple[str, ...]]:
    """The names of a checklist that was sent, each once, and what else to tell; see `listed.listed_names`.

    Raises:
        TableError: It is too large or too long, cannot be read, or holds no name.
    """
    lines = content.count(b"\n")
    if lines > MAX_LINES:
        raise TableError(
            f"The checklist has {lines:,} lines; here up to {MAX_NAMES:,} names are taken. Give the list of a place or a group, or use the command line."
        )
    names, notes = _read(name, content, listed_names)
    if len(names) > MAX_NAMES:
        raise TableError(
            f"The checklist holds {len(names):,} names; here up to {MAX_NAMES:,} are taken. Give the list of a place or a group, or use the command line."
        )
    return names, notes


def sent_geofence(name: str, content: bytes) -> Geofence:
    """The rules of a file that was sent.

    Raises:
        TableError: It is too large, or holds no rules.
    """
    return _read(name, content, Geofence.read)


def _read(name: str, content: bytes, read: Callable[[Path], Read]) -> Read:
    """What a reader of files makes of it. The file has a name of our own and is gone right after; errors speak of the name that its owner knows."""
    if len(content) > MAX_SENT_BYTES:
        raise TableError(
            f"The file has {len(content) / (1 << 20):.0f} MiB; up to {MAX_SENT_BYTES >> 20} are taken. Leave out what is not needed, or use the command line."
        )
    told = PurePosixPath(name.replace("\\", "/")).name
    ending = PurePosixPath(told).suffix.lower()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "sent" + (ending if ending[1:].isalnum() and ending.isascii() and len(ending) <= 8 else ".txt"))
        path.write_bytes(content)
        try:
            return read(path)
        except TableError as error:
            raise TableError(str(error).replace(str(path), told).replace(path.name, told)) from None
