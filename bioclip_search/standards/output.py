"""A place to write an export to, where it stands only when it is whole and sound; a file already there stays unless it may go.

What is written, and whether it is sound, is left to the formats.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bioclip_search.errors import ExportError
from bioclip_search.standards.options import ExportOptions
from bioclip_search.swapping import swap, whole_file


@contextmanager
def fresh_file(out: Path, options: ExportOptions) -> Iterator[Path]:
    """A path to write to; what stands there at the end gets the name `out`, unless an error comes up.

    Raises:
        ExportError: There is something at `out` already, or nothing can be written there.
    """
    _refuse_existing(out, options)
    if out.is_dir():
        raise ExportError(f"{out}: is a folder, where one file is to be written. Give the path of a file.")
    with _told(out), whole_file(out) as part:
        yield part


@contextmanager
def fresh_folder(out: Path, mark: str, options: ExportOptions) -> Iterator[Path]:
    """A folder to write to, which gets the name `out` at the end, unless an error comes up.

    Args:
        mark: A file by which an earlier export of this format is known; a folder without it is never replaced.

    Raises:
        ExportError: There is something at `out` already that may not or should not go, or nothing can be written there.
    """
    _refuse_existing(out, options)
    if out.exists() and not (out / mark).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise ExportError(f"{out}: holds something other than an earlier export (no {mark}), so it is not replaced. Give another path.")
    fresh, old = (out.with_name(f".{uuid.uuid4().hex}.{kind}") for kind in ("part", "old"))
    try:
        with _told(out):
            fresh.mkdir()
            yield fresh
            if out.exists():
                swap(fresh, out, old)
            else:
                fresh.rename(out)
    finally:
        with suppress(OSError):
            shutil.rmtree(fresh)


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({error.strerror or error}). Choose a folder that is there, with room and leave to write.") from error


def _refuse_existing(out: Path, options: ExportOptions) -> None:
    if out.name in ("", ".."):  # Subtle: it would be exchanged for another, and who stands in it would stand in one that is gone
        raise ExportError(f"{str(out)!r}: is a folder without a name of its own. Give a new name in it, such as {out / 'export'}.")
    if out.exists() and not options.overwrite and not (out.is_dir() and not any(out.iterdir())):
        raise ExportError(f"{out}: is there already. Give another path, or --overwrite to replace it.")
