"""The order of work over a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from pyarrow import parquet

from bioclip_search.bursts.folder import SequenceAnswer, write_sequences
from bioclip_search.bursts.sequences import find_sequences
from bioclip_search.errors import RunError
from bioclip_search.media import media_id
from bioclip_search.review.decisions import WHOLE, append, standing_decisions
from bioclip_search.review.queue import queue
from bioclip_search.review.rows import Rows
from bioclip_search.review.worklist import AHEAD, Worklist
from tests.review.test_decisions import lion
from tests.standards.runs import crop, picture, small_run

NOON = datetime(2024, 5, 1, 12)
EAST, NORTH = np.array([1, 0, 0, 0], np.float16), np.array([0, 1, 0, 0], np.float16)


def seen(image: str, probability: float, vector: np.ndarray = EAST, **told):
    return picture(image, replace(crop(0, probability=probability), embedding=vector), **told)


@pytest.fixture
def run(tmp_path):
    pictures = [seen("a.jpg", 0.8), seen("b.jpg", 0.2), seen("c.jpg", 0.5, NORTH), seen("d.jpg", 0.99), seen("e.jpg", 0.6), seen("f.jpg", 0.4, NORTH)]
    return small_run(tmp_path / "run", pictures)


def images(worklist: Worklist) -> list[str]:
    return [worklist.doubt(place).image for place in range(len(worklist))]


def test_the_largest_doubt_comes_first_with_those_like_it_behind(run):
    worklist = Worklist(run)
    assert images(worklist) == ["b.jpg", "e.jpg", "a.jpg", "f.jpg", "c.jpg"]
    assert [worklist.alike(place) for place in (1, 3)] == [[0, 1, 2], [3, 4]]
    assert worklist.is_grouped


def test_without_vectors_the_order_is_that_of_the_queue(tmp_path):
    run = small_run(tmp_path / "run", [seen("a.jpg", 0.8), seen("b.jpg", 0.2), seen("c.jpg", 0.5, NORTH)], dim=None)
    worklist = Worklist(run)
    assert images(worklist) == [doubt.image for doubt in queue(run)] == ["b.jpg", "c.jpg", "a.jpg"]
    assert worklist.alike(1) == [1]
    assert not worklist.is_grouped


def test_a_crop_whose_vector_was_not_kept_stands_alone(tmp_path):
    run = small_run(tmp_path / "run", [seen("a.jpg", 0.2, None), seen("b.jpg", 0.3), seen("c.jpg", 0.5, None), seen("d.jpg", 0.6)])
    worklist = Worklist(run)
    assert images(worklist) == ["a.jpg", "b.jpg", "d.jpg", "c.jpg"]
    assert [len(worklist.alike(place)) for place in range(4)] == [1, 2, 2, 1]


def test_nobodys_place_moves_while_others_decide_and_what_was_decided_comes_last_anew(run):
    worklist = Worklist(run)
    append(run.folder, [lion(0, media_id("b.jpg")), lion(WHOLE, media_id("c.jpg")), lion(0, "nonsense")])
    standing = standing_decisions(run.folder)
    assert worklist.decided(standing).tolist() == [True, False, False, False, True]
    assert images(worklist)[0] == "b.jpg"
    assert images(Worklist(run, standing=standing)) == ["f.jpg", "e.jpg", "a.jpg", "b.jpg", "c.jpg"]


def test_the_next_open_crop_is_the_one_behind_and_then_from_the_front(run):
    worklist = Worklist(run)
    closed = np.array([False, True, True, False, True])
    assert [worklist.next_open(closed, after) for after in (-1, 0, 3, 4)] == [0, 3, 0, 0]
    assert worklist.next_open(np.ones(5, bool), 2) is None


def test_a_crop_is_found_by_its_key(run):
    worklist = Worklist(run)
    assert [worklist.place(worklist.key(place)) for place in range(5)] == [0, 1, 2, 3, 4]
    assert worklist.place((media_id("d.jpg"), 0)) is None
    assert worklist.place(("nonsense", 0)) is None


def test_nothing_in_doubt_is_an_empty_list(tmp_path):
    for number, pictures in enumerate(([], [seen("a.jpg", 0.99)])):
        worklist = Worklist(small_run(tmp_path / str(number), pictures))
        assert len(worklist) == 0
        assert worklist.next_open(worklist.decided({})) is None


def test_the_burst_shows_its_other_pictures(tmp_path):
    shots = [seen(f"{second}.jpg", 0.5, timestamp=NOON + timedelta(seconds=second)) for second in (0, 1, 2)]
    run = small_run(tmp_path / "run", [*shots, seen("late.jpg", 0.5, timestamp=NOON + timedelta(hours=1))])
    grouping = find_sequences(run)
    write_sequences(run.folder, grouping, [SequenceAnswer(grouping.name(number)) for number in range(2)])
    worklist = Worklist(run)
    found = {worklist.doubt(place).image: [one.image for one in worklist.burst(place)] for place in range(4)}
    assert found == {"0.jpg": ["1.jpg", "2.jpg"], "1.jpg": ["0.jpg", "2.jpg"], "2.jpg": ["0.jpg", "1.jpg"], "late.jpg": []}


def test_what_is_read_ahead_needs_no_second_reading(tmp_path):
    run = small_run(tmp_path / "run", [seen(f"{number:03}.jpg", 0.5) for number in range(AHEAD + 2)], rows_a_part=4)
    worklist = Worklist(run)
    first = worklist.doubt(0)
    for part in run.parts:
        part.unlink()
    assert worklist.doubts(range(AHEAD))[0] == first
    with pytest.raises(RunError, match="cannot be read"):
        worklist.doubt(AHEAD + 1)


def test_rows_are_found_in_their_parts(run):
    rows = Rows(run)
    found = [(here.tolist(), table["image"].to_pylist()) for here, table in rows.at(np.array([0, 3, 5]), ("image",))]
    assert (len(rows), found) == (6, [([0], ["a.jpg"]), ([3], ["d.jpg"]), ([5], ["f.jpg"])])
    assert parquet.read_metadata(run.parts[0]).num_rows == 2
    run.parts[1].write_bytes(b"torn")
    with pytest.raises(RunError, match="cannot be read"):
        Rows(run)
