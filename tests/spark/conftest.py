"""Spark on this machine alone: a session in this process, and clusters of several; skipped, and told, where Java or pyspark is not there."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from bioclip_search.errors import SparkError

SIDE_PX = 96
PICTURES = 144

SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For Java that lives for seconds: it compiles quickly and not well, and leaves the cores to the work."""


def why_not() -> str | None:
    """Why there can be no Spark here."""
    if importlib.util.find_spec("pyspark") is None or importlib.util.find_spec("pandas") is None:
        return "pyspark is not installed (extra `spark`)"
    from bioclip_search.spark.session import stop_without_java

    try:
        stop_without_java()
    except SparkError as error:
        return str(error)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What py4j and the library pyspark itself warn of is not ours to mend: sockets left to the collector, pandas 3."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("spark"):
            for rule in ("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"):
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(scope="session")
def has_spark() -> Iterator[None]:
    if reason := why_not():
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", SHORT_LIVED)
        yield


@pytest.fixture(scope="module")
def spark(has_spark: None) -> Iterator[Any]:
    """A session on two cores of this process."""
    from bioclip_search.spark.session import spark_session

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with spark_session("local[2]", {"spark.default.parallelism": "2", "spark.sql.shuffle.partitions": "2"}) as session:
            yield session


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in two folders, all different, some alike in their bytes, one of them damaged and one empty."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(PICTURES):
        path = folder / ("a" if number % 2 else "b") / f"{number:04}.jpg"
        path.parent.mkdir(exist_ok=True)
        small = random.integers(0, 256, (6, 6, 3), np.uint8)
        PIL.Image.fromarray(small).resize((SIDE_PX, SIDE_PX)).save(path)
    (folder / "a" / "0101.jpg").write_bytes((folder / "a" / "0001.jpg").read_bytes())
    (folder / "a" / "0111.jpg").write_bytes(b"no picture")
    (folder / "b" / "0100.jpg").write_bytes(b"")
    return folder
