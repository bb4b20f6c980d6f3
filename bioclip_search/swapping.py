"""Lets a file or folder that is whole take the place of another, which goes only then.

Where the new folder is written, and what stands in it, is left to `index.replacing` and `checklists`.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to; what stands there afterwards gets its name. Of a failure nothing is left behind.

    Raises:
        OSError: The folder is missing or cannot be written to.
    """
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        with suppress(OSError):  # what cannot be written cannot be cleaned up either; why it cannot is the error to tell
            part.unlink(missing_ok=True)


def swap(fresh: Path, folder: Path, old: Path) -> None:
    """Gives `fresh` the name of `folder`, which is called `old` until it is gone; if that fails, `folder` is as it was.

    Subtle: no system exchanges two folders everywhere, so for a moment neither has the name. Whoever is stopped just
    then finds both, whole. Windows keeps a file of the old one that is still mapped.
    """
    os.replace(folder, old)
    try:
        os.replace(fresh, folder)
    except BaseException:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
