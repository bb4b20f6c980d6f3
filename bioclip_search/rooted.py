"""Keeps what a visitor names below one folder: neither `..` nor a link leads out of it.

Opens nothing; what lies at a place is left to those who open it.
"""

from __future__ import annotations

from pathlib import Path

from bioclip_search.errors import SourceError


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
