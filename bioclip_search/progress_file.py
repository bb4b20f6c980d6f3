"""How far a long work is, kept in a small file that other programs may read at any time; and their wish to stop it.

Starting such a work in a process of its own, and what a person is told of it, is left to `background`.

    progress.json         {"state": …, "done": n, "total": n or null, "rate_per_s": …, "message": …, "pid": …}, always whole
    progress.json.lock    held by the process as long as it lives, however it ends
    progress.json.stop    made by whoever wants it to stop
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from bioclip_search.errors import BioclipSearchError, RunError
from bioclip_search.swapping import whole_file

STARTING, LISTING, TAGGING, CLOSING = WORKING = ("starting", "listing", "tagging", "closing")
DONE, FAILED, STOPPED = ENDED = ("done", "failed", "stopped")

TICK_S = 0.25
"""How often the file is brought up to date, and a wish to stop is looked for: often enough for an eye, seldom enough for a disk."""

WINDOW_S = 60.0
"""The rate is that of the last minute: what was done before a stop is gone through in no time, and would spoil it."""

PATIENCE_S = 30.0
"""So long may the work take to end when it was asked to; then the process ends itself. The longest step is one batch of the encoder."""

EXIT_INTERRUPTED = 130
MAX_FILE_BYTES = 1 << 16


class Telling:
    """Keeps the file while the work goes on; a context manager, to be entered in the main thread.

    Call it with (done, total) as often as you like. An error that passes through is told as what failed.
    """

    def __init__(self, path: Path):
        self.path, self._state, self._done, self._total, self._message = path, STARTING, 0, None, ""
        self._seen: deque[tuple[float, int]] = deque()
        self._over = threading.Event()

    def __enter__(self) -> Telling:
        """Raises: RunError: another process tells of itself in this file."""
        self._lock = _locked(self.path)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Subtle: a process started in the background may have been told to ignore it
        self._write()
        self._ticker = threading.Thread(target=self._tick, name="progress file", daemon=True)
        self._ticker.start()
        return self

    def __call__(self, done: int, total: int | None) -> None:
        self._done, self._total = done, total
        self._state = LISTING if total is None else CLOSING if done >= total else TAGGING

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._ticker.join()
        self._state = DONE if error is None else STOPPED if isinstance(error, KeyboardInterrupt) else FAILED
        self._message = _in_words(error)
        self._write()
        forget_stop(self.path)
        self._lock.close()

    def _tick(self) -> None:
        while not self._over.wait(TICK_S):
            self._write()
            if _beside(self.path, "stop").exists():
                self._end()

    def _end(self) -> None:
        """Interrupts the main thread; if that takes too long, ends the process: whatever writes a run is safe against that."""
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        else:
            import _thread

            _thread.interrupt_main()
        if not self._over.wait(PATIENCE_S):
            self._state = STOPPED
            self._write()
            forget_stop(self.path)
            os._exit(EXIT_INTERRUPTED)

    def _write(self) -> None:
        now = time.monotonic()
        if self._state in (LISTING, TAGGING):
            self._seen.append((now, self._done))
        while len(self._seen) > 1 and now - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()
        told = {"state": self._state, "done": self._done, "total": self._total, "rate_per_s": self._rate(), "message": self._message, "pid": os.getpid()}
        with suppress(OSError), whole_file(self.path) as part:  # a full disk, or on Windows somebody reading: the next one will do
            part.write_text(json.dumps(told), encoding="utf-8")

    def _rate(self) -> float | None:
        if len(self._seen) < 2:
            return None
        (first, before), (last, done) = self._seen[0], self._seen[-1]
        return (done - before) / (last - first) if last > first else None


@contextmanager
def told_in(path: Path | None) -> Iterator[Telling | None]:
    """A `Telling` for the path; nothing where there is none."""
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with Telling(path) as telling:
        yield telling


def read_progress(path: Path) -> dict[str, Any] | None:
    """What the file tells; None where there is none, or it is no such file."""
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(MAX_FILE_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and _is_sound(told) else None


def is_written(path: Path) -> bool:
    """Whether the process that tells of itself in the file is alive."""
    lock = _beside(path, "lock")
    if not lock.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{lock.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as base:
            base.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except sqlite3.DatabaseError:
        return False
    return False


def ask_to_stop(path: Path) -> None:
    """Asks the process that tells of itself in the file to stop; it does so within `PATIENCE_S`."""
    _beside(path, "stop").touch()


def is_asked_to_stop(path: Path) -> bool:
    return _beside(path, "stop").exists()


def forget_stop(path: Path) -> None:
    """Takes the wish back; whoever was asked does so when it has stopped."""
    _beside(path, "stop").unlink(missing_ok=True)


def _locked(path: Path) -> sqlite3.Connection:
    """A lock that the system takes back however this process ends.

    Subtle: SQLite knows how to lock a file on every system; nothing is ever written into this one.
    """
    base = sqlite3.connect(_beside(path, "lock"), timeout=0, isolation_level=None, check_same_thread=False)
    try:
        base.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        base.close()
        raise RunError(f"{path}: another process tells there how far it is ({error}). Wait for it, or name another file.") from error
    return base


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}.{what}")


def _in_words(error: BaseException | None) -> str:
    if error is None or isinstance(error, KeyboardInterrupt):
        return ""
    return str(error) if isinstance(error, BioclipSearchError) else f"{type(error).__name__}: {error}"


def _is_sound(told: Mapping[str, Any]) -> bool:
    numbers = told.get("done"), told.get("total") or 0, told.get("rate_per_s") or 0
    return (
        told.get("state") in (*WORKING, *ENDED) and all(isinstance(one, int | float) and one >= 0 for one in numbers) and isinstance(told.get("message"), str)
    )
