"""What a file is by its ending, and where a path that a table or package tells leads to.

Touches no file but to learn whether a backslash is part of a name; walking through folders is left to `folders`.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from bioclip_search.images import SUFFIXES

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".wmv", ".asf", ".mts", ".m2ts", ".webm", ".3gp", ".flv"})
"""Endings, in lower case, by which a folder's videos are known."""

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_ODD_BYTE = re.compile(r"\\u(dc[89a-f][0-9a-f])")
_DRIVE = re.compile(r"[A-Za-z]:")


def is_picture(name: str) -> bool:
    return _ending(name) in SUFFIXES


def is_video(name: str) -> bool:
    return _ending(name) in VIDEO_SUFFIXES


def is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def tellable(name: str) -> str:
    r"""The name as text that every format can hold; of one that is not UTF-8 the odd bytes are written out.

    >>> tellable("caf\udce9.jpg")
    'caf\\udce9.jpg'
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def untold(name: str) -> str:
    r"""The name of the file that `tellable` wrote so, for the operating system.

    >>> untold(r"caf\udce9.jpg") == "caf\udce9.jpg"
    True
    """
    return _ODD_BYTE.sub(lambda match: chr(int(match[1], 16)), name)


def mended(text: str) -> str:
    r"""The text, or, where its bytes were no UTF-8, the same in Windows' western code page, in which Excel writes its tables.

    >>> mended("Pr\udce9"), mended("Pré")
    ('Pré', 'Pré')
    """
    if tellable(text) == text:
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("cp1252", "backslashreplace")
    except UnicodeEncodeError:
        return tellable(text)


def is_address(path: str) -> bool:
    """Whether it leads over a network: https://…, gs://…, s3://…"""
    return bool(_ADDRESS.match(path)) and not path.lower().startswith("file:")


def locate(path: str, root: Path) -> tuple[str, Path]:
    """What results call the file, and where it lies: a path below the root, relative to it, else as it was given.

    Backslashes part folders, and bytes that are no UTF-8 are Windows' letters, unless a file of just that name is there.

    Raises:
        ValueError: It is no path; the message ends a sentence that begins with its name.
    """
    path = _plain(path, root)
    if os.path.isabs(path):
        below = _below(Path(path), root)
        return (tellable(below), Path(root, below)) if below else (tellable(Path(path).as_posix()), Path(path))
    path = posixpath.normpath(path)
    return tellable(path), Path(root, path)


def locate_inside(path: str, root: Path) -> tuple[str, Path]:
    """As `locate`, for what strangers wrote: nothing outside the root is ever opened, be it by `..`, by a drive or by a link.

    Raises:
        ValueError: It leads out of the root, or is no path.
    """
    path = posixpath.normpath(_plain(path, root))
    if path.startswith(("/", "\\", "../")) or path in ("..", ".") or os.path.isabs(path) or _DRIVE.match(path):
        raise ValueError("leads out of the package, where a path below it was expected")
    file = Path(root, path)
    if _below(Path(os.path.realpath(file)), Path(os.path.realpath(root))) is None:
        raise ValueError("is a link that leads out of the package")
    return tellable(path), file


def _plain(path: str, root: Path) -> str:
    path = path.strip()
    if path.lower().startswith("file:"):
        path = unquote(urlsplit(path).path)
    if not path or "\0" in path:
        raise ValueError("is no path of a file")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise ValueError("is no path of a file") from error
    if tellable(path) != path and not os.path.exists(os.path.join(root, path)):
        path = mended(path)
    if "\\" in path and not os.path.exists(os.path.join(root, path)):
        path = path.replace("\\", "/")
    return path


def _below(path: Path, root: Path) -> str | None:
    try:
        return PurePath(os.path.normpath(path)).relative_to(os.path.normpath(os.path.abspath(root))).as_posix()
    except ValueError:
        return None
