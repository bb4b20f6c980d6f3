"""A Spark session for the work of this package: the one that is there, else a new one; and in clear words why there can be none.

What is done in it is left to its neighbours. Nothing of Spark is loaded before a session is asked for.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search import __version__
from bioclip_search.errors import MissingExtraError, SparkError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LEAST_JAVA = 17
"""Spark 4 runs on Java 17 and 21 (spark.apache.org/docs/latest, "Downloading")."""

DEFAULT_MASTER = "local[*]"

TRIES = 4
"""How often a task may fail before the work does: Spark's own number on a cluster (spark.task.maxFailures), where `local` knows but one."""

ANSWER_S = 5.0
"""How long a master may take to accept a connection, in seconds."""

WORKERS_S = 120.0
"""How long a cluster may take to give a first worker, in seconds; Spark itself would wait for ever."""

LOOPBACK = "127.0.0.1"
LOCAL = re.compile(r"local(\[(\*|\d+)\])?$")
STANDALONE = "spark://"

JAVA_MENDS = (
    "Install it (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17; "
    "Windows: winget install EclipseAdoptium.Temurin.17.JRE) and, if it is not found, say where it lies by JAVA_HOME."
)


@contextmanager
def spark_session(master: str | None = None, conf: Mapping[str, str] | None = None) -> Iterator[SparkSession]:
    """A session for as long as the `with` lasts; one that was there before stays open, and is taken as it is.

    Args:
        master: local[2], spark://host:7077, yarn …; None takes the session that is there, what spark-submit says, else `DEFAULT_MASTER`.
        conf: Settings of Spark, such as {"spark.executor.memory": "4g"}.

    Raises:
        SparkError: The session that is there has another master or other settings, there is no Java, or too old a one, the master does not answer, no worker is there in time, or the workers lack this package.
        MissingExtraError: pyspark is not installed.
    """
    there = active_session()
    if there is not None:
        _stop_if_other(there, master, conf or {})
        yield there
        return
    session = open_session(master, conf)
    try:
        yield session
    finally:
        session.stop()


def open_session(master: str | None = None, conf: Mapping[str, str] | None = None) -> SparkSession:
    """The session that is there, else a new one that stays open; arguments and errors as of `spark_session`."""
    there = active_session()
    if there is not None:
        _stop_if_other(there, master, conf or {})
        return there
    is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # under spark-submit, which has started Java and chosen a master
    if not is_submitted:
        master = master or DEFAULT_MASTER
        stop_without_java()
        if master.startswith(STANDALONE):
            stop_without_master(master)
    session = _started(master, _settings(master, conf or {}))
    try:
        if master and master.startswith(STANDALONE):
            stop_without_workers(session)
    except BaseException:
        session.stop()
        raise
    return session


def active_session() -> SparkSession | None:
    """The session of this process, None where there is none.

    Raises:
        MissingExtraError: pyspark is not installed.
    """
    if importlib.util.find_spec("pyspark") is None or importlib.util.find_spec("pandas") is None:
        raise MissingExtraError("Working on Spark", "spark")
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


def cores_of(session: SparkSession) -> int:
    """The tasks that the cluster does at once, as far as it tells; one that grows by itself, and Spark Connect, tell less than they have."""
    try:
        return int(session.sparkContext.defaultParallelism)
    except (AttributeError, NotImplementedError):
        return 2


