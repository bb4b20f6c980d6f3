"""Which pictures are one sequence."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bioclip_search.bursts.sequences import GAP_S, LONGEST_PICTURES, find_sequences, group, pictures_of
from bioclip_search.errors import RunError
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.runs.table import to_table
from tests.standards.runs import crop, picture, small_run

NOON = datetime(2024, 5, 1, 12, 0, 0)


def sequences_of(pictures: list[TaggedPicture], gap_s: float = GAP_S) -> list[list[str]]:
    """The images of each sequence, in the order of the run."""
    grouping = group(pictures_of(to_table(pictures, None).to_batches(max_chunksize=2)), gap_s)
    return [[pictures[place].image for place in np.flatnonzero(grouping.of == number)] for number in range(len(grouping))]


def at(second: float, image: str, **told) -> TaggedPicture:
    return picture(image, timestamp=NOON + timedelta(seconds=second), **({"deployment": "A"} | told))


def test_pictures_no_further_apart_than_the_gap_are_one_sequence():
    taken = [at(second, f"{second}.jpg") for second in (0, 60, 120, 181)]
    assert sequences_of(taken) == [["0.jpg", "60.jpg", "120.jpg"], ["181.jpg"]]
    assert sequences_of(taken, gap_s=59) == [["0.jpg"], ["60.jpg"], ["120.jpg"], ["181.jpg"]]
    assert len(sequences_of(taken, gap_s=61)) == 1


def test_a_gap_of_nothing_keeps_only_equal_times_together():
    assert sequences_of([at(0, "a"), at(0, "b"), at(1, "c")], gap_s=0) == [["a", "b"], ["c"]]


def test_sequences_never_span_two_deployments():
    assert sequences_of([at(0, "a", deployment="A"), at(1, "b", deployment="B"), at(2, "c", deployment="A")]) == [["a", "c"], ["b"]]


def test_where_no_deployment_is_told_the_folder_stands_for_it():
    taken = [at(second, image, deployment=None) for second, image in enumerate(("x/1.jpg", "y/1.jpg", "x/2.jpg"))]
    assert sequences_of(taken) == [["x/1.jpg", "x/2.jpg"], ["y/1.jpg"]]


def test_a_folder_is_never_taken_for_a_deployment_of_its_name():
    assert sequences_of([at(0, "1.jpg", deployment="x/"), at(1, "x/1.jpg", deployment=None)]) == [["1.jpg"], ["x/1.jpg"]]


def test_files_out_of_order_are_put_in_the_order_of_time():
    grouping = group(pictures_of(to_table([at(second, f"{second}.jpg") for second in (500, 30, 0)], None).to_batches()))
    assert grouping.of.tolist() == [0, 1, 1]  # numbered as the run meets them
    assert grouping.first.tolist() == [0, 2]  # the sequence of the last two begins with the last
    assert grouping.sizes.tolist() == [1, 2]


def test_pictures_without_a_time_are_sequences_of_their_own_and_told():
    grouping = group(pictures_of(to_table([picture("a", deployment="A"), picture("b", deployment="A")], None).to_batches()))
    assert len(grouping) == 2
    assert grouping.notes == ("2 pictures tell no time, each a sequence of its own",)


def test_times_with_and_without_a_zone_are_never_mixed_and_that_is_told():
    grouping = group(pictures_of(to_table([at(0, "a"), picture("b", timestamp=NOON.replace(tzinfo=UTC), deployment="A")], None).to_batches()))
    assert len(grouping) == 2
    assert grouping.notes == ("In 1 deployment some times tell their zone and others do not; pictures of the two kinds are never put into one sequence",)


def test_times_of_two_zones_are_compared_as_moments():
    here = NOON.replace(tzinfo=timezone(timedelta(hours=2)))
    there = (NOON - timedelta(hours=2)).replace(tzinfo=UTC)  # the same moment
    assert sequences_of([picture("a", timestamp=here, deployment="A"), picture("b", timestamp=there, deployment="A")]) == [["a", "b"]]


def test_the_frames_of_one_video_are_one_sequence_and_no_other_picture_is():
    frames = [at(0, "clip.mp4", frame_number=number, frame_rate=1.0) for number in (0, 400, 200)]
    others = [at(1, "still.jpg"), at(2, "next.mp4", frame_number=0)]
    assert sequences_of([*frames, *others]) == [["clip.mp4"] * 3, ["still.jpg"], ["next.mp4"]]


def test_the_crops_of_one_picture_count_once_even_over_two_batches():
    grouping = group(pictures_of(to_table([picture("a", crop(0), crop(1), crop(2), timestamp=NOON)], None).to_batches(max_chunksize=2)))
    assert grouping.sizes.tolist() == [1]


def test_a_camera_that_never_stops_gives_sequences_of_a_length_that_can_be_held():
    taken = [at(30 * number, f"{number}.jpg") for number in range(LONGEST_PICTURES + 1)]
    assert [len(one) for one in sequences_of(taken)] == [LONGEST_PICTURES, 1]


def test_nothing_gives_no_sequence():
    assert len(group(pictures_of([]))) == 0


def test_a_gap_that_is_no_time_stops(tmp_path):
    with pytest.raises(RunError, match="number of seconds"):
        find_sequences(small_run(tmp_path / "run", []), -1)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.one_of(st.none(), st.integers(0, 400))), max_size=25), st.integers(0, 90))
def test_the_same_as_a_plain_loop(taken, gap_s):
    pictures = [
        picture(f"{number}.jpg", deployment=place, **({} if second is None else {"timestamp": NOON + timedelta(seconds=second)}))
        for number, (place, second) in enumerate(taken)
    ]
    expected = []
    for place in "AB":
        timed = sorted((second, number) for number, (there, second) in enumerate(taken) if there == place and second is not None)
        for before, (second, number) in zip([None, *timed], timed, strict=False):
            if before is None or second - before[0] > gap_s:
                expected.append([])
            expected[-1].append(f"{number}.jpg")
        expected += [[f"{number}.jpg"] for number, (there, second) in enumerate(taken) if there == place and second is None]
    assert sorted(map(sorted, expected)) == sorted(map(sorted, sequences_of(pictures, gap_s)))


def test_the_frames_from_peru_come_in_threes(shared):
    folder = shared / "bursts" / "animl-peru-SDZG_1"
    taken = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as opened:
            stamp = datetime.strptime(opened.getexif().get_ifd(0x8769)[0x9003], "%Y:%m:%d %H:%M:%S")
        taken.append(picture(path.name, timestamp=stamp, deployment=folder.name))
    found = sequences_of(taken)
    assert found == [[f"EK{number + k:06}.JPG" for k in range(3)] for number in range(1, 61, 3)]


def test_the_events_of_a_package_from_agouti_are_found_by_time_alone(shared):
    """34 events of 423 pictures in four deployments; each of ours is one of theirs."""
    folder = shared / "bursts" / "camtrap-dp-example"
    events: dict[str, set[str]] = {}
    for row in _table(folder / "observations.csv"):
        if row["observationLevel"] == "media":
            events.setdefault(row["eventID"], set()).add(row["mediaID"])
    media = _table(folder / "media.csv")
    found = sequences_of([picture(row["mediaID"], timestamp=datetime.fromisoformat(row["timestamp"]), deployment=row["deploymentID"]) for row in media])
    assert {frozenset(one) for one in found} == {frozenset(one) for one in events.values()}
    assert len(found) == 34


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
