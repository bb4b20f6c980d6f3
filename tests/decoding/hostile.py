"""A folder of files that would hang, crash or starve whoever opens them in good faith."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image

SLOW_SCANS = 60_000
"""Scans of the slow JPEG: it takes more than a minute, and less than a second of limit is wanted to see that it does."""


def make_hostile(folder: Path) -> dict[str, str]:
    """Fills a folder, which must be there, with hostile files; the name of each, and words of the error that it must give.

    `slow.jpg` gives its error only under a time limit of less than a minute. What a system lacks (pipes, links, files that
    may not be read) is left out there.
    """
    for name, data in hostile_bytes().items():
        (folder / name).write_bytes(data)
    (folder / "folder.jpg").mkdir()
    expected = dict(_EXPECTED)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        expected["pipe.jpg"] = "is no file that could hold a picture"
    if os.name != "nt":
        (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
        (folder / "lost.jpg").symlink_to(folder / "nowhere.jpg")
        expected |= {"loop.jpg": "cannot be opened", "lost.jpg": "no such file"}
    if os.name != "nt" and os.geteuid() != 0:  # nothing is closed to root
        (folder / "secret.jpg").write_bytes(good_jpeg())
        (folder / "secret.jpg").chmod(0)
        expected["secret.jpg"] = "permission denied"
    return expected


_EXPECTED = {
    "wide.png": "more than 178,956,970 pixels",
    "large.png": "more than 178,956,970 pixels",
    "text.png": "cannot be decoded: Decompressed data too large",
    "absurd.gif": "more than 178,956,970 pixels",
    "spoilt.tif": "cannot be decoded",
    "empty.jpg": "0 bytes",
    "cut.jpg": "truncated",
    "words.jpg": "no picture of a known kind",
    "zeros.jpg": "no picture of a known kind",
    "slow.jpg": "takes longer than",
    "folder.jpg": "is a folder",
}


def hostile_bytes() -> dict[str, bytes]:
    """The files among them that hold bytes, by their names."""
    return {
        "wide.png": png(65_000, 65_000),
        "large.png": png(15_000, 13_000),
        "text.png": png(8, 8, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 26), 9))),
        "absurd.gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x08\x01\x00\x00;",
        "spoilt.tif": spoilt_tiff(),
        "empty.jpg": b"",
        "cut.jpg": good_jpeg()[:3000],
        "words.jpg": b"This is no picture, whatever its name says.\n",
        "zeros.jpg": bytes(5000),
        "slow.jpg": slow_jpeg(),
    }


def good_jpeg() -> bytes:
    """A sound picture: noise, which does not compress, so that it can be cut."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(3).integers(0, 256, (120, 160, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def spoilt_tiff() -> bytes:
    """A TIFF whose compressed pixels are nonsense."""
    buffer = io.BytesIO()
    PIL.Image.new("L", (64, 64), 7).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    data = buffer.getvalue()
    start = data.index(zlib.compress(bytes([7] * 64))[:2])  # zlib's own two first bytes
    return data[:start] + b"\xff" * 8 + data[start + 8 :]


def png(width: int, height: int, *more: bytes) -> bytes:
    """A PNG that promises so many pixels and holds none, with more chunks after its header."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *more, chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def slow_jpeg(scans: int = SLOW_SCANS, width: int = 4000, height: int = 4000) -> bytes:
    """A progressive JPEG of very many scans without data; each passes over the whole picture (T.81, Annex G).

    Known as a weakness of the format itself: "Two issues with the JPEG standard", libjpeg-turbo, LJT-01-004.
    """
    table = b"\xff\xc4" + struct.pack(">HB", 2 + 1 + 16 + 1, 0x10) + bytes([1] + [0] * 15) + b"\0"  # one code of one bit: end of block
    coarse = b"\xff\xc4" + struct.pack(">HB", 2 + 1 + 16 + 1, 0x00) + bytes([1] + [0] * 15) + b"\0"
    quantisers = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + bytes([1, 0x11, 0])
    scan = lambda first, last: b"\xff\xda" + struct.pack(">HB", 8, 1) + bytes([1, 0x00, first, last, 0])  # noqa: E731
    return b"\xff\xd8" + quantisers + frame + coarse + table + scan(0, 0) + scan(1, 63) * scans + b"\xff\xd9"
