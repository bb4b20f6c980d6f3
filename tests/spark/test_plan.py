"""The plan keeps all that a source tells of its pictures, and pieces are written whole, once, or not at all. Needs no Spark."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from bioclip_search.errors import SparkError
from bioclip_search.media import Facts, GivenBox, Media, Video
from bioclip_search.runs.table import to_pictures
from bioclip_search.sources.source import Tally
from bioclip_search.spark.addresses import Remote
from bioclip_search.spark.pieces import do_piece, done_in_order, piece_path
from bioclip_search.spark.plan import piece_media, piece_size, read_plan, write_plan
from bioclip_search.spark.worker import PieceJournal

pytest.importorskip("pyspark", reason="pyspark is not installed (extra `spark`)")

BOX = GivenBox((0.1, 0.2, 0.3, 0.4), 0.5, "animal")
FACTS = Facts(datetime(2020, 6, 5, 10, tzinfo=timezone(timedelta(hours=2))), 59.9, 10.7, "camera 1", "plot 7")


def test_everything_that_a_source_tells_comes_back(tmp_path):
    told = [
        Media("a.jpg", tmp_path / "a.jpg"),
        Media("odd.jpg", tmp_path / "caf\udce9.jpg", facts=FACTS),
        Media("b.jpg", data=b"\0bytes", boxes=(BOX,)),
        Media("blank.jpg", tmp_path / "blank.jpg", boxes=()),
        Media("c.jpg", error="is no path of a file"),
        Video("film.mp4", tmp_path / "film.mp4", FACTS, {3: (BOX, BOX)}),
        Remote("d.jpg", "s3://bucket/d.jpg", FACTS),
    ]
    assert write_plan(told, tmp_path / "plan.parquet") == 7
    heard = [one for number in range(2) for one in piece_media(tmp_path / "plan.parquet", number)]  # the film counts as 16 and ends a piece
    assert [type(one) for one in heard] == [type(one) for one in told]
    assert [vars(one) for one in heard] == [vars(one) for one in told]


def test_no_pictures_make_no_piece(tmp_path):
    assert write_plan([], tmp_path / "plan.parquet") == 0
    with read_plan(tmp_path / "plan.parquet") as plan:
        assert plan.num_row_groups == 0


def test_pieces_keep_the_order_and_their_size(tmp_path):
    write_plan((Media(f"{number:04}.jpg", error="-") for number in range(2100)), tmp_path / "plan.parquet", cores=2)
    with read_plan(tmp_path / "plan.parquet") as plan:
        sizes = [plan.metadata.row_group(number).num_rows for number in range(plan.num_row_groups)]
    assert sizes == [256] * 8 + [52]
    names = [one.image for number in range(len(sizes)) for one in piece_media(tmp_path / "plan.parquet", number)]
    assert names == [f"{number:04}.jpg" for number in range(2100)]


def test_a_piece_of_videos_has_few_of_them(tmp_path):
    write_plan((Video(f"{number:04}.mp4", tmp_path / "film.mp4") for number in range(40)), tmp_path / "plan.parquet")
    with read_plan(tmp_path / "plan.parquet") as plan:  # 40 videos count as 640 pictures; 640 / 4 = 160 of these, 10 videos, come to a piece
        assert [plan.metadata.row_group(number).num_rows for number in range(plan.num_row_groups)] == [10, 10, 10, 10]


def test_a_piece_of_large_pictures_ends_earlier(tmp_path):
    few_mb = bytes(5 << 20)  # 16 of them are 80 MiB, more than the 64 that a piece may hold
    write_plan((Media(f"{number:04}.jpg", data=few_mb) for number in range(40)), tmp_path / "plan.parquet")
    with read_plan(tmp_path / "plan.parquet") as plan:
        assert [plan.metadata.row_group(number).num_rows for number in range(plan.num_row_groups)] == [16, 16, 8]


@pytest.mark.parametrize(("pictures", "cores", "size"), [(0, 2, 16), (1, 1, 16), (300, 2, 48), (5000, 2, 256), (5000, 100, 16)])
def test_small_collections_are_cut_finer(pictures, cores, size):
    assert piece_size(pictures, cores) == size


def test_a_second_try_of_a_piece_writes_nothing_new(tmp_path):
    do_piece(lambda number, path: path.write_text(f"first of {number}"), 7, tmp_path)
    do_piece(lambda number, path: path.write_text("second"), 7, tmp_path)
    assert piece_path(tmp_path, 7).read_text() == "first of 7"


def test_two_tries_at_once_leave_one_whole_file(tmp_path):
    def slow(number: int, path: Path) -> None:
        path.write_text("slow")
        do_piece(lambda _, quick: quick.write_text("quick"), number, tmp_path)

    do_piece(slow, 7, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["piece-0000007.parquet"]
    assert piece_path(tmp_path, 7).read_text() == "slow"


def test_a_try_that_fails_leaves_nothing(tmp_path):
    def fail(number: int, path: Path) -> None:
        path.write_text("half")
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        do_piece(fail, 7, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_shared_is_told(tmp_path):
    with pytest.raises(SparkError, match="storage that all machines share"):
        do_piece(lambda number, path: None, 7, tmp_path / "elsewhere")


def test_a_file_that_shared_storage_shows_late_is_waited_for(tmp_path):
    for number in range(2):
        piece_path(tmp_path, number).write_bytes(b"")
    late = piece_path(tmp_path, 1)
    paths = done_in_order(None, None, 2, tmp_path)  # all is done, so no cluster is asked
    next(paths)
    late.rename(tmp_path / "unseen")
    shown = threading.Timer(0.5, (tmp_path / "unseen").rename, [late])
    shown.start()
    assert next(paths) == late
    shown.join()


def test_a_plan_that_is_not_shared_is_told(tmp_path):
    with pytest.raises(SparkError, match="under one name"):
        piece_media(tmp_path / "plan.parquet", 0)


def test_the_journal_of_a_piece_knows_what_it_has_seen():
    from bioclip_search.runs.record import TaggedPicture

    journal = PieceJournal(None)
    first = TaggedPicture("a.jpg", "00" * 32, (4, 3))
    journal.add([first, TaggedPicture("b.jpg", error="is empty"), TaggedPicture("c.jpg", "00" * 32, (4, 3))])
    assert journal.knows("00" * 32)
    assert not journal.knows("00" * 32, 5)
    assert journal.recall("00" * 32) is first
    assert [one.image for one in to_pictures(journal.rows().to_batches())] == ["a.jpg", "b.jpg", "c.jpg"]


def test_tallies_of_workers_add_up():
    here, there = Tally(), Tally()
    here.add("odd", "a.jpg")
    there.add("odd", "b.jpg")
    there.add("odd", "c.jpg")
    for what, (count, example) in there.counts().items():
        here.add(what, example, count)
    assert here.notes() == ("odd: 3, the first a.jpg",)
