from __future__ import annotations

import os
import shutil
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from pyarrow import parquet

from bioclip_search.errors import RunError, SourceError
from bioclip_search.media import GivenBox, Media
from bioclip_search.runs import tagging
from bioclip_search.runs.closing import Closing
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.folder import Run
from bioclip_search.runs.journal import Journal
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.runs.tagging import tag_source
from bioclip_search.sources import Source, open_source
from tests.runs.conftest import write_picture


@pytest.fixture
def run_of(tmp_path, equipment):
    def run_of(photos, out="run", gear=equipment, **told):
        return tag_source(open_source(photos), tmp_path / out, gear, place=str(photos), **told)

    return run_of


def rows(run: Run) -> pd.DataFrame:
    return pd.read_parquet(run.folder / "rows")


def same(one: Run, other: Run) -> bool:
    """Whether all rows are equal, bit for bit, in their order."""
    return parquet.read_table(one.folder / "rows").combine_chunks().equals(parquet.read_table(other.folder / "rows").combine_chunks())


def test_every_box_of_every_picture_has_a_row_in_the_order_of_the_source(photos, run_of, taxonomy):
    table = rows(run_of(photos))
    assert table["image"].drop_duplicates().tolist() == sorted(path.name for path in photos.iterdir())
    assert table["status"].value_counts().to_dict() == {"identified": 90, "person": 15, "blank": 8}
    assert table.query("image == '011.png'")["taxon"].tolist() == [taxonomy.leaves["species"][11 % 9].as_py()]
    assert table.query("image == '007.png'")["status"].tolist() == ["identified", "person"]
    assert table.query("image == '010.png'")["reason"].tolist() == ["colours saw none at confidence 0.2"]


def test_people_are_told_with_their_box_and_never_asked_about(photos, run_of, counting):
    table = rows(run_of(photos)).query("status == 'person'")
    assert table["taxon"].isna().all()
    assert table["embedding"].isna().all()
    assert table["box_xyxy"].notna().all()
    assert len(counting.encoded) == 90


def test_the_note_tells_what_made_the_run_and_what_came_out(photos, run_of):
    note = run_of(photos).note
    assert note["is_finished"]
    assert note["counts"]["pictures"] == 100
    assert note["settings"]["index"]["name"] == "small"
    assert note["settings"]["detector"]["name"] == "colours"
    assert note["versions"]["bioclip-search"]


def test_a_picture_that_cannot_be_read_is_a_row_and_the_rest_is_answered(photos, run_of):
    (photos / "050.png").write_bytes(b"")
    (photos / "051.png").write_bytes(b"no picture")
    run = run_of(photos)
    failed = rows(run).query("status == 'failed'")
    assert failed["image"].tolist() == ["050.png", "051.png"]
    assert "0 bytes" in failed["error"].iloc[0]
    assert run.note["counts"]["failed"] == 2
    assert [one["image"] for one in run.note["failures"]] == ["050.png", "051.png"]


def test_a_run_that_is_there_is_not_written_over(photos, run_of):
    run_of(photos)
    with pytest.raises(RunError, match="holds a run already, which is finished; with --resume"):
        run_of(photos)


def test_a_folder_with_other_files_is_left_alone(photos, run_of, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="holds other files and no run"):
        run_of(photos)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_a_run_is_not_gone_on_with_by_other_settings(photos, run_of, searcher, equipment):
    run_of(photos)
    other = replace(equipment, deciding=Deciding(searcher, {"within": "Aves"}))
    with pytest.raises(RunError, match="question within was None, now Aves.*tag --from"):
        run_of(photos, gear=other, is_resumed=True)


class Stop(Exception):
    pass


@pytest.mark.parametrize("after", [1, 20, 33, 64, 99])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(photos, run_of, counting, after, monkeypatch):
    monkeypatch.setattr(tagging, "BATCH_PICTURES", 8)
    whole = run_of(photos, "whole")
    counting.encoded.clear()

    def stop(done, _total):
        if done == after:
            raise Stop

    with pytest.raises(Stop):
        run_of(photos, "broken", progress=stop)
    broken = run_of(photos, "broken", is_resumed=True)
    assert same(whole, broken)
    assert len(counting.encoded) <= 90 + 8
    assert broken.note["counts"] == whole.note["counts"]
    assert not [path for path in broken.folder.rglob("*") if path.name.startswith(".")]


