"""A standalone cluster on this machine: a master and workers as processes of their own, ended by whoever started them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyspark

LOOPBACK = "127.0.0.1"
START_S = 120.0
MASTER, WORKER, EXECUTOR = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker", "CoarseGrainedExecutorBackend"


@dataclass
class Cluster:
    """A master with its workers, one core each.

    Attributes:
        url: What the master is called by.
        workers: The processes, in the order in which they were started.
    """

    folder: Path
    url: str
    master: subprocess.Popen
    workers: list[subprocess.Popen] = field(default_factory=list)

    def add_worker(self, pinned: Sequence[str] = ()) -> subprocess.Popen:
        """One more, of one core; `pinned` is a command that it is started by, such as taskset."""
        number = len(self.workers)
        home = self.folder / f"worker-{number}"
        where = ["--host", LOOPBACK, "--webui-port", "0", "--cores", "1", "--memory", "2g", "--work-dir", str(home), self.url]
        self.workers.append(_start(self.folder / f"worker-{number}.log", [*pinned, *_class(WORKER), *where], self.folder))
        _wait_for(self.folder / f"worker-{number}.log", "Successfully registered with master", self.workers[-1])
        return self.workers[-1]


@contextlib.contextmanager
def standalone(folder: Path, workers: int) -> Iterator[Cluster]:
    """A cluster for as long as the `with` lasts; nothing of it stays."""
    port = _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "master.log"
    master = _start(log, [*_class(MASTER), "--host", LOOPBACK, "--port", str(port), "--webui-port", "0"], folder)
    cluster = Cluster(folder, f"spark://{LOOPBACK}:{port}", master)
    try:
        _wait_for(log, "I have been elected leader", master)
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        for process in (*cluster.workers, master):
            end(process)


def executors_below(pid: int) -> list[psutil.Process]:
    """The executors among the descendants of a process."""
    return [one for one in psutil.Process(pid).children(recursive=True) if _says(one, EXECUTOR)]


def end(process: subprocess.Popen) -> None:
    """Ends it with all its descendants, and waits for that."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.kill()
    process.wait(30)


def _class(name: str) -> list[str]:
    return [str(Path(pyspark.__file__).parent / "bin" / "spark-class"), name]


def _start(log: Path, command: list[str], folder: Path) -> subprocess.Popen:
    told = {"SPARK_LOCAL_IP": LOOPBACK, "PYSPARK_PYTHON": sys.executable, "SPARK_NO_DAEMONIZE": "1", "SPARK_LOCAL_DIRS": str(folder / "scratch")}
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=os.environ | told)


def _wait_for(log: Path, words: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_S
    while words not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{log.name}: no {words!r}: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return one.getsockname()[1]


def _says(process: psutil.Process, words: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(words in word for word in process.cmdline())
    return False
