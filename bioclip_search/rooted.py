"""Keeps what a visitor names below one folder: neither `..` nor a link leads out of it.

Opens nothing; what lies at a place is left to those who open it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bioclip_search.errors import SourceError

MOST_FOLDERS = 1000
"""Folders told of one folder: more than anybody looks through."""

MOST_DEPTH, MOST_LOOKED_INTO = 4, 2000
"""How deep, and into how many folders, is looked for something: a second at most on a slow disk."""


def below(root: Path, asked: str) -> Path:
    """The real path of a folder or file that was asked for, absolute or from the root; the root itself for nothing.

    Raises:
        SourceError: It lies outside of the root, is not there, or is no path. What is outside is never said to be there or not.
    """
    root = root.resolve()
    try:
        place = (root / asked.strip()).resolve()
        is_there = place.is_relative_to(root) and place.exists()
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(f"{asked!r} is no path: {error}. Give a folder below {root}.") from error
    if not place.is_relative_to(root):
        raise SourceError(f"{asked} is not below {root}, the only folder that this server opens. Start it with `bioclip-search app --root FOLDER` for another.")
    if not is_there:
        raise SourceError(f"{asked} is not there. Give a folder below {root}.")
    return place


def new_below(root: Path, asked: str) -> Path:
    """The real path of a folder that may have yet to be made, absolute or from the root, never the root itself.

    Raises:
        SourceError: It would lie outside of the root, is the root, or is no path.
    """
    root = root.resolve()
    try:
        place = (root / asked.strip()).resolve()
        is_below = place.is_relative_to(root) and place != root
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(f"{asked!r} is no path: {error}. Give a new folder below {root}.") from error
    if not is_below:
        raise SourceError(f"{asked or 'Nothing'} is no folder below {root}, the only one that this server writes to. Give a name such as runs/summer.")
    return place


def folders_below(place: Path) -> list[str]:
    """The names of the folders in a folder, sorted, without hidden ones and links; at most `MOST_FOLDERS`. None at all where it cannot be listed."""
    names = sorted(_folders(place))
    return names[:MOST_FOLDERS]


def found_below(root: Path, mark: str) -> list[str]:
    """The folders below the root that hold a file of that name, as paths from the root with "/" between the parts, the nearest first.

    Looks `MOST_DEPTH` deep and into `MOST_LOOKED_INTO` folders, so that it takes no time on a disk full of pictures; into what was
    found it looks no further.
    """
    found: list[str] = []
    waiting = deque([("", 0)])
    for _ in range(MOST_LOOKED_INTO):
        if not waiting:
            break
        below, depth = waiting.popleft()
        if below and (root / below / mark).is_file():
            found.append(below)
        elif depth < MOST_DEPTH:
            waiting.extend((f"{below}/{name}".lstrip("/"), depth + 1) for name in folders_below(root / below))
    return found


def _folders(place: Path) -> Iterator[str]:
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and not entry.is_symlink() and entry.is_dir(follow_symlinks=False):
                yield entry.name
