"""Tags a collection in a process of its own, and tells anybody who asks how far that is: a job is known by the folder of its run alone.

What the process tells of itself is `progress_file`'s, the work is `runs.tagging`'s. Nothing is kept in memory, so a page that is
opened anew, or another program, finds the job again; it goes on when whoever started it ends.

    RUN/job/order.json     what was asked for, so that it can be gone on with
    RUN/job/progress.json  see `progress_file`
    RUN/job/output.log     what the process said
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bioclip_search.errors import RunError
from bioclip_search.progress_file import ENDED, FAILED, STARTING, STOPPED, ask_to_stop, forget_stop, is_asked_to_stop, is_written, read_progress
from bioclip_search.runs.folder import JOB_FOLDER, NOTE_FILE, is_free
from bioclip_search.swapping import whole_file

ORDER_FILE, PROGRESS_FILE, LOG_FILE = "order.json", "progress.json", "output.log"
STOPPING = "stopping"

STARTS_WITHIN_S = 60.0
"""A process that has said nothing for so long after it was started has died; a busy machine takes some seconds to load Python."""

MAX_ORDER_BYTES = 1 << 16
LOG_TAIL_BYTES = 2000

_EXCHANGE = threading.Lock()
"""Held while a job takes the place of the one before, and while the end of one is told: else it would be told of the next."""

OPTIONS = {
    "within": "--within",
    "country": "--country",
    "checklist": "--checklist",
    "threshold": "--threshold",
    "target_accuracy": "--target-accuracy",
    "language": "--language",
    "min_confidence": "--detector-confidence",
    "deployments": "--deployments",
    "workers": "--workers",
}
"""What may be asked besides the collection, the index and the detector, and how `tag` calls it."""


@dataclass(frozen=True)
class Order:
    """What shall be tagged, and how; `options` by the names of `OPTIONS`, None where nothing is asked."""

    source: str
    index: str = "starter"
    detector: str = "starter"
    options: Mapping[str, str | float | int | None] = field(default_factory=dict)

    def arguments(self, out: Path, *, is_resumed: bool) -> list[str]:
        """Those of `bioclip-search`. Subtle: values are joined to their options, so that one that begins with a dash is none."""
        told = [f"{OPTIONS[name]}={value}" for name, value in self.options.items() if value is not None]
        resume = ["--resume"] if is_resumed else []
        progress = f"--progress-file={out / JOB_FOLDER / PROGRESS_FILE}"
        return ["tag", f"--out={out}", *resume, f"--index={self.index}", f"--detector={self.detector}", *told, progress, "--", self.source]


@dataclass(frozen=True)
class Job:
    """How far a run is that was started in the background.

    Attributes:
        state: One of `progress_file`'s, or "stopping".
        done: Pictures gone through, a video as one; those of an earlier start count.
        total: None until they are counted.
        rate_per_s: Pictures a second, of the last minute; None until that can be told.
        message: Why it failed, or what it said last before it died.
        order: None where it is damaged.
    """

    folder: Path
    state: str
    done: int = 0
    total: int | None = None
    rate_per_s: float | None = None
    message: str = ""
    pid: int | None = None
    order: Order | None = None

    @property
    def is_running(self) -> bool:
        return self.state not in ENDED

    @property
    def share(self) -> float:
        """From 0 to 1; 0 until the pictures are counted."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until all pictures are gone through, at the present rate; None where that cannot be told."""
        return (self.total - self.done) / self.rate_per_s if self.is_running and self.total and self.rate_per_s else None


def start(order: Order, out: str | Path, *, is_resumed: bool = False) -> Job:
    """Starts to tag into the folder `out`, or goes on there, and comes back at once.

    Raises:
        RunError: An option is unknown, the folder holds something else or a run already, or it is being written.
    """
    out = Path(out).absolute()
    if unknown := set(order.options) - set(OPTIONS):
        raise RunError(f"There is no option {', '.join(sorted(unknown))}. Expected some of: {', '.join(OPTIONS)}.")
    before = job_of(out)
    if before is not None and before.is_running:
        raise RunError(f"{out}: is being written just now. Wait for it, or stop it.")
    _stop_if_taken(out, is_resumed)
    folder = out / JOB_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        told = json.dumps(asdict(order) | {"options": dict(order.options), "begun": time.time()}, ensure_ascii=False)
        with _EXCHANGE:
            (folder / PROGRESS_FILE).unlink(missing_ok=True)
            forget_stop(folder / PROGRESS_FILE)
            with whole_file(folder / ORDER_FILE) as part:
                part.write_text(told, encoding="utf-8")
        with (folder / LOG_FILE).open("wb") as log:
            process = _started(order.arguments(out, is_resumed=is_resumed), log)
    except OSError as error:
        raise RunError(f"{out}: cannot be the folder of a run ({error.strerror or error}). Choose another place.") from error
    threading.Thread(target=_reaped, args=(process, folder, told), name="background", daemon=True).start()
    return Job(out, STARTING, order=order)


