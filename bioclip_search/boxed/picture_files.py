"""Puts the pictures of a set into a folder as files that trainers read: linked where they lie on the same disk, else as their bytes.

Where boxes are written is left to the writers beside this room.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image

from bioclip_search.boxed.boxed_set import BoxedSet
from bioclip_search.errors import PictureError
from bioclip_search.images import FORMATS, ORIENTATION, open_picture, without_warnings

SUFFIX_OF = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "BMP": ".bmp", "WEBP": ".webp", "TIFF": ".tif"}
"""Formats that OpenCV, and so nearly every trainer, reads; a picture in another is written as PNG, without loss."""

TURNED_BY_READERS = frozenset({"JPEG", "MPO"})
"""Formats whose EXIF rotation readers heed. Pictures of others that lie on their side are written upright."""

JPEG_END = b"\xff\xd9"

MOST_LETTERS = 80
"""Longest part of a file's name that is kept, in letters: Windows allows 255 for a whole path."""


def put_picture(picture: bytes | Path, folder: Path, stem: str) -> Path:
    """The file that now holds the picture, in the folder, under a name that begins with `stem`.

    Subtle: ultralytics writes a JPEG that does not end as it should anew, in place (`data/utils.py`, `verify_image`). So such a
    file is copied, never linked: the original is nobody's to change.

    Raises:
        PictureError: It cannot be read.
    """
    data, kind = _start(picture)
    suffix = SUFFIX_OF.get(kind)
    if suffix is None:
        out = folder / f"{stem}.png"
        open_picture(picture).save(out)
        return out
    out = folder / f"{stem}{suffix}"
    if isinstance(picture, bytes):
        out.write_bytes(data)
    elif kind in TURNED_BY_READERS and not _ends_well(picture):
        shutil.copyfile(picture, out)
    else:
        _link(picture, out)
    return out


def safe_stem(name: str) -> str:
    """The name as part of a file's name on any system.

    >>> safe_stem("set one/Ünten/a b.JPG")
    'set_one-Ünten-a_b'
    """
    return _safe(os.path.splitext(name)[0])


def with_safe_parts(sets: Sequence[BoxedSet]) -> list[BoxedSet]:
    """The sets with parts whose names can be names of files, for a stranger's file may call a part ../x."""
    return [replace(boxed, parts=np.array([_safe(str(part)) for part in boxed.parts], object)) for boxed in sets]


def _safe(words: str) -> str:
    return re.sub(r"[^\w.-]+", "_", words.replace("/", "-").replace("\\", "-")).strip("._-")[-MOST_LETTERS:] or "picture"


def _start(picture: bytes | Path) -> tuple[bytes, str]:
    """Its bytes where they are in memory, and its format; "" for one that must be written anew."""
    try:
        with without_warnings(), PIL.Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=FORMATS) as opened:
            kind = opened.format or ""
            is_turned = kind not in TURNED_BY_READERS and opened.getexif().get(ORIENTATION, 1) != 1
    except Exception as error:  # Subtle: a damaged file makes Pillow's readers raise nearly anything.
        raise PictureError(f"cannot be read ({error or type(error).__name__})") from error
    return picture if isinstance(picture, bytes) else b"", "" if is_turned else kind


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-len(JPEG_END), os.SEEK_END)
        return file.read() == JPEG_END


def _link(path: Path, out: Path) -> None:
    try:
        os.link(path.resolve(), out)
    except OSError:  # another disk, or a system without links
        shutil.copyfile(path, out)
