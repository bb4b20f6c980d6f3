"""Lists the pictures that a user names: files, folders, and what comes through standard input.

Opens no picture; that is left to `images`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from bioclip_search.images import SUFFIXES

STANDARD_INPUT = "-"

_PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF", b"BM")


def list_pictures(places: Iterable[str | Path]) -> Iterator[Path]:
    """The pictures at the places, in the order given; those of a folder, with all below it, in order of path.

    A named file is taken whatever its ending; in a folder only picture endings count. Hidden files and folders are
    passed over, links to folders are not followed. A place that does not exist is yielded as it is: opening it
    gives the error.
    """
    for place in places:
        path = Path(place)
        if path.is_dir():
            yield from _in_folder(path)
        else:
            yield path


def read_standard_input(stream: BinaryIO) -> bytes | list[str]:
    """What came through `-`: the bytes of one picture, or else a list of paths, one per line."""
    data = stream.read()
    if data.startswith(_PICTURE_STARTS):
        return data
    return [line for line in data.decode("utf-8", errors="surrogateescape").splitlines() if line.strip()]


def _in_folder(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)