def test_an_extended_run_does_only_what_is_new(photos, run_of, counting, equipment):
    run_of(photos)
    counting.encoded.clear()
    before = equipment.detector.searched
    write_picture(photos / "new.png", 3, shade=201)
    table = rows(run_of(photos, is_resumed=True))
    assert len(counting.encoded) == 1
    assert equipment.detector.searched == before + 1
    assert table["image"].tolist().count("new.png") == 1
    assert table["image"].nunique() == 101


def test_copies_are_computed_once_and_answered_alike(photos, run_of, counting, monkeypatch):
    monkeypatch.setattr(tagging, "BATCH_PICTURES", 8)
    shutil.copytree(photos, photos / "again")
    shutil.copy(photos / "001.png", photos / "001-copy.png")  # beside the first, in one batch
    table = rows(run_of(photos))
    assert len(counting.encoded) == 90
    first, copy = table.query("image == '011.png'").iloc[0], table.query("image == 'again/011.png'").iloc[0]
    assert (first["taxon"], first["probability"], first["content_hash"]) == (copy["taxon"], copy["probability"], copy["content_hash"])
    assert np.array_equal(first["embedding"], copy["embedding"])
    assert copy["deployment"] == "again"
    assert table.query("image == '001-copy.png'")["taxon"].tolist() == table.query("image == '001.png'")["taxon"].tolist()


def test_copies_are_known_after_a_resume(photos, run_of, counting):
    run_of(photos)
    counting.encoded.clear()
    shutil.copy(photos / "001.png", photos / "zzz.png")
    table = rows(run_of(photos, is_resumed=True))
    assert counting.encoded == []
    assert table.query("image == 'zzz.png'")["taxon"].tolist() == table.query("image == '001.png'")["taxon"].tolist()


def test_boxes_of_the_source_are_taken_instead_of_the_detectors(photos, tmp_path, equipment):
    boxes = (GivenBox((0.0, 0.0, 0.5, 0.5), 0.7, "animal"), GivenBox((0.5, 0.5, 0.25, 0.25), 0.9, "person"), GivenBox((0, 0, 1, 1), 0.05, "animal"))
    media = [Media("a.png", photos / "001.png", boxes=boxes), Media("b.png", photos / "002.png", boxes=()), Media("c.png", photos / "003.png")]
    run = tag_source(Source("list", None, lambda _: iter(media)), tmp_path / "run", equipment, place="list")
    table = rows(run)
    assert equipment.detector.searched == 1
    assert [(row.image, row.status) for row in table.itertuples()] == [
        ("a.png", "person"),
        ("a.png", "identified"),
        ("b.png", "blank"),
        ("c.png", "identified"),
    ]
    assert table.iloc[1]["box_xyxy"].tolist() == [0, 0, 16, 16]
    assert table.iloc[2]["reason"] == "the source saw none at confidence 0.2"


def test_a_picture_that_is_deleted_meanwhile_is_an_error_of_its_own(photos, run_of):
    def delete(done, _total):
        if done == 1:
            (photos / "090.png").unlink()

    run = run_of(photos, progress=delete)
    assert [(one["image"], one["error"]) for one in run.note["failures"]] == [("090.png", "no such file")]


def test_without_a_detector_the_whole_picture_is_asked_about(photos, run_of, equipment):
    table = rows(run_of(photos, gear=replace(equipment, detector=None)))
    assert len(table) == 100
    assert table["box_xyxy"].isna().all()
    assert table["status"].unique().tolist() == ["identified"]


def test_an_empty_folder_gives_an_empty_run(tmp_path, run_of):
    (tmp_path / "empty").mkdir()
    run = run_of(tmp_path / "empty")
    assert run.note["counts"]["pictures"] == 0
    assert list(run.pictures()) == []


def test_the_size_is_that_of_the_upright_picture(tmp_path, run_of):
    (tmp_path / "one").mkdir()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (40, 20), (3, 1, 0)).save(tmp_path / "one" / "a.jpg", exif=exif, quality=100)
    table = rows(run_of(tmp_path / "one"))
    assert (table["width"].tolist(), table["height"].tolist()) == ([20], [40])


def test_another_collection_is_not_added_where_its_pictures_would_be_taken_for_those_that_are_done(photos, tmp_path, run_of):
    run_of(photos)
    write_picture(tmp_path / "others" / "001.png", 5)
    with pytest.raises(RunError, match=r"is a run over .*photos, where .*others is given now"):
        run_of(tmp_path / "others", is_resumed=True)


