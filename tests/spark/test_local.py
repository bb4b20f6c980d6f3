"""One machine, two tasks at once: the same rows as the local engine's, in its order."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from pyarrow import parquet

from bioclip_search.errors import RunError, SparkError
from bioclip_search.runs.folder import Run
from bioclip_search.runs.tag import tag
from tests.spark.conftest import PICTURES
from tests.spark.same import assert_same, rows_of

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory) -> Path:
    """The run over all photos by the local engine."""
    return tag(photos, tmp_path_factory.mktemp("local") / "run", detector="none", workers=1).folder


def on_spark(spark, source, out, **options):
    from bioclip_search.spark.tagging import tag_on_spark

    return tag_on_spark(source, out, spark=spark, **{"detector": "none", **options})


def test_rows_are_those_of_the_local_engine_in_its_order(spark, photos, whole, tmp_path):
    told = []
    run = on_spark(spark, photos, tmp_path / "run", progress=lambda done, total: told.append((done, total)))
    assert_same(run.folder, whole)
    assert told[-1] == (PICTURES, PICTURES)
    assert len(told) == 5  # 144 / (2 cores · 4) = 18, in steps of 16 that is 32 pictures a piece: 4 of 32, and 16
    assert not (run.folder / "spark").exists()
    assert [one.name for one in run.parts] == [one.name for one in Run.open(whole).parts]


def test_broken_pictures_are_rows_with_their_reason(spark, photos, whole, tmp_path):
    assert Run.open(whole).note["counts"]["failed"] == 2
    run = on_spark(spark, photos / "b", tmp_path / "run")
    assert [one["image"] for one in run.note["failures"]] == ["0100.jpg"]


def test_boxes_deployments_and_bursts_of_real_pictures_are_those_of_the_local_engine(spark, shared, tmp_path):
    local = tag(shared / "bursts", tmp_path / "local", workers=1)
    run = on_spark(spark, shared / "bursts", tmp_path / "spark", detector="starter")
    assert_same(run.folder, local.folder)
    for name in ("sequences.parquet", "members.parquet", "repeats.parquet"):
        assert parquet.read_table(run.folder / name).equals(parquet.read_table(local.folder / name))


def test_pictures_of_an_archive_are_tagged_too(spark, photos, tmp_path):
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for one in sorted((photos / "a").iterdir())[:40]:
            archive.write(one, one.name)
    assert_same(on_spark(spark, path, tmp_path / "spark").folder, tag(path, tmp_path / "local", detector="none", workers=1).folder)


def test_what_is_new_is_added_and_nothing_is_done_twice(spark, photos, tmp_path):
    source = tmp_path / "photos"
    shutil.copytree(photos / "a", source)
    late = source / f"{PICTURES - 1:04}.jpg"
    kept = late.read_bytes()
    late.unlink()
    run = on_spark(spark, source, tmp_path / "run")
    assert run.note["counts"]["pictures"] == PICTURES // 2 - 1
    late.write_bytes(kept)
    with pytest.raises(RunError, match="--resume"):
        on_spark(spark, source, tmp_path / "run")
    told = []
    run = on_spark(spark, source, tmp_path / "run", resume=True, progress=lambda done, total: told.append((done, total)))
    assert told == [(PICTURES // 2, PICTURES // 2)]
    images = rows_of(run.folder)["image"].to_pylist()
    assert len(images) == len(set(images)) == PICTURES // 2


def test_who_stops_it_goes_on_where_it_was(spark, photos, whole, tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_spark(spark, photos, tmp_path / "run", progress=stop)
    told = []
    run = on_spark(spark, photos, tmp_path / "run", resume=True, progress=lambda done, total: told.append(done))
    assert told[0] == 64  # 32 were taken before it was stopped
    assert_same(run.folder, whole)


def test_a_run_that_was_begun_on_one_machine_is_gone_on_with_on_spark(spark, photos, tmp_path):
    source = tmp_path / "photos"
    shutil.copytree(photos / "a", source)
    halves = sorted(source.iterdir())[PICTURES // 4 :]
    aside = tmp_path / "aside"
    aside.mkdir()
    for one in halves:
        one.rename(aside / one.name)
    tag(source, tmp_path / "run", detector="none", workers=1)
    for one in aside.iterdir():
        one.rename(source / one.name)
    run = on_spark(spark, source, tmp_path / "run", resume=True)
    assert_same(run.folder, tag(source, tmp_path / "whole", detector="none", workers=1).folder)


def test_a_list_that_changed_between_two_runs_is_read_anew(spark, photos, tmp_path):
    one = tmp_path / "photos"
    one.mkdir()
    shutil.copy(photos / "a" / "0001.jpg", one)
    names = tmp_path / "names.txt"
    for species in ("Panthera leo", "Lynx lynx"):  # the workers' processes, and what they have opened, stay between the two
        names.write_text(f"{species}\n", encoding="utf-8")
        run = on_spark(spark, one, tmp_path / species, checklist=names)
        assert rows_of(run.folder)["species"].to_pylist() == [species]


def test_rows_come_as_a_data_frame(spark, photos, tmp_path):
    import bioclip_search as bs

    rows = bs.spark.tag(photos / "b", tmp_path / "run", detector="none")
    assert rows.count() == PICTURES // 2
    assert rows.where("status = 'failed'").first()["image"] == "0100.jpg"
    assert rows.where("taxon is not null").first()["probability"] > 0


def test_what_the_workers_cannot_open_is_told_in_one_sentence(spark, photos, tmp_path):
    with pytest.raises(SparkError, match=r"On a worker: .*nonesuch"):
        on_spark(spark, photos, tmp_path / "run", detector="nonesuch")
    assert not (tmp_path / "run").exists()
