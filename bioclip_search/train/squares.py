"""The squares that the pictures of a training are decoded to, in one file that batches are read from, so that memory does not grow with their number.

Decoding is left to `pictures`, changing squares at random to `augment`. The file is made once, goes on where it was stopped, and goes when
the training is done.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.errors import RunError
from bioclip_search.train.pictures import LabelledPicture, decode_pictures, fingerprint_of

CHUNK = 256
"""Pictures that are decoded and written together: what a kill loses at most. 50 MB of squares of 256 px."""

COLOURS = 3

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class SquareFile:
    """n squares of px by px RGB bytes, one after the other. Reads as an array of shape (n, px, px, 3) uint8 does, by an array of rows."""

    path: Path
    n: int
    px: int

    @property
    def bytes_each(self) -> int:
        return self.px * self.px * COLOURS

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """(k, px, px, 3) uint8, the squares of these rows, in this order.

        Raises:
            RunError: The file is gone or cut off.
        """
        squares = np.empty((len(rows), self.px, self.px, COLOURS), np.uint8)  # (k, px, px, 3)
        try:
            with self.path.open("rb", buffering=0) as file:
                for square, row in zip(squares, rows.tolist(), strict=True):
                    file.seek(row * self.bytes_each)
                    if file.readinto(square.data) != self.bytes_each:
                        raise OSError(errno.EIO, f"ends before picture {row + 1:,}")
        except OSError as error:
            raise RunError(f"{self.path}: cannot be read ({error.strerror or error}). Delete it, and go on with --resume.") from error
        return squares

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def squares_at(folder: Path, pictures: Sequence[LabelledPicture], px: int) -> SquareFile:
    """Where the squares of these pictures are, or will be once they are decoded."""
    return SquareFile(folder / f"squares-{fingerprint_of(pictures)}-{px}.bin", len(pictures), px)


def decode_into(file: SquareFile, pictures: Sequence[LabelledPicture], threads: int, tell: Tell | None = None, *, chunk: int = CHUNK) -> None:
    """Writes the squares unless they are there already; those of other pictures go. What was written before a stop is not decoded again.

    Args:
        tell: Called after each chunk with decoded of n, the file and its bytes, images_per_s and left_s.

    Raises:
        RunError: The disk has no room, or the file cannot be written.
        PictureError: A picture cannot be decoded.
    """
    if file.path.is_file() and file.path.stat().st_size == file.n * file.bytes_each:
        return
    part = file.path.with_suffix(".part")
    for other in file.path.parent.glob("squares-*"):
        if other != part:
            other.unlink(missing_ok=True)
    try:
        _append(file, part, pictures, threads, tell, chunk)
        part.replace(file.path)
    except OSError as error:
        raise RunError(f"{part}: cannot be written ({error.strerror or error}). Make room, then go on with --resume.") from error


def _append(file: SquareFile, part: Path, pictures: Sequence[LabelledPicture], threads: int, tell: Tell | None, chunk: int) -> None:
    with part.open("ab") as out:
        done = first = out.tell() // file.bytes_each
        out.truncate(done * file.bytes_each)
        _stop_if_full(file, done)
        began = time.monotonic()
        while done < file.n:
            squares = decode_pictures(pictures[done : done + chunk], file.px, threads)
            out.write(squares.data)
            out.flush()
            done += len(squares)
            if tell:
                speed = (done - first) / max(time.monotonic() - began, 1e-9)
                told = {"decoded": done, "n": file.n, "file": str(file.path), "bytes": file.n * file.bytes_each}
                tell(told | {"images_per_s": round(speed, 1), "left_s": round((file.n - done) / speed)})
        os.fsync(out.fileno())  # Subtle: the size alone tells that it is whole, which a power cut could leave with zeros in it


def _stop_if_full(file: SquareFile, done: int) -> None:
    """Raises: RunError: the squares that are left do not fit on the disk."""
    needed, free = (file.n - done) * file.bytes_each, shutil.disk_usage(file.path.parent).free
    if needed > free:
        raise RunError(
            f"{file.path.parent}: the {file.n:,} pictures take {needed / 1e9:.1f} GB while they are learned from, and {free / 1e9:.1f} GB are free. "
            "Make room, give another --out, or have fewer pictures or a smaller store_px."
        )
