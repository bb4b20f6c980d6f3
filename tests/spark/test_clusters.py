"""Processes of their own for master, workers and executors: the same rows, and none lost or doubled when some of them are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bioclip_search.runs.tag import tag
from tests.spark.conftest import PICTURES
from tests.spark.same import assert_same

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.usefixtures("has_spark")]

HOME = Path(__file__).parents[2]
LEAST = {"spark.executor.memory": "512m", "spark.default.parallelism": "4"}


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory) -> Path:
    """The run over all photos by the local engine."""
    return tag(photos, tmp_path_factory.mktemp("local") / "run", detector="none", workers=1).folder


class Driver:
    """`tests.spark.driver` as a process, line by line."""

    def __init__(self, source: Path, out: Path, master: str, **conf: str):
        pairs = [f"{name}={value}" for name, value in {**LEAST, "tag.detector": "none", **conf}.items()]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.spark.driver", str(source), str(out), master, *pairs],
            cwd=HOME,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def until_some_are_done(self) -> int:
        """How many of how many there are, when the first are."""
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.stderr.read()[-3000:])
        done, total = map(int, line.split())
        assert 0 < done < total
        return done

    def to_the_end(self) -> None:
        told, errors = self.process.communicate(timeout=900)
        assert self.process.returncode == 0, errors[-3000:]
        assert told.splitlines()[-1] == f"finished {PICTURES}"

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=60)


def test_an_executor_and_a_worker_of_a_standalone_cluster_are_killed_and_nothing_is_lost(photos, whole, tmp_path):
    from tests.spark.clusters import executors_below, standalone

    with standalone(tmp_path / "cluster", workers=2) as cluster:
        driver = Driver(photos, tmp_path / "run", cluster.url)
        driver.until_some_are_done()
        (executor,) = executors_below(cluster.workers[0].pid)
        executor.kill()
        os.kill(cluster.workers[1].pid, signal.SIGKILL)
        driver.to_the_end()
    assert_same(tmp_path / "run", whole)


def test_a_killed_driver_of_a_local_cluster_loses_nothing_and_the_rows_keep_their_order(photos, whole, tmp_path):
    driver = Driver(photos, tmp_path / "run", "local-cluster[2,1,1024]")
    driver.until_some_are_done()
    driver.kill()
    time.sleep(1)  # Java and the workers end by themselves when nobody holds the other end of their pipes
    assert list((tmp_path / "run" / "spark").glob("*/plan.parquet"))
    Driver(photos, tmp_path / "run", "local-cluster[2,1,1024]", **{"tag.resume": "true"}).to_the_end()
    assert_same(tmp_path / "run", whole)
