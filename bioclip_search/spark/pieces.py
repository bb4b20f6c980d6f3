"""Pieces of work over the cluster: a piece a task, its result a file in a folder that all share, taken in the order of the pieces.

A task that is tried again, or twice at once, writes the same file under the same name, whole or not at all; so nothing is lost when
an executor dies, and nothing is there twice. What a piece is, and what its file holds, is left to whoever brings the work.
"""

from __future__ import annotations

import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search.errors import SparkError
from bioclip_search.spark.session import told_as_spark_error
from bioclip_search.swapping import whole_file

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOOK_S = 0.2
"""How often it is looked for finished pieces, in seconds."""

SEEN_AFTER_S = 90.0
"""How long a file that a worker wrote may stay unseen here, in seconds: NFS clients, as those of EFS and Filestore, keep in mind for up to a
minute that a name was not there (nfs(5), acdirmax)."""

Work = Callable[[int, Path], None]
"""Does the piece of that number and writes its result to that path."""


def piece_path(folder: Path, number: int) -> Path:
    """The file of a piece."""
    return folder / f"piece-{number:07}.parquet"


def done_in_order(spark: SparkSession, work: Work, count: int, folder: Path, first: int = 0) -> Iterator[Path]:
    """The files of the pieces from `first` up to `count`, in the order of their numbers, each as soon as it and all before it are there.

    Pieces whose file is there already are not done again. Whoever got a file may remove it.

    Args:
        work: Sent to the workers by pickle; what it is made of must be there, too.
        folder: On storage that this machine and all workers share under one name.

    Raises:
        SparkError: Spark gave up, or a worker says why the work cannot be done. Files of finished pieces stay.
    """
    missing = [number for number in range(first, count) if not piece_path(folder, number).exists()]
    job = _Job(spark, work, missing, folder)
    with job:
        for number in range(first, count):
            path = piece_path(folder, number)
            _wait_for(path, job)
            yield path


def _wait_for(path: Path, job: _Job) -> None:
    """Raises: SparkError: the job failed, or is over and the file does not come to be seen."""
    over_at = None
    while not path.exists():
        if job.failure:
            raise job.failure
        if job.is_over:
            over_at = over_at or time.monotonic()
            if time.monotonic() - over_at > SEEN_AFTER_S:
                raise SparkError(
                    f"{path}: the task that writes it ended, and it is not there. Does {path.parent} lie on storage that all workers share under that name?"
                )
        time.sleep(LOOK_S)


class _Job:
    """Spark's job over some pieces, in a thread of its own; whoever leaves early cancels it.

    Attributes:
        failure: Why it ended before its time.
    """

    def __init__(self, spark: SparkSession, work: Work, numbers: list[int], folder: Path):
        self._spark, self._work, self._numbers, self._folder = spark, work, numbers, folder
        self._tag = f"bioclip-search-{uuid.uuid4().hex}"
        self.failure: SparkError | None = None
        self._thread = threading.Thread(target=self._run, name="Spark's job", daemon=True)

    def __enter__(self) -> _Job:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.is_over:
            self._spark.interruptTag(self._tag)
        self._thread.join()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        if not self._numbers:
            return
        try:
            self._spark.addTag(self._tag)  # of this thread alone; Spark Connect knows tags too, and no groups of jobs
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of pandas 3, which mapInArrow asks for and never uses
                self._pieces().collect()
        except Exception as error:  # py4j and pyspark each raise types of their own
            self.failure = told_as_spark_error(error)

    def _pieces(self) -> Any:
        """A DataFrame whose every row is a piece, alone in its partition."""
        work, folder, numbers = self._work, self._folder, self._numbers

        def do(batches: Any) -> Iterator[Any]:
            for batch in batches:
                for place in batch.column(0).to_pylist():
                    do_piece(work, numbers[place], folder)
                yield batch

        return self._spark.range(0, len(numbers), 1, numPartitions=len(numbers)).mapInArrow(do, "id long")


def do_piece(work: Work, number: int, folder: Path) -> None:
    """Does a piece on a worker, unless an earlier or quicker try has.

    Raises:
        SparkError: The folder is not there, so nothing could be handed over.
    """
    if not folder.is_dir():
        raise SparkError(f"{folder}: is not there on the worker. Give a folder on storage that all machines share under one name: --out, or --staging.")
    path = piece_path(folder, number)
    if not path.exists():
        with whole_file(path) as part:
            work(number, part)
