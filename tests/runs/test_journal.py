from __future__ import annotations

import sqlite3
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from bioclip_search.errors import RunError
from bioclip_search.results import Answer
from bioclip_search.runs import journal as journals
from bioclip_search.runs.folder import ROWS_FOLDER
from bioclip_search.runs.journal import Journal
from bioclip_search.runs.record import TaggedCrop, TaggedPicture
from bioclip_search.runs.table import to_table

DIM = 4


def picture(number: int, **told) -> TaggedPicture:
    answer = Answer(image=f"{number}.jpg", taxon="Felidae", rank="family", probability=0.7, rule="rule 2: x", index="small", encoder="colours")
    crop = TaggedCrop(0, "animal", 0.5, (0.0, 0.0, 1.0, 1.0), answer, np.full(DIM, number, np.float16))
    return TaggedPicture(**{"image": f"{number}.jpg", "content_hash": sha256(b"%d" % number).hexdigest(), "crops": (crop,)} | told)


def images(folder: Path) -> list[str]:
    return [name for part in sorted((folder / ROWS_FOLDER).glob("*.parquet")) for name in parquet.read_table(part)["image"].to_pylist()]


def test_what_was_added_is_there_after_opening_anew(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1), picture(2)])
    with Journal(tmp_path, DIM) as journal:
        assert journal.has(picture(1).media_id)
        assert not journal.has(picture(3).media_id)
        assert journal.pictures() == 2
        journal.flush()
    assert images(tmp_path) == ["1.jpg", "2.jpg"]


def test_of_rows_that_are_done_none_is_added_and_a_picture_of_several_rows_comes_whole(tmp_path):
    several = picture(2, crops=tuple(replace(picture(2).crops[0], number=number) for number in range(3)))
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1)])
        journal.add_new_rows(to_table([picture(1), several, picture(3)], DIM))
        journal.add_new_rows(to_table([several], DIM))
        assert journal.pictures() == 3
        journal.flush()
    assert images(tmp_path) == ["1.jpg", "2.jpg", "2.jpg", "2.jpg", "3.jpg"]


def test_parts_hold_so_many_pictures_and_the_rest_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "PICTURES_PER_PART", 4)
    with Journal(tmp_path, DIM) as journal:
        for first in range(0, 9, 3):
            journal.add([picture(number) for number in range(first, first + 3)])
        assert images(tmp_path) == [f"{number}.jpg" for number in range(6)]
        journal.flush()
    assert images(tmp_path) == [f"{number}.jpg" for number in range(9)]


def test_killed_before_its_rows_left_the_journal_a_part_is_written_again_and_nothing_stands_twice(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1), picture(2)])
        parquet.write_table(to_table([picture(1), picture(2)], DIM), tmp_path / ROWS_FOLDER / "part-00000.parquet")
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(3)])
        journal.flush()
    assert images(tmp_path) == ["1.jpg", "2.jpg", "3.jpg"]


def test_the_first_picture_of_some_bytes_is_recalled_with_its_vector_from_a_part_and_from_what_waits(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1)])
        journal.flush()
        journal.add([picture(2)])
        for number in (1, 2):
            found = journal.recall(picture(number).content_hash)
            assert found.image == f"{number}.jpg"
            assert found.crops[0].embedding.tolist() == [number] * DIM
        assert journal.recall(picture(3).content_hash) is None
        assert journal.knows(picture(2).content_hash)


def test_two_frames_of_a_video_are_no_copies_of_each_other(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1, frame_number=0), picture(1, image="b.mp4", frame_number=30)])
        hash_of_both = picture(1).content_hash
        assert journal.recall(hash_of_both, 30).image == "b.mp4"
        assert not journal.knows(hash_of_both)


def test_a_marked_video_is_done_and_no_picture(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.mark("00" * 8)
        assert journal.has("00" * 8)
        assert journal.pictures() == 0
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1)])
        journal.flush()
    assert images(tmp_path) == ["1.jpg"]


def test_a_journal_that_is_gone_is_learned_from_the_parts(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1), picture(2, frame_number=7)])
        journal.flush()
    (tmp_path / "journal.sqlite").unlink()
    with Journal(tmp_path, DIM) as journal:
        assert journal.has(picture(1).media_id)
        assert journal.knows(picture(2).content_hash, 7)
        journal.add([picture(3)])
        journal.flush()
    assert images(tmp_path) == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_second_writer_is_sent_away(tmp_path):
    with Journal(tmp_path, DIM), pytest.raises(RunError, match="another process is writing this run"):
        Journal(tmp_path, DIM)


def test_a_journal_that_is_none_is_an_error_that_says_so(tmp_path):
    (tmp_path / "journal.sqlite").write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(RunError, match=r"journal.sqlite: is damaged .*Remove it"):
        Journal(tmp_path, DIM)


