"""The pictures and videos of a folder and all below it, as a stream that holds one folder's names at a time.

Opens none of them: whatever bears the name of a picture is given, and what it is shows when it is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bioclip_search.media import Media, Video
from bioclip_search.sources.paths import is_archive, is_picture, is_video, tellable
from bioclip_search.sources.source import Stream, Tally

LITTER = frozenset({"@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX"})
"""Folders that operating systems and storage boxes leave behind: their small pictures are nobody's."""

MOUNT_POINT = 0xA0000003
"""The reparse tag of a Windows junction (IO_REPARSE_TAG_MOUNT_POINT), which Python 3.11 takes for a plain folder."""

LEAVING = "links that lead out of the folder, passed over; give the folder that they lead to"
CIRCLING = "links that lead in a circle, passed over"
TO_FOLDER = "links to folders, passed over: what lies there is met in its own place"
PACKED = "archives, passed over; give them by themselves, or all by a pattern such as 'photos/*.zip'"


@dataclass(frozen=True, slots=True)
class Found:
    """A file below the root, its path with "/" between the parts; `problem` says why it cannot be gone into."""

    path: str
    is_plain: bool = True
    problem: str | None = None


def folder_stream(root: Path) -> Stream:
    """All pictures and videos, files before folders, by name; hidden ones are passed over.

    Links to files within the root are followed. A folder that cannot be listed is given as one picture with an error.
    """

    def stream(tally: Tally) -> Iterator[Media | Video]:
        for found in walk(root, tally, lambda name: is_picture(name) or is_video(name) or is_archive(name)):
            if found.problem is None and is_archive(found.path):
                tally.add(PACKED, tellable(found.path))
            else:
                yield as_media(root, found)

    return stream


def as_media(root: Path, found: Found) -> Media | Video:
    """The picture or video; what is called a video but is no file, a pipe say, is told as an error, for opening it could wait forever."""
    image, file = tellable(found.path), Path(root, found.path)
    if found.problem is not None:
        return Media(image, error=found.problem)
    if not is_video(found.path):
        return Media(image, file)
    return Video(image, file) if found.is_plain else Media(image, error="is no file but a folder, a pipe or a device")


def walk(root: Path, tally: Tally, wanted: Callable[[str], bool], enter: Callable[[str], bool] = lambda _path: True) -> Iterator[Found]:
    """Whatever bears a wanted name, files before folders, each sorted by name; folders only where `enter` allows their path."""
    true_root = os.path.realpath(root)
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            files, folders = _list_folder(root, below, true_root, tally, wanted)
        except OSError as error:
            yield Found(below.rstrip("/") or ".", problem=f"is a folder that cannot be listed ({error.strerror or error})")
            continue
        for name, is_plain in sorted(files):
            yield Found(below + name, is_plain)
        waiting += [f"{below}{name}/" for name in sorted(folders, reverse=True) if enter(below + name)]


def _list_folder(root: Path, below: str, true_root: str, tally: Tally, wanted: Callable[[str], bool]) -> tuple[list[tuple[str, bool]], list[str]]:
    files: list[tuple[str, bool]] = []
    folders: list[str] = []
    with os.scandir(os.path.join(root, below)) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in LITTER:
                continue
            if entry.is_symlink():
                if _may_follow(entry, true_root, tally, below) and wanted(entry.name):
                    files.append((entry.name, True))
            elif entry.is_dir(follow_symlinks=False):
                if getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == MOUNT_POINT:
                    tally.add(TO_FOLDER, tellable(below + entry.name))
                    continue
                folders.append(entry.name)
                if is_picture(entry.name) and wanted(entry.name):
                    files.append((entry.name, False))
            elif wanted(entry.name):
                files.append((entry.name, entry.is_file(follow_symlinks=False)))
    return files, folders


def _may_follow(link: os.DirEntry[str], true_root: str, tally: Tally, below: str) -> bool:
    """Whether it leads to a file within the root, or to nothing: then opening it tells so."""
    what = None
    if not _is_within(os.path.realpath(link.path), true_root):
        what = LEAVING
    else:
        try:
            what = TO_FOLDER if link.is_dir() else None
            os.stat(link.path)
        except FileNotFoundError:
            pass
        except OSError:
            what = CIRCLING
    if what is not None:
        tally.add(what, tellable(below + link.name))
    return what is None


def _is_within(path: str, root: str) -> bool:
    return os.path.normcase(os.path.join(path, "")).startswith(os.path.normcase(os.path.join(root, "")))
