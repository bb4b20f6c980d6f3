"""Folders that appear whole or not at all, and that take the place of another only once they are whole.

What is written into them is left to those who ask.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from bioclip_search.errors import IndexFolderError
from bioclip_search.swapping import swap

ABANDONED_S = 86_400
"""A scratch folder of this age (a day) was left by a program that was killed."""

LOCK_FILE = ".lock"
PATIENCE_S = 60.0
"""How long one program waits for another that changes the same folder."""

RANDOM_LETTERS = 8
"""How many `tempfile` puts behind a name."""


def stop_if_there(out: Path) -> None:
    """Asks for another name where this one is taken.

    Raises:
        IndexFolderError: Something of this name exists.
    """
    if out.exists():
        raise IndexFolderError(f"{out} exists already. Give another name, or delete it first.")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Says in words why a folder cannot be written, whichever library found out.

    Raises:
        IndexFolderError: The disk is full, or the folder may not be written.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise IndexFolderError(f"{folder}: cannot be written ({error}). Make room there, or choose a folder that you may write to.") from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lets one program at a time change a folder; others wait for it a while.

    Subtle: SQLite locks a file on every system, and the system lifts the lock of a program that is killed.

    Raises:
        IndexFolderError: Another program does not finish, or the folder may not be written.
    """
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(closing(sqlite3.connect(folder / LOCK_FILE, timeout=PATIENCE_S, isolation_level=None)))
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            advice = "Another program is changing it; try again later." if "locked" in str(error) else "Choose a folder that you may write to."
            raise IndexFolderError(f"{folder}: cannot be changed ({error}). {advice}") from error
        yield


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A scratch folder beside `out` that takes its name when all went well and vanishes otherwise."""
    stop_if_there(out)
    with writing(out), _scratch(out) as scratch:
        yield scratch
        stop_if_there(out)  # another program may have been quicker
        os.replace(scratch, out)


@contextmanager
def new_contents(folder: Path) -> Iterator[Path]:
    """A scratch folder beside `folder` that takes its place when all went well and vanishes otherwise.

    Whoever is stopped while they change places finds both beside it, whole, the old one as `.NAME-old`.
    """
    folder = folder.resolve()
    old = folder.with_name(f".{folder.name}-old")
    stop_if_there(old)
    with writing(folder), _scratch(folder) as scratch:
        yield scratch
        swap(scratch, folder, old)


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}-unfinished-"
    for abandoned in out.parent.glob(f".*-unfinished-{'?' * RANDOM_LETTERS}"):
        if abandoned.name[:-RANDOM_LETTERS] == prefix and time.time() - abandoned.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(abandoned, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=out.parent))
    try:
        scratch.chmod(0o755)
        yield scratch
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