def test_a_collection_that_was_moved_or_has_two_names_is_gone_on_with(photos, tmp_path, run_of, counting):
    run_of(photos)
    counting.encoded.clear()
    (tmp_path / "link").symlink_to(photos, target_is_directory=True)
    run_of(tmp_path / "link", is_resumed=True)
    moved = photos.rename(tmp_path / "moved")
    run = run_of(moved, is_resumed=True)
    assert counting.encoded == []
    assert run.find("001.png") == moved / "001.png"


def test_an_archive_is_added_to_that_of_another_name_only(tmp_path, run_of):
    for folder, name in (("a", "cards.zip"), ("b", "cards.zip"), ("b", "more.zip")):
        path = write_picture(tmp_path / folder / f"{name}.png", 3)
        with zipfile.ZipFile(tmp_path / folder / name, "w") as archive:
            archive.write(path, "1.png")
    run_of(tmp_path / "a" / "cards.zip")
    assert run_of(tmp_path / "b" / "more.zip", is_resumed=True).note["counts"]["pictures"] == 2
    with pytest.raises(RunError, match="is a run over"):
        run_of(tmp_path / "a" / "cards.zip.png", is_resumed=True)
    run_of(tmp_path / "a" / "cards.zip", "other")
    with pytest.raises(RunError, match="is a run over"):
        run_of(tmp_path / "b" / "cards.zip", "other", is_resumed=True)


def test_failed_pictures_are_tried_once_more_where_that_is_wished(photos, run_of, counting):
    whole = (photos / "050.png").read_bytes()
    (photos / "050.png").write_bytes(b"")
    (photos / "051.png").write_bytes(b"")
    run_of(photos)
    (photos / "050.png").write_bytes(whole)
    counting.encoded.clear()
    assert run_of(photos, is_resumed=True).note["counts"]["failed"] == 2
    run = run_of(photos, is_resumed=True, retries_failed=True)
    assert run.note["counts"]["pictures"] == 100
    assert [one["image"] for one in run.note["failures"]] == ["051.png"]
    table = rows(run)
    assert table["image"].nunique() == 100
    assert table.query("image == '050.png'")["error"].isna().all()
    assert table.query("image == '051.png'")["status"].tolist() == ["failed"]


def test_stopped_before_its_note_was_there_a_run_is_begun_anew(photos, tmp_path, run_of):
    Journal(tmp_path / "run", 9).__exit__()
    assert run_of(photos).note["counts"]["pictures"] == 100


def test_rows_without_a_note_are_never_mixed_with_others(photos, tmp_path, run_of):
    with Journal(tmp_path / "run", None) as journal:
        journal.add([TaggedPicture("old.png", error="old")])
    with pytest.raises(RunError, match="holds the rows of a run whose run.json is gone"):
        run_of(photos)


def test_what_tells_of_rows_leaves_when_it_is_not_wished_any_more(photos, run_of):
    run = run_of(photos, closing_with=Closing(fusion="vote"))
    assert (run.folder / "sequences.parquet").exists()
    run_of(photos, is_resumed=True, closing_with=Closing(repeats=False))
    assert sorted(path.name for path in run.folder.iterdir()) == ["journal.sqlite", "rows", "run.json"]


def test_a_collection_that_cannot_be_counted_is_told_by_its_own_error_alone(photos, tmp_path, equipment, capfd):
    def broken(_tally):
        yield Media("a.png", photos / "001.png")
        raise SourceError("the list is damaged")

    with pytest.raises(SourceError, match="the list is damaged"):
        tag_source(Source("list", None, broken), tmp_path / "run", equipment, place="list", progress=lambda done, total: None)
    assert capfd.readouterr().err == ""


def test_another_calibration_is_another_setting(photos, tmp_path, run_of, searcher, equipment):
    run_of(photos)
    (tmp_path / "calibration.parquet").write_bytes(b"as good as any")
    other = replace(equipment, deciding=Deciding(searcher, {}, calibration=tmp_path / "calibration.parquet"))
    with pytest.raises(RunError, match="question calibration was None"):
        run_of(photos, gear=other, is_resumed=True)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are Unicode there")
def test_a_picture_whose_name_is_not_unicode_is_found_again(photos, run_of):
    odd = photos / os.fsdecode(b"caf\xe9.png")
    write_picture(photos / "new.png", 4, shade=201).rename(odd)
    run = run_of(photos)
    assert "caf\\udce9.png" in rows(run)["image"].tolist()
    assert run.find("caf\\udce9.png") == odd
