"""DataFrames of pictures, as Spark itself reads them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import SourceError
from bioclip_search.runs.folder import Run
from bioclip_search.runs.tag import tag
from bioclip_search.spark.addresses import Remote, fetched, open_address
from bioclip_search.spark.plan import piece_media, write_plan
from tests.spark.same import rows_of

pytestmark = [pytest.mark.spark, pytest.mark.slow]

FEW = 40

RUN = "my rün [2]"
"""Signs that addresses write otherwise, and that Spark could take for a pattern."""


@pytest.fixture(scope="module")
def few(photos, tmp_path_factory) -> Path:
    """Forty pictures in one folder, the last of them damaged."""
    folder = tmp_path_factory.mktemp("few")
    for one in sorted((photos / "b").iterdir())[:FEW]:
        (folder / one.name).write_bytes(one.read_bytes())
    last = max(folder.iterdir())
    last.write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def whole(few, tmp_path_factory) -> dict[str, tuple]:
    """By the name of the file, what the local engine says of it."""
    run = tag(few, tmp_path_factory.mktemp("local") / "run", detector="none", workers=1)
    return {Path(row["image"]).name: said(row) for row in rows_of(run.folder).to_pylist()}


def said(row) -> tuple:
    return row["status"], row["taxon"], row["rank"], row["rule"], row["content_hash"], None if row["probability"] is None else round(row["probability"], 4)


def test_files_that_spark_reads_itself_are_tagged_as_the_local_engine_does(spark, few, whole):
    import bioclip_search as bs

    pictures = spark.read.format("binaryFile").load(str(few)).select("path", "content")
    rows = bs.spark.tag(pictures, detector="none").collect()
    assert {Path(row["image"]).name: said(row) for row in rows} == whole
    assert {len(row["embedding"] or ()) for row in rows if row["status"] == "identified"} == {len(rows[0]["embedding"])}


def test_parquet_with_images_is_kept_as_a_run_that_a_second_call_only_adds_to(spark, few, whole, tmp_path):
    import bioclip_search as bs

    files = sorted(few.iterdir())
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for number, some in enumerate((files[:20], files)):
        cells = [{"bytes": one.read_bytes(), "path": None} for one in some]
        parquet.write_table(pa.table({"image": pa.array(cells, kind)}), tmp_path / f"shard-{number}.parquet")
    first = bs.spark.tag(spark.read.parquet(str(tmp_path / "shard-0.parquet")), tmp_path / RUN, detector="none")
    assert first.count() == 20
    bs.spark.tag(spark.read.parquet(str(tmp_path / "shard-1.parquet")), tmp_path / RUN, detector="none", resume=True)
    images = rows_of(tmp_path / RUN)["image"].to_pylist()
    assert sorted(images) == sorted(f"sha256:{hashlib.sha256(one.read_bytes()).hexdigest()}" for one in files)
    assert set(map(said, rows_of(tmp_path / RUN).to_pylist())) == set(whole.values())
    note = Run.open(tmp_path / RUN).note
    assert note["is_finished"]
    assert note["counts"]["pictures"] == FEW
    assert not (tmp_path / RUN / "spark").exists()


def test_a_frame_of_paths_tells_when_and_where_too(spark, few):
    import bioclip_search as bs

    path = str(min(few.iterdir()))
    pictures = spark.createDataFrame([(path, "2020-06-05 10:00:00", "plot 7")], "photo string, taken string, station string")
    row = bs.spark.tag(pictures, detector="none", columns={"image": "photo", "timestamp": "taken"}).first()
    assert (row["image"], str(row["timestamp"]), row["deployment"]) == (path, "2020-06-05 10:00:00", "plot 7")


def test_a_damaged_picture_stood_where_the_others_of_its_folder_did(spark, few):
    import bioclip_search as bs

    pictures = spark.createDataFrame([(str(path),) for path in (min(few.iterdir()), max(few.iterdir()))], "path string")
    rows = bs.spark.tag(pictures, detector="none").collect()
    assert sorted(row["status"] for row in rows) == ["failed", "identified"]
    assert {row["deployment"] for row in rows} == {few.as_posix()}


def test_a_frame_without_pictures_is_told(spark):
    import bioclip_search as bs

    with pytest.raises(SourceError, match="where a column of paths"):
        bs.spark.tag(spark.createDataFrame([(1,)], "number int"))


def test_pictures_behind_an_address_are_listed_here_and_fetched_there(few, tmp_path):
    source = open_address(few.as_uri())
    listed = list(source.media())
    assert [one.image for one in listed] == sorted(one.name for one in few.iterdir())
    write_plan([*listed, Remote("gone.jpg", (few / "gone.jpg").as_uri())], tmp_path / "plan.parquet")
    got = [one for number in range(3) for one in fetched(piece_media(tmp_path / "plan.parquet", number))]
    assert [one.data for one in got[:-1]] == [one.read_bytes() for one in sorted(few.iterdir())]
    assert "cannot be fetched" in got[-1].error
