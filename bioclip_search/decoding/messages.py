"""The messages between this process and the children that decode: a line of JSON, then as many raw bytes as it tells.

No object is ever unpickled: a child that a hostile file has taken over can send words and pixels, no code.
Knows streams of bytes and nothing of pictures.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

LENGTH = "length"
"""The field of the line that tells how many raw bytes follow it."""

AT_WORK = "is_at_work"
"""The field of a line that is no answer yet, but tells that one step of many is done."""

MAX_LINE_BYTES = 1 << 20
"""Longest line that is read, in bytes: what a file can put into it (a camera's name, an error) is far shorter."""


def send(stream: BinaryIO, message: dict[str, Any], data: Any = b"", *, length: int | None = None) -> None:
    """Writes a message and the bytes after it; with `length` somebody else writes so many after it, and flushes.

    Raises:
        OSError: Nobody reads on the other side.
    """
    write(stream, json.dumps(message | {LENGTH: len(data) if length is None else length}).encode("ascii") + b"\n")
    write(stream, data)
    if length is None:
        stream.flush()


def write(stream: BinaryIO, data: Any) -> None:
    """Writes all of it; a pipe may take less at once than it is given."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[stream.write(rest) or 0 :]


def receive(stream: BinaryIO) -> dict[str, Any]:
    """The next message; its raw bytes, `LENGTH` of them, wait in the stream.

    Raises:
        EOFError: The other side is gone.
        ValueError: What came is no message.
    """
    line = stream.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        if len(line) < MAX_LINE_BYTES:
            raise EOFError("the other side is gone")
        raise ValueError("a message is too long")
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get(LENGTH), int) or message[LENGTH] < 0:
        raise ValueError("a message without its length")
    return message


def receive_into(stream: BinaryIO, place: np.ndarray) -> None:
    """Fills the place, (n,) uint8, with the next n bytes of the stream.

    Raises:
        EOFError: It ends before.
    """
    rest = memoryview(place)
    while rest:
        count = stream.readinto(rest)
        if not count:
            raise EOFError("the other side is gone")
        rest = rest[count:]
