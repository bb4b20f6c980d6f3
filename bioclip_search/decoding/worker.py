"""The child process: opens one picture, or the next frame of a video, for each message that comes in, until none can come.

Loads Pillow and NumPy but no model. How it is started, timed and ended is left to `child`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from queue import SimpleQueue
from typing import Any, BinaryIO

import PIL.Image

from bioclip_search.decoding.messages import LENGTH, receive, receive_bytes, send, write
from bioclip_search.decoding.opening import facts_told, read_picture, strips
from bioclip_search.errors import PictureError

OUT_OF_MEMORY = 3
"""Exit status of a child that found no memory where it could not say so any more."""


def main(memory_mb: int | None = None) -> None:
    """Answers messages from the standard input on the standard output; ends when nobody can send any more."""
    out = _own_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act upon; a picture must not fail by it
    warnings.simplefilter("ignore")
    _limit_memory(memory_mb)
    requests: SimpleQueue = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    send(out, {"is_ready": True})
    with contextlib.suppress(BrokenPipeError):
        while True:
            message, data = requests.get()
            _answer(out, message, data, memory_mb)


def _own_output() -> BinaryIO:
    """The standard output for our messages alone: what a library prints goes to the standard error."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return out


def _limit_memory(memory_mb: int | None) -> None:
    """Where the system can hold a process to it: Linux does, macOS takes no notice, Windows has no such call."""
    if memory_mb is None:
        return
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))


def _listen(stream: BinaryIO, requests: SimpleQueue) -> None:
    """Subtle: a thread of its own sees at once that the parent is gone, also in the midst of a picture that takes an hour."""
    try:
        while True:
            message = receive(stream)
            requests.put((message, receive_bytes(stream, message[LENGTH]).tobytes()))
    finally:
        os._exit(0)


def _answer(out: BinaryIO, message: dict[str, Any], data: bytes, memory_mb: int | None) -> None:
    try:
        answer, picture = _do(message, data)
    except Exception as error:
        send(out, {"error": _reason(error, memory_mb)})
        return
    send_picture(out, answer, picture)


def _do(message: dict[str, Any], data: bytes) -> tuple[dict[str, Any], PIL.Image.Image]:
    path = message["path"]
    read = read_picture(data if path is None else path, message["enough_px"])
    return {"full_wh": read.decoded.size_wh, "content_hash": read.content_hash, "facts": facts_told(read.facts)}, read.decoded.picture


def send_picture(out: BinaryIO, answer: dict[str, Any], picture: PIL.Image.Image) -> None:
    """Announces the picture and writes its pixels; where memory fails in between, only the end of the process can tell so."""
    try:
        send(out, answer | {"size_wh": picture.size}, length=3 * picture.width * picture.height)
        for strip in strips(picture):
            write(out, strip)
        out.flush()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _reason(error: Exception, memory_mb: int | None) -> str:
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return f"needs more memory than the {memory_mb} MiB that one picture may take" if memory_mb else "needs more memory than there is"
    return str(error) if isinstance(error, PictureError) else f"cannot be decoded: {error or type(error).__name__}"
