"""Why there can be no Spark, or no work on it, is told in one sentence with what to do; most of it needs no Java."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bioclip_search.cli import root
from bioclip_search.errors import SparkError
from bioclip_search.spark.session import java_version, stop_without_java, stop_without_master, told_as_spark_error
from bioclip_search.spark.worker import card_of

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed (extra `spark`)")


def java_that_says(folder: Path, words: str) -> Path:
    """A JAVA_HOME whose java is a script."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{words}' >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def test_a_missing_java_is_told_with_the_line_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SparkError, match=r"needs Java 17 or newer, and no program `java` was found.*apt-get install openjdk-17-jre-headless"):
        stop_without_java()


def test_a_java_home_without_java_is_told_by_its_path(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SparkError, match=r"none lies in JAVA_HOME \("):
        stop_without_java()


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for Java is a shell script")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        pytest.param('java version "1.8.0_401"', "is Java 8", id="eight, by its old name"),
        pytest.param('openjdk version "11.0.2" 2019-01-15', "is Java 11", id="eleven"),
        pytest.param("hello", "says hello", id="something else"),
    ],
)
def test_an_old_java_is_told_by_its_number(monkeypatch, tmp_path, words, found):
    monkeypatch.setenv("JAVA_HOME", str(java_that_says(tmp_path, words)))
    with pytest.raises(SparkError, match=found):
        stop_without_java()


def test_numbers_of_java():
    assert [java_version(f'openjdk version "{one}"') for one in ("17.0.15", "21", "1.8.0_401", "26-ea")] == [17, 21, 8, 26]


def test_a_master_that_does_not_answer_is_told_before_java_starts():
    with pytest.raises(SparkError, match=r"No Spark master answers at spark://127.0.0.1:1.*is it running"):
        stop_without_master("spark://127.0.0.1:1")
    with pytest.raises(SparkError, match="Expected spark://HOST:PORT"):
        stop_without_master("spark://nowhere")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(
            "An exception was thrown\nTraceback\n  File x\nbioclip_search.errors.ModelError: There is no detector called x.",
            "On a worker: There is no detector called x.",
            id="our own error",
        ),
        pytest.param("ModuleNotFoundError: No module named 'bioclip_search'", "pip install 'bioclip-search[spark]", id="the package is missing"),
        pytest.param("Job aborted\n\tat org.apache.spark", "Spark gave up: Job aborted", id="anything else"),
    ],
)
def test_what_spark_raises_becomes_one_sentence(words, told):
    assert told in str(told_as_spark_error(RuntimeError(words)))


def test_a_card_is_named_as_torch_counts_it():
    assert card_of(["1"], None) == "cuda:1"
    assert card_of(["3"], "2,3") == "cuda:1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["photos", "--master", "local[2]"], "add --engine spark", id="a master for the local engine"),
        pytest.param(["--from", "run", "--engine", "spark"], "on one machine", id="an earlier run"),
        pytest.param(["photos", "--engine", "spark", "--spark-conf", "nonsense"], "NAME=VALUE", id="a setting without a value"),
    ],
)
def test_options_that_contradict_one_another_are_a_usage_error(words, told, tmp_path):
    result = CliRunner().invoke(root, ["tag", "--out", str(tmp_path / "run"), *words])
    assert result.exit_code == 2
    assert told in result.output


def test_nothing_of_spark_is_loaded_by_naming_it():
    import subprocess

    code = "import bioclip_search as bs, sys; bs.spark; assert not {'pyspark', 'numpy', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.usefixtures("has_spark")
def test_a_cluster_without_a_worker_is_told_in_time(tmp_path):
    from bioclip_search.spark.session import _started, stop_without_workers
    from tests.spark.clusters import standalone

    with standalone(tmp_path / "cluster", workers=0) as cluster:
        session = _started(cluster.url, {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"})
        try:
            with pytest.raises(SparkError, match="gave no worker within 3 s"):
                stop_without_workers(session, timeout_s=3)
        finally:
            session.stop()
