"""A picture's pixels, the hash of its bytes and the facts in its EXIF, from one reading of the file; runs in the child.

What a sound picture is, is left to `images`; what its EXIF means, to `exif`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import PIL.Image

from bioclip_search.exif import facts_of
from bioclip_search.images import MAX_FILE_BYTES, Decoded, decode, open_file
from bioclip_search.media import Facts

WHOLE_BYTES = 1 << 26
"""Files up to this size (64 MiB) are read at once; of larger ones no copy is held, so the system reads them twice."""

PIECE_BYTES = 1 << 20
"""How much of a larger file is held while it is hashed."""

STRIP_BYTES = 1 << 17
"""How much of a picture is packed at once: small enough to stay in the processor's cache and in memory that is used again."""


@dataclass(frozen=True, eq=False)
class Read:
    """A decoded picture, SHA-256 of the file's bytes, and what its EXIF tells."""

    decoded: Decoded
    content_hash: str
    facts: Facts


def read_picture(place: str | Path | bytes, enough_px: int | None) -> Read:
    """The picture of a path, or of a file's bytes.

    Raises:
        PictureError: See `images.open_picture`.
    """
    if isinstance(place, bytes):
        return _read(io.BytesIO(place), len(place), hashlib.sha256(place).hexdigest(), enough_px)
    with open_file(place) as (file, size_bytes):
        if size_bytes <= WHOLE_BYTES:
            return read_picture(file.read(), enough_px)
        content_hash = "" if size_bytes > MAX_FILE_BYTES else hash_of(file)
        file.seek(0)
        return _read(file, size_bytes, content_hash, enough_px)


def hash_of(file: BinaryIO, at_work: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of the rest of an open file, in hexadecimal digits, read piece by piece, `at_work` being called after each."""
    digest = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
        at_work()
    return digest.hexdigest()


def strips(picture: PIL.Image.Image) -> Iterator[bytes]:
    """The pixels of an RGB picture, row by row, three bytes each, a few rows at a time."""
    width, height = picture.size
    rows = max(1, STRIP_BYTES // (3 * width))
    for top in range(0, height, rows):
        yield picture.crop((0, top, width, min(top + rows, height))).tobytes()


def facts_told(facts: Facts) -> dict[str, Any]:
    """Facts as JSON can hold them; `facts_heard` undoes it."""
    return asdict(facts) | {"timestamp": facts.timestamp.isoformat() if facts.timestamp else None}


def facts_heard(told: dict[str, Any]) -> Facts:
    """Raises: ValueError, TypeError, KeyError: they are no facts."""
    return Facts(**told | {"timestamp": datetime.fromisoformat(told["timestamp"]) if told["timestamp"] else None})


def _read(file: BinaryIO, size_bytes: int, content_hash: str, enough_px: int | None) -> Read:
    decoded = decode(file, size_bytes, enough_px=enough_px)
    return Read(decoded, content_hash, facts_of(decoded.header))
