"""One child process that decodes: started without `multiprocessing`, asked, timed, and ended by force where it must be.

What it does is left to `worker`, how many there are to `pool`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

import bioclip_search
from bioclip_search.decoding.messages import AT_WORK, LENGTH, receive, receive_into, send
from bioclip_search.errors import PictureError, RunError
from bioclip_search.images import MAX_PIXELS

START_S = 60.0
"""How long a child may take to start, in seconds: it takes a fifth of one, and many times that on a cold network disk."""

TICK_S = 0.1
"""How often it is looked whether a child is late, in seconds."""

PIPE_BYTES = 1 << 20
"""What a pipe may hold where that can be chosen (Linux, F_SETPIPE_SZ): fewer turns between the processes a picture."""

KEPT_BYTES = 1 << 26
"""Pixels up to so many bytes (22 megapixels) are received in memory that is kept for the next picture: fresh memory costs more than the pixels."""

_SURROUNDINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 23),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 27),
    "PILLOW_BLOCKS_MAX": "8",
}
"""One thread a child; and up to 128 MiB are kept for the next picture, which halves the time of a small one (mallopt(3); Pillow, "Block allocator").

Subtle: Pillow takes memory in blocks of nearly 16 MiB, and those must not come from glibc's heap, which a huge picture would leave huge.
"""

_START = "import sys; sys.path[:] = sys.argv[2:]; from bioclip_search.decoding.worker import main; main(int(sys.argv[1]) or None)"
"""Subtle: no `-m`, for the child must find the very modules that this process found, and none in the folder where the user happens to stand."""


class ChildEnded(Exception):
    """The child is gone, by its own fault or because it was late; the message says how it ended."""


class Child:
    """A child process. One thread at a time may ask it; `Watch` may end it at any time.

    Attributes:
        is_late: It was ended because an answer did not come in time.

    Raises:
        RunError: It cannot be started.
    """

    def __init__(self, memory_mb: int | None):
        self.is_late = False
        self._kept = np.empty(0, np.uint8)
        self._deadline: float | None = None
        self._lock = threading.Lock()
        try:
            self._process = subprocess.Popen(_command(memory_mb), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **_apart())
        except OSError as error:
            raise RunError(f"The process that opens pictures does not start ({error}).") from error
        _widen(self._process.stdout)

    def start(self) -> None:
        """Waits until it can be asked.

        Raises:
            RunError: It does not start.
        """
        try:
            self.receive(START_S)
        except ChildEnded as error:
            raise RunError(f"The process that opens pictures does not start ({error}). {_complaint()}") from error

    def send(self, message: dict[str, Any], data: Any = b"", *, timeout_s: float) -> None:
        """Raises: ChildEnded: nobody takes it, or not in time."""
        with self._in_time(timeout_s):
            send(self._process.stdin, message, data)

    def receive(self, timeout_s: float) -> tuple[dict[str, Any], np.ndarray]:
        """The next answer and the bytes after it, (length,) uint8, which hold until the next call.

        Raises:
            PictureError: The answer is that it cannot be opened.
            ChildEnded: None came, or not in time, or what came is no answer.
        """
        message = {AT_WORK: True}
        while AT_WORK in message:
            with self._in_time(timeout_s):
                message = receive(self._process.stdout)
        with self._in_time(timeout_s):
            if message[LENGTH] > 3 * MAX_PIXELS:
                raise ValueError("a picture larger than any that is opened")
            data = self._room(message[LENGTH])
            receive_into(self._process.stdout, data)
        if "error" in message:
            raise PictureError(str(message["error"]))
        return message, data

    def end_if_late(self, now: float) -> None:
        with self._lock:
            if self._deadline is not None and now > self._deadline:
                self.is_late = True
                self._process.kill()

    def end(self) -> str:
        """Ends it by force and waits for that; how it ended, in words. Subtle: what it has open it only reads, so nothing is lost."""
        self._process.kill()
        status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    @property
    def is_there(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def _room(self, length: int) -> np.ndarray:
        if length > KEPT_BYTES:
            return np.empty(length, np.uint8)
        if length > len(self._kept):
            self._kept = np.empty(length, np.uint8)
        return self._kept[:length]

    @contextlib.contextmanager
    def _in_time(self, timeout_s: float):
        with self._lock:
            self._deadline = time.monotonic() + timeout_s
        try:
            yield
        except (EOFError, OSError, ValueError) as error:
            raise ChildEnded(self._last_words()) from error
        finally:
            with self._lock:
                self._deadline = None

    def _last_words(self) -> str:
        """How it ended by itself; Subtle: its pipes close a moment before its status can be asked for."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        return self.end()


class Watch:
    """A thread that ends the children that are late; one for all of them."""

    def __init__(self):
        self._children: set[Child] = set()
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        threading.Thread(target=self._look, name="late pictures", daemon=True).start()

    def over(self, child: Child) -> None:
        with self._lock:
            self._children.add(child)

    def forget(self, child: Child) -> None:
        with self._lock:
            self._children.discard(child)

    def end(self) -> None:
        """Ends the thread and all children that it watches over."""
        self._is_over.set()
        with self._lock:
            children, self._children = self._children, set()
        for child in children:
            child.end()

    def _look(self) -> None:
        while not self._is_over.wait(TICK_S):
            with self._lock:
                children = list(self._children)
            for child in children:
                child.end_if_late(time.monotonic())


def _command(memory_mb: int | None) -> list[str]:
    """`-P` keeps the working folder out of the module path, where downloaded pictures lie, and whatever came with them."""
    if not sys.executable:
        raise RunError("Python does not tell where its program lies (sys.executable is empty), so no process can be started to open pictures.")
    paths, home = [path for path in sys.path if path], str(Path(bioclip_search.__file__).parents[1])
    return [sys.executable, "-P", "-c", _START, str(memory_mb or 0), *([] if home in paths else [home]), *paths]


def _apart() -> dict[str, Any]:
    """No window, and no share in the terminal's Ctrl-C."""
    more: dict[str, Any] = {"env": os.environ | _SURROUNDINGS}
    if os.name == "nt":
        return more | {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return more | {"process_group": 0}


def _widen(pipe: Any) -> None:
    """Linux only, and only as far as the user's share of pipes goes."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _complaint() -> str:
    """What a child that does not start has to say, asked once more."""
    try:
        told = subprocess.run(_command(None), stdin=subprocess.DEVNULL, capture_output=True, timeout=START_S, **_apart())
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = told.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "It says nothing about why; does the machine have memory left?"
