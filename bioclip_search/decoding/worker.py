"""The child process: opens one picture, or the next frame of a video, for each message that comes in, until none can come.

Loads Pillow and NumPy but no model. How it is started, timed and ended is left to `child`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import warnings
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO

from bioclip_search.decoding.messages import AT_WORK, LENGTH, receive, send, write
from bioclip_search.decoding.opening import facts_told, read_picture, strips
from bioclip_search.errors import PictureError

if TYPE_CHECKING:
    import PIL.Image

    from bioclip_search.decoding.film import Film

OUT_OF_MEMORY = 3
"""Exit status of a child that found no memory where it could not say so any more."""

QUIET_S = 0.2
"""How long a child that goes through a video says nothing, in seconds; far less than any sensible limit for one frame."""

MOST_LETTERS = 400
"""Longest reason that is told, in letters: what a library says of a hostile file may hold half of that file."""


def main(memory_mb: int | None = None) -> None:
    """Answers messages from the standard input on the standard output; ends when nobody can send any more."""
    out = _own_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act upon; a picture must not fail by it
    warnings.simplefilter("ignore")
    _limit_memory(memory_mb)
    work = Work(out, memory_mb)
    requests: SimpleQueue = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    send(out, {"is_ready": True})
    try:
        while True:
            message, data = requests.get()
            work.answer(message, data)
    finally:
        os._exit(1)  # at once: an orderly end would wait for the thread that listens


def _own_output() -> BinaryIO:
    """The standard output for our messages alone: what a library prints goes to the standard error."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return out


def _limit_memory(memory_mb: int | None) -> None:
    """Where the system can hold a process to it: Linux does, macOS takes no notice, Windows has no such call."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file behind
        if memory_mb is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))


def _listen(stream: BinaryIO, requests: SimpleQueue) -> None:
    """Subtle: a thread of its own sees at once that the parent is gone, also in the midst of a picture that takes an hour."""
    try:
        while True:
            message = receive(stream)
            data = stream.read(message[LENGTH])
            requests.put((message, data))
    finally:
        os._exit(0)


class Work:
    """What the child does for a message; holds the video that it is in the midst of."""

    def __init__(self, out: BinaryIO, memory_mb: int | None):
        self._out, self._memory_mb = out, memory_mb
        self._film: Film | None = None
        self._last_s = 0.0

    def answer(self, message: dict[str, Any], data: bytes) -> None:
        self._last_s = time.monotonic()
        try:
            answer, picture = {"picture": self._open, "film": self._begin, "next": self._go_on}[message["do"]](message, data)
        except Exception as error:
            send(self._out, {"error": _reason(error, self._memory_mb)})
            return
        _send_picture(self._out, answer, picture)

    def _open(self, message: dict[str, Any], data: bytes) -> tuple[dict[str, Any], PIL.Image.Image]:
        read = read_picture(data if message["path"] is None else message["path"], message["enough_px"])
        return {"full_wh": read.decoded.size_wh, "content_hash": read.content_hash, "facts": facts_told(read.facts)}, read.decoded.picture

    def _begin(self, message: dict[str, Any], data: bytes) -> tuple[dict[str, Any], None]:
        from bioclip_search.decoding.film import Film, Wish

        if self._film is not None:
            self._film.close()
        wish = json.loads(data)
        film = self._film = Film(message["path"], Wish(wish["every"], wish["per_s"], frozenset(wish["also"])), self._at_work)
        return {"rate": float(film.rate), "content_hash": film.content_hash, "facts": facts_told(film.facts)}, None

    def _go_on(self, message: dict[str, Any], data: bytes) -> tuple[dict[str, Any], PIL.Image.Image | None]:
        shot = self._film.next()
        return ({"is_over": True}, None) if shot is None else ({"number": shot.number, "offset_s": shot.offset_s}, shot.picture)

    def _at_work(self) -> None:
        """Tells that it goes on, where there has been nothing to tell for a while."""
        if time.monotonic() - self._last_s > QUIET_S:
            self._last_s = time.monotonic()
            send(self._out, {AT_WORK: True})


def _send_picture(out: BinaryIO, answer: dict[str, Any], picture: PIL.Image.Image | None) -> None:
    """Announces the picture and writes its pixels; where memory fails in between, only the end of the process can tell so."""
    if picture is None:
        send(out, answer)
        return
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
    words = str(error) if isinstance(error, PictureError) else f"cannot be decoded: {error or type(error).__name__}"
    return words[:MOST_LETTERS]
