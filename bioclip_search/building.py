"""Builds an index in a process of its own, and tells anybody who asks how far that is; it goes on when whoever started it ends.

What the process tells of itself is `progress_file`'s, the work is `build`'s by way of `bioclip-search index build`. The new index is kept in
the user's own folder of indexes, so its name is enough to find it, and the name is enough to find the work again.

    CACHE/building/NAME/source.csv …    the checklist, gone when the index is there
    CACHE/building/NAME/progress.json   see `progress_file`
    CACHE/building/NAME/output.log      what the process said
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bioclip_search import places
from bioclip_search.errors import IndexFolderError
from bioclip_search.index.card import CARD_FILE
from bioclip_search.progress_file import DONE, ENDED, FAILED, STARTING, STOPPED, ask_to_stop, is_asked_to_stop, is_written, read_progress

PROGRESS_FILE, LOG_FILE, SOURCE_STEM = "progress.json", "output.log", "source"
STOPPING = "stopping"

STARTS_WITHIN_S = 60.0
"""A process that has said nothing for so long after it was started has died."""

LOG_TAIL_BYTES = 4000

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
"""What an index may be called: a folder of that name is fine on every system, and leads out of none."""

SUFFIXES = ("csv", "tsv", "txt", "parquet", "zip")
"""Endings of a checklist that may be sent."""


@dataclass(frozen=True)
class Building:
    """How far an index is.

    Attributes:
        state: One of `progress_file`'s, or "stopping".
        done: Names encoded, of `total`; None until they are counted.
        said: What it said so far, line by line, or why it failed.
    """

    name: str
    state: str
    done: int = 0
    total: int | None = None
    said: tuple[str, ...] = ()

    @property
    def is_running(self) -> bool:
        return self.state not in ENDED

    @property
    def share(self) -> float:
        """From 0 to 1; 0 until the names are counted."""
        return min(1.0, self.done / self.total) if self.total else 0.0


def check_name(name: str) -> str:
    """A name that a new index may have.

    Raises:
        IndexFolderError: It is none, or there is an index of this name.
    """
    name = name.strip()
    if not NAME.fullmatch(name):
        raise IndexFolderError(f"{name!r} cannot be the name of an index. Expected small letters, digits, - and _ such as my-birds, at most 60.")
    shipped = places.shipped("index")
    if any((home / name).exists() for home in (places.user_indexes(), shipped) if home is not None):
        raise IndexFolderError(f"There is an index {name!r} already. Give another name.")
    return name


def start(name: str, source: Path | tuple[str, bytes], encoder: str, *, preprocess: str = "open_clip") -> Building:
    """Starts to build the index `name` and comes back at once.

    Args:
        source: A checklist: a file or folder, or the name and content of a file that was sent.
        encoder: What `index build --encoder` takes; a folder is copied into the index, so that it needs nothing else.

    Raises:
        IndexFolderError: The name will not do, something is being built under it, or the disk is full.
    """
    name = check_name(name)
    before = building(name)
    if before is not None and before.is_running:
        raise IndexFolderError(f"The index {name!r} is being built just now. Wait for it, or stop it.")
    folder = _folder(name)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with (folder / LOG_FILE).open("wb") as log:
            process = _started(_arguments(name, _kept(folder, source), encoder, preprocess), log)
    except OSError as error:
        raise IndexFolderError(f"{folder}: cannot be written ({error.strerror or error}). Make room there.") from error
    threading.Thread(target=process.wait, name="building", daemon=True).start()
    return Building(name, STARTING)


def building(name: str) -> Building | None:
    """How far the index `name` is; None where none of this name was begun here."""
    folder = _folder(name) if NAME.fullmatch(name) else None
    if folder is None or not folder.is_dir():
        return None
    path = folder / PROGRESS_FILE
    is_alive, told = is_written(path), read_progress(path)
    said = _said(folder)
    if told is None:
        is_fresh = is_alive or _age_s(folder) < STARTS_WITHIN_S
        return Building(name, STARTING, said=said) if is_fresh else Building(name, FAILED, said=said or ("It ended at once.",))
    state = told["state"]
    if is_alive:
        state = STOPPING if is_asked_to_stop(path) else state
    elif state not in ENDED:
        state = STOPPED
    if state == FAILED and told["message"]:
        said = (told["message"],)
    if state == DONE and not (places.user_indexes() / name / CARD_FILE).is_file():
        state = FAILED  # its command ended in a way that it did not take for an error
    if state in ENDED:
        _drop_source(folder)
    return Building(name, state, told["done"], told["total"], said)


def under_way() -> list[Building]:
    """What is being built, or ended and was not put away yet, by name."""
    home = _folder("x").parent
    names = sorted(folder.name for folder in home.iterdir() if NAME.fullmatch(folder.name)) if home.is_dir() else []
    return [one for one in map(building, names) if one is not None]


def stop(name: str) -> None:
    """Asks it to stop, and comes back at once. Names that were encoded are kept in the cache, so that a second try is faster."""
    told = building(name)
    if told is not None and told.is_running:
        ask_to_stop(_folder(name) / PROGRESS_FILE)


def put_away(name: str) -> None:
    """Forgets what is told of one that ended; the index itself stays."""
    told = building(name)
    if told is not None and not told.is_running:
        shutil.rmtree(_folder(name), ignore_errors=True)


def _folder(name: str) -> Path:
    return places.user_cache() / "building" / name


def _arguments(name: str, source: Path, encoder: str, preprocess: str) -> list[str]:
    include = ["--include-encoder"] if Path(encoder).is_dir() else []
    progress = f"--progress-file={_folder(name) / PROGRESS_FILE}"
    return ["index", "build", f"--out={name}", f"--encoder={encoder}", f"--preprocess={preprocess}", *include, progress, "--", str(source)]


def _kept(folder: Path, source: Path | tuple[str, bytes]) -> Path:
    """Where the checklist lies; one that was sent is kept under a name of our own."""
    if isinstance(source, Path):
        return source
    name, content = source
    ending = PurePosixPath(name.replace("\\", "/")).suffix.lower()[1:]
    path = folder / f"{SOURCE_STEM}.{ending if ending in SUFFIXES else 'txt'}"
    path.write_bytes(content)
    return path


def _drop_source(folder: Path) -> None:
    for path in folder.glob(f"{SOURCE_STEM}.*"):
        with suppress(OSError):
            path.unlink()


def _started(arguments: list[str], log: Any) -> subprocess.Popen[bytes]:
    """The process, in a session of its own: what ends this program does not end it.

    Subtle: with -P no folder in which somebody starts the app is looked in for modules.
    """
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    command = [sys.executable, "-P", "-m", "bioclip_search", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **apart)


def _said(folder: Path) -> tuple[str, ...]:
    """The last lines that the process said, without where its files lie."""
    try:
        with (folder / LOG_FILE).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ()
    return tuple(line.strip().replace(str(folder) + os.sep, "") for line in lines if line.strip())


def _age_s(folder: Path) -> float:
    """Seconds since it was started."""
    with suppress(OSError):
        return max(0.0, time.time() - (folder / LOG_FILE).stat().st_mtime)
    return STARTS_WITHIN_S