def resume(out: str | Path) -> Job:
    """Goes on with what was started in this folder before, as it was asked for.

    Raises:
        RunError: Nothing was started there in the background, or as `start`.
    """
    order = read_order(Path(out))
    if order is None:
        raise RunError(f"{out}: does not tell what was asked for. Go on with it by: bioclip-search tag SOURCE --out {out} --resume.")
    return start(order, out, is_resumed=(Path(out) / NOTE_FILE).is_file())


def job_of(out: str | Path) -> Job | None:
    """How far it is; None where no run was started in this folder in the background."""
    out = Path(out).absolute()
    path, order = out / JOB_FOLDER / PROGRESS_FILE, read_order(out)
    told = read_progress(path)
    if order is None and told is None:
        return None
    is_alive = is_written(path)
    if not is_alive:
        told = read_progress(path)  # Subtle: it may have ended between the two looks, and its last word counts
    job = Job(out, STARTING, order=order)
    if told is not None:
        job = Job(out, order=order, **{name: told.get(name) for name in ("state", "done", "total", "rate_per_s", "message", "pid")})
    if is_alive or (told is None and _age_s(out) < STARTS_WITHIN_S):
        return _as(job, STOPPING) if is_asked_to_stop(path) else job
    if job.state in ENDED:
        return job
    return _as(job, STOPPED, _last_words(out))


def stop(out: str | Path) -> None:
    """Asks the process that writes this run to stop, and comes back at once; what is done is kept, and `resume` goes on with it.

    It ends within `progress_file.PATIENCE_S`, but for one that hangs in foreign code: that `kill` ends.
    """
    job = job_of(out)
    if job is not None and job.is_running:
        ask_to_stop(Path(out) / JOB_FOLDER / PROGRESS_FILE)


def kill(out: str | Path) -> None:
    """Ends the process that writes this run at once; what is done is kept all the same."""
    job = job_of(out)
    if job is not None and job.pid is not None and is_written(job.folder / JOB_FOLDER / PROGRESS_FILE):
        with suppress(OSError):
            os.kill(job.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def read_order(out: Path) -> Order | None:
    """What was asked for; None where nothing was, or the file is damaged."""
    try:
        with (out / JOB_FOLDER / ORDER_FILE).open("rb") as file:
            told = json.loads(file.read(MAX_ORDER_BYTES))
        options = {name: value for name, value in told["options"].items() if name in OPTIONS and isinstance(value, str | float | int | None)}
        return Order(str(told["source"]), str(told["index"]), str(told["detector"]), options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _stop_if_taken(out: Path, is_resumed: bool) -> None:
    """Refuses here, at once, what `tagging.begin` would refuse later."""
    try:
        if is_free(out):
            return
    except OSError as error:
        raise RunError(f"{out}: cannot be the folder of a run ({error.strerror or error}). Choose another place.") from error
    if not (out / NOTE_FILE).is_file():
        raise RunError(f"{out}: holds other files and no run. Choose an empty or new folder.")
    if not is_resumed:
        raise RunError(f"{out}: holds a run already. Open it, go on with it, or choose another folder.")


def _started(arguments: list[str], log: Any) -> subprocess.Popen[bytes]:
    """The process, in a session of its own: what ends this program, or its terminal, does not end it.

    Subtle: with -P no folder in which somebody starts the app, and no picture's, is looked in for modules.
    """
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    command = [sys.executable, "-P", "-m", "bioclip_search", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **apart)


def _reaped(process: subprocess.Popen[bytes], folder: Path, order: str) -> None:
    """Waits for the end of the process, and tells it where the process itself did not come to say a word.

    Subtle: a process takes a while to end after its last word, and by then the next one may have been started.
    """
    status = process.wait()
    path = folder / PROGRESS_FILE
    with _EXCHANGE, suppress(OSError):
        if (folder / ORDER_FILE).read_text(encoding="utf-8") == order and not is_written(path) and read_progress(path) is None:
            words = _last_words(folder.parent) or f"It ended at once, with exit status {status}."
            with whole_file(path) as part:
                part.write_text(json.dumps({"state": FAILED, "done": 0, "total": None, "rate_per_s": None, "message": words, "pid": None}), encoding="utf-8")


def _as(job: Job, state: str, message: str = "") -> Job:
    return Job(job.folder, state, job.done, job.total, job.rate_per_s, message or job.message, job.pid, job.order)


def _age_s(out: Path) -> float:
    """Seconds since it was started."""
    with suppress(OSError):
        return max(0.0, time.time() - (out / JOB_FOLDER / ORDER_FILE).stat().st_mtime)
    return STARTS_WITHIN_S


def _last_words(out: Path) -> str:
    """The last line that the process said; "" for none."""
    try:
        with (out / JOB_FOLDER / LOG_FILE).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