def stop_without_java() -> None:
    """Makes sure that a Java is there that Spark runs on.

    Raises:
        SparkError: There is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if program is None:
        where = f"none lies in JAVA_HOME ({home})" if home else "no program `java` was found"
        raise SparkError(f"Spark needs Java {LEAST_JAVA} or newer, and {where}. {JAVA_MENDS}")
    try:
        told = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, errors="replace").stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SparkError(f"Spark needs Java {LEAST_JAVA} or newer, and {program} does not start ({error}). {JAVA_MENDS}") from error
    version = java_version(told)
    if version is None or version < LEAST_JAVA:
        found = f"is Java {version}" if version else f"says {told.strip().splitlines()[0] if told.strip() else 'nothing'}"
        raise SparkError(f"Spark needs Java {LEAST_JAVA} or newer; {program} {found}. {JAVA_MENDS}")


def java_version(told: str) -> int | None:
    """The number in what `java -version` says; None where it says none.

    >>> java_version('openjdk version "17.0.15" 2025-04-15'), java_version('java version "1.8.0_401"'), java_version("no")
    (17, 8, None)
    """
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found[1]) if found else None


def stop_without_master(master: str) -> None:
    """Makes sure that a standalone master can be reached: one of several, where several are named.

    Raises:
        SparkError: None accepts a connection.
    """
    reasons = []
    for address in master.removeprefix(STANDALONE).split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), ANSWER_S):
                return
        except (OSError, ValueError) as error:
            reasons.append(f"{address}: {error}")
    raise SparkError(
        f"No Spark master answers at {master} ({'; '.join(reasons)}). Expected spark://HOST:PORT as the master's page or log shows it; is it running?"
    )


def stop_without_workers(session: SparkSession, timeout_s: float = WORKERS_S) -> None:
    """Makes sure that a cluster gives a worker, and that it has this package in this version.

    Raises:
        SparkError: None came in time, or it lacks the package.
    """
    told = _asked_of_a_worker(session, timeout_s)
    if told is None:
        raise SparkError(
            f"The master {session.sparkContext.master} answers, but gave no worker within {timeout_s:.0f} s. Are workers running, with a free core and "
            "as much memory as spark.executor.memory asks for (1g unless told)? The master's page shows them."
        )
    if told["package"] != __version__:
        has = f"has version {told['package']}" if told["package"] else "does not have the package"
        raise SparkError(
            f"The worker {told['host']} {has}, where bioclip-search {__version__} was expected in {told['program']}. Install it there: "
            f"pip install 'bioclip-search[spark]=={__version__}', or say which Python has it by the environment variable PYSPARK_PYTHON."
        )


def _asked_of_a_worker(session: SparkSession, timeout_s: float) -> dict[str, Any] | None:
    """What one worker tells of itself; None where none came in time.

    Subtle: the function must not lie in this package's namespace, or a worker without the package could not even load it.
    """

    def tell(_: Any) -> Iterator[dict[str, Any]]:
        import importlib.util
        import socket
        import sys

        is_there = importlib.util.find_spec("bioclip_search") is not None
        package = __import__("bioclip_search").__version__ if is_there else None
        yield {"host": socket.gethostname(), "program": sys.executable, "package": package}

    context = session.sparkContext
    is_late = threading.Event()

    def cancel() -> None:
        is_late.set()
        context.cancelJobGroup("bioclip-search: a first worker")

    watch = threading.Timer(timeout_s, cancel)
    watch.daemon = True
    context.setJobGroup("bioclip-search: a first worker", "Is a worker there, and does it have the package?", interruptOnCancel=True)
    watch.start()
    try:
        return context.parallelize([0], 1).mapPartitions(tell).collect()[0]
    except Exception as error:
        if is_late.is_set():
            return None
        raise told_as_spark_error(error) from error
    finally:
        watch.cancel()
        context.setLocalProperty("spark.jobGroup.id", None)


def told_as_spark_error(error: Exception) -> SparkError:
    """What Spark raised, in one sentence: our own error where a worker raised one, else the last line that says something."""
    if isinstance(error, SparkError):
        return error
    words = str(error)
    ours = re.findall(r"bioclip_search\.errors\.\w+: (.+)", words)
    if ours:
        return SparkError(f"On a worker: {ours[-1].strip()}")
    missing = re.search(r"No module named '([\w.]+)'", words)
    if missing:
        return SparkError(
            f"The Python of the workers has no module {missing[1]}. Install the package there: pip install 'bioclip-search[spark]=={__version__}', "
            "or say which Python has it by the environment variable PYSPARK_PYTHON."
        )
    lines = [line.strip() for line in words.splitlines() if line.strip() and not line.lstrip().startswith(("at ", "File ", "Traceback", "..."))]
    return SparkError(f"Spark gave up: {(lines[0] if lines else type(error).__name__)[:500]}")


def _stop_if_other(session: SparkSession, master: str | None, conf: Mapping[str, str]) -> None:
    """Raises: SparkError: the session has another master or other settings than were asked for, which it read when it was started."""
    with suppress(AttributeError, NotImplementedError):  # Spark Connect has no context to ask
        its_own = session.sparkContext.master
        if master is not None and its_own not in (master, _master(master)):
            raise SparkError(f"A Spark session on {its_own} is open already, where {master} was asked for. Close it (spark.stop()), or leave the master out.")
    has = {name: session.conf.get(name, None) for name in conf}
    others = [f"{name}={value} (it has {has[name] or 'none of its own'})" for name, value in conf.items() if str(has[name]).lower() != str(value).lower()]
    if others:
        raise SparkError(
            f"A Spark session is open already, and was started without {', '.join(others)}. Settings count only when a session starts: "
            "close it (spark.stop()), set them there, or leave them out."
        )


def _master(master: str) -> str:
    """The master as Spark is told it: tasks that fail on this machine alone are tried again, too.

    >>> _master("local[2]"), _master("local"), _master("spark://here:7077")
    ('local[2,4]', 'local[1,4]', 'spark://here:7077')
    """
    found = LOCAL.match(master)
    return f"local[{found[2] or 1},{TRIES}]" if found else master


def _is_here(master: str | None) -> bool:
    """Whether all of it runs on this machine, so that nothing need be reached from elsewhere."""
    return bool(master) and (master.startswith("local") or bool(re.match(rf"{STANDALONE}(localhost|127\.\d+\.\d+\.\d+):\d+$", master)))


def _settings(master: str | None, conf: Mapping[str, str]) -> dict[str, str]:
    """Of Spark: a quiet log, no web page and no address of the network where all runs on this machine; and over these what was given."""
    here = {"spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK, "spark.ui.enabled": "false"} if _is_here(master) else {}
    return {"spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false"} | here | dict(conf)


def _started(master: str | None, settings: Mapping[str, str]) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("bioclip-search")
    if master:
        builder = builder.master(_master(master))
    for name, value in settings.items():
        builder = builder.config(name, str(value))
    try:
        with _surroundings(master, settings), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of pandas 3, which mapInArrow asks for and never uses
            return builder.getOrCreate()
    except Exception as error:  # py4j and pyspark each raise types of their own
        raise SparkError(
            f"Spark does not start with the master {master} ({str(error).strip().splitlines()[0][:300]}). What it wrote before says more."
        ) from error


@contextmanager
def _surroundings(master: str | None, settings: Mapping[str, str]) -> Iterator[None]:
    """What Java and pyspark read from the environment while they start: the Python of the workers, and on this machine its own address.

    Subtle: pyspark takes the workers' Python from PYSPARK_PYTHON alone, and else `python3`, which need not be the one that runs here.
    """
    wished = {"PYSPARK_PYTHON": settings.get("spark.pyspark.python", sys.executable)}
    if _is_here(master):
        wished["SPARK_LOCAL_IP"] = LOOPBACK
    fresh = {name: value for name, value in wished.items() if name not in os.environ}
    os.environ.update(fresh)
    try:
        yield
    finally:
        for name in fresh:
            os.environ.pop(name, None)
