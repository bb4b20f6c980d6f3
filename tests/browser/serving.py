"""The app's own command, run as a process on a free port with a home of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bioclip_search import places

PATIENCE_S = 90
"""How long the server may take to answer; on a busy machine Streamlit alone takes ten."""


@dataclass(frozen=True)
class Served:
    """A running app: its address, the folder that it may look into, what it prints, and its process."""

    url: str
    root: Path
    log: Path
    pid: int


@contextmanager
def serving(home: Path, root: Path, log: Path) -> Iterator[Served]:
    """The app over this home and root, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "bioclip_search", "app", "--port", str(port), "--root", str(root)]
    environment = os.environ | {places.HOME_VARIABLE: str(home), "STREAMLIT_SERVER_HEADLESS": "true", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield Served(f"http://127.0.0.1:{port}", root, log, process.pid)
        finally:
            _stop(process)


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"The app did not start:\n{log.read_text(errors='replace')}")


def _stop(process: subprocess.Popen) -> None:
    """Ends the command and the server that it started."""
    import psutil

    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
    for member in reversed(family):
        with suppress(psutil.NoSuchProcess):  # it went with another
            member.terminate()
    _, left = psutil.wait_procs(family[1:], timeout=10)
    for member in left:
        member.kill()
    process.wait(timeout=PATIENCE_S)