def test_a_part_that_is_damaged_is_an_error_that_names_it(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1)])
        journal.flush()
        (tmp_path / ROWS_FOLDER / "part-00000.parquet").write_bytes(b"PAR1 cut off")
        for read in (lambda: list(journal.statuses()), journal.release_failed, lambda: journal.recall(picture(1).content_hash)):
            with pytest.raises(RunError, match=r"part-00000.parquet: cannot be read"):
                read()


def test_a_broken_video_keeps_its_row_when_the_next_part_is_written(tmp_path):
    broken = TaggedPicture("b.mp4", error="breaks off")
    for number in (1, 2):
        with Journal(tmp_path, DIM) as journal:
            if not journal.has(broken.media_id):
                journal.add([broken])
                journal.mark(broken.media_id)
            journal.add([picture(number)] if number > 1 else [])
            assert journal.pictures() == number
            journal.flush()
    assert images(tmp_path) == ["b.mp4", "2.jpg"]


def test_failed_pictures_leave_their_parts_and_are_done_anew(tmp_path):
    failed = [TaggedPicture(f"bad-{number}.jpg", error="no such file") for number in range(3)]
    with Journal(tmp_path, DIM) as journal:
        journal.add([failed[0], picture(1)])
        journal.flush()
        journal.add([failed[1]])
        journal.flush()
        journal.add([picture(2), failed[2]])
        assert journal.release_failed() == 3
        assert images(tmp_path) == ["1.jpg", "2.jpg"]
        assert (journal.pictures(), [journal.has(one.media_id) for one in failed]) == (2, [False] * 3)
        assert journal.recall(picture(2).content_hash).crops[0].embedding.tolist() == [2] * DIM
        assert journal.release_failed() == 0
        journal.add([picture(3, image="bad-0.jpg")])
    with Journal(tmp_path, DIM) as journal:
        journal.flush()
        assert [image for image, _, _ in journal.statuses()] == ["1.jpg", "2.jpg", "bad-0.jpg"]
    assert images(tmp_path) == ["1.jpg", "2.jpg", "bad-0.jpg"]


@pytest.mark.parametrize("written_before", [0, 1])
def test_killed_while_failed_pictures_leave_the_rest_leaves_when_the_journal_is_opened_again(tmp_path, written_before):
    failed = [TaggedPicture(f"bad-{number}.jpg", error="no such file") for number in range(2)]
    with Journal(tmp_path, DIM) as journal:
        for number, one in enumerate(failed):
            journal.add([picture(number), one])
            journal.flush()
        write, written = journal._write_part, []

        def write_or_be_killed(number, rows):
            if len(written) == written_before:
                raise KeyboardInterrupt
            written.append(number)
            write(number, rows)

        journal._write_part = write_or_be_killed
        with pytest.raises(KeyboardInterrupt):
            journal.release_failed()
    with Journal(tmp_path, DIM) as journal:
        assert not any(journal.has(one.media_id) for one in failed)
        journal.add([picture(7, image="bad-0.jpg")])
        journal.flush()
    with Journal(tmp_path, DIM):
        assert images(tmp_path) == ["0.jpg", "1.jpg", "bad-0.jpg"]


def test_a_full_disk_loses_only_the_batch_in_flight(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1)])
        pages = journal._base.execute("PRAGMA page_count").fetchone()[0]
        journal._base.execute(f"PRAGMA max_page_count = {pages + 1}")  # as a full disk, to SQLite
        with pytest.raises(RunError, match=r"disk is full.*What is done is kept.*--resume"):
            journal.add([picture(number, reason=f"{number}" * 5000) for number in range(2, 30)])
        assert journal.pictures() == 1
    with Journal(tmp_path, DIM) as journal:
        assert journal.pictures() == 1
        journal.add([picture(2)])
        journal.flush()
    assert images(tmp_path) == ["1.jpg", "2.jpg"]


def test_what_a_kill_left_half_written_is_swept_away(tmp_path):
    Journal(tmp_path, DIM).__exit__()
    half = tmp_path / ROWS_FOLDER / ".0123.part"
    half.write_bytes(b"half")
    Journal(tmp_path, DIM).__exit__()
    assert not half.exists()


def test_statuses_come_in_order_from_parts_and_from_what_waits(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1)])
        journal.flush()
        journal.add([TaggedPicture("bad.jpg", error="no such file"), TaggedPicture("empty.jpg", reason="none")])
        assert list(journal.statuses()) == [("1.jpg", "identified", None), ("bad.jpg", "failed", "no such file"), ("empty.jpg", "blank", None)]


def test_the_journal_is_a_plain_file_when_it_is_closed(tmp_path):
    with Journal(tmp_path, DIM) as journal:
        journal.add([picture(1)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.sqlite", "rows"]
    assert sqlite3.connect(tmp_path / "journal.sqlite").execute("SELECT count(*) FROM done").fetchone() == (1,)
