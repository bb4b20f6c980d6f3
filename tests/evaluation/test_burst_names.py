"""Labelled pictures of one burst are known as such, whoever tells it: a table, a run, or the clock of the camera."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bioclip_search.errors import TableError
from bioclip_search.evaluation.burst_names import burst_names, bursts_of, groups_in, with_bursts, with_parted_bursts_told, with_whole_bursts
from bioclip_search.evaluation.labelled import find_sets

NONE = [None] * 3


def groups(names):
    """Which rows share a name; unknown ones as -1."""
    known = list(dict.fromkeys(name for name in names if name is not None))
    return [-1 if name is None else known.index(name) for name in names]


def photo(path, when=None, shade=0):
    picture = Image.new("RGB", (8, 8), (shade, 0, 0))
    exif = Image.Exif()
    if when:
        exif[0x0132] = when
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, exif=exif)
    return path


def test_a_sequence_of_one_name_at_two_stations_is_two_bursts():
    assert groups(burst_names(["7", "7", "7"], ["A", "B", "A"], NONE, NONE)) == [0, 1, 0]


def test_pictures_at_a_station_within_a_minute_of_each_other_are_one_burst():
    """At 0, 60 and 121 s: the gap is 60 s at most, so the third is alone."""
    times = ["2024-05-01T06:00:00", "2024-05-01T06:01:00", "2024-05-01T06:02:01"]
    assert groups(burst_names(NONE, ["A"] * 3, times, NONE)) == [0, 0, 1]
    assert groups(burst_names(NONE, ["A", "B", "A"], times, NONE)) == [0, 1, 2]


def test_without_stations_the_folder_stands_for_one_and_parts_are_no_folders():
    times = ["2024-05-01T06:00:00"] * 3
    assert groups(burst_names(NONE, NONE, times, ["train/Puma/1.jpg", "val/Puma/2.jpg", "val/Lynx/3.jpg"])) == [0, 0, 1]


def test_a_day_alone_joins_what_one_station_took():
    assert groups(burst_names(NONE, ["A", "A", None], ["2024-05-01"] * 3, NONE)) == [0, 0, -1]


def test_a_table_that_tells_nothing_has_no_bursts():
    assert burst_names(NONE, ["A"] * 3, NONE, NONE) is None
    assert burst_names([], [], [], []) is None


def write_table(folder, rows, header="path,species,split,seq_id"):
    folder.mkdir(exist_ok=True)
    (folder / "list.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    return find_sets([folder / "list.csv"])[0]


PARTED = ["a.jpg,Puma concolor,train,1", "b.jpg,Puma concolor,train,1", "c.jpg,Puma concolor,test,1", "d.jpg,Puma concolor,test,2"]


def test_a_table_that_parts_a_sequence_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"parts one burst \(3 pictures .*list/a.jpg is in train, and list/c.jpg .* in test.*--mend-split"):
        with_whole_bursts([write_table(tmp_path, PARTED)])


def test_a_table_that_parts_a_sequence_is_mended_where_asked(tmp_path):
    (whole,) = with_whole_bursts([write_table(tmp_path, PARTED)], mend=True)
    assert whole.parts.tolist() == ["train", "train", "train", "test"]
    assert "1 picture moved" in whole.notes[-1]


def test_a_picture_named_in_both_parts_is_refused_as_well(tmp_path):
    table = write_table(tmp_path, ["a.jpg,Puma concolor,train,", "a.jpg,Puma concolor,test,"])
    with pytest.raises(TableError, match="--mend-split"):
        with_whole_bursts([table])


def test_a_sound_split_comes_back_as_it_was(tmp_path):
    table = write_table(tmp_path, ["a.jpg,Puma concolor,train,1", "d.jpg,Puma concolor,test,2"])
    assert with_whole_bursts([table])[0].parts.tolist() == ["train", "test"]


def table_at(path, rows, header="path,species,split,station,timestamp"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


BY_TIME = {
    "a": [
        "1.jpg,Puma concolor,train,A,2024-05-01T06:00:00",
        "2.jpg,Puma concolor,train,A,2024-05-01T06:00:50",
        "3.jpg,Puma concolor,train,A,2024-05-01T09:00:00",
    ],
    "b": ["4.jpg,Puma concolor,test,A,2024-05-01T06:01:40", "5.jpg,Puma concolor,test,B,2024-05-01T06:01:40"],
}
"""Pictures 1, 2 and 4 follow one another within a minute at station A; 3 came hours later, 5 stands elsewhere."""


def test_a_burst_whose_frames_stand_in_two_tables_is_one_by_place_and_time(tmp_path):
    sets = find_sets([table_at(tmp_path / name / "list.csv", rows) for name, rows in BY_TIME.items()])
    first, second = with_bursts(sets)
    assert groups([*first.bursts, *second.bursts]) == [0, 0, 1, 0, 2]
    assert with_bursts([first, second])[1] is second  # found once for all


def test_a_split_that_lies_in_two_tables_and_parts_a_burst_is_refused_or_mended(tmp_path):
    sets = find_sets([table_at(tmp_path / f"{name}.csv", rows) for name, rows in BY_TIME.items()])
    with pytest.raises(TableError, match=r"parts one burst \(3 pictures .*a/1.jpg is in train, and b/4.jpg of the same burst in test.*--mend-split"):
        with_whole_bursts(sets)
    first, second = with_whole_bursts(sets, mend=True)
    assert first.parts.tolist() == ["train"] * 3
    assert second.parts.tolist() == ["train", "test"]
    assert "1 picture moved" in first.notes[-1]


@pytest.mark.parametrize(
    ("places", "days", "are_one"),
    [
        (("a.csv", "b.csv"), ("", ""), True),
        (("train/a.csv", "test/a.csv"), ("", ""), True),
        (("north/a.csv", "south/a.csv"), ("", ""), False),
        (("north/a.csv", "south/a.csv"), ("2024-05-01", "2024-05-01"), True),
        (("north/a.csv", "south/a.csv"), ("2024-05-01", "2024-05-02"), False),
    ],
    ids=["one folder", "folders of parts", "two folders", "two folders and one day", "two folders and two days"],
)
def test_a_sequence_of_one_name_in_two_tables_is_one_burst_where_one_project_counts(tmp_path, places, days, are_one):
    tables = [table_at(tmp_path / place, [f"{day}.jpg,Puma concolor,7,{day}"], "path,species,seq_id,date") for place, day in zip(places, days, strict=True)]
    first, second = with_bursts(find_sets(tables))
    assert (first.bursts[0] == second.bursts[0]) is are_one


def test_the_clock_of_the_camera_tells_a_burst_that_two_tables_share(tmp_path):
    photo(tmp_path / "p/1.jpg", "2024:05:01 06:00:00")
    photo(tmp_path / "p/2.jpg", "2024:05:01 06:00:01")
    photo(tmp_path / "p/3.jpg", "2024:05:01 09:00:00")
    rows = {"a": ["p/1.jpg,Puma concolor,train"], "b": ["p/2.jpg,Puma concolor,test", "p/3.jpg,Puma concolor,test"]}
    sets = find_sets([table_at(tmp_path / f"{name}.csv", of, "path,species,split") for name, of in rows.items()])
    with pytest.raises(TableError, match=r"a/p/1.jpg is in train, and b/p/2.jpg of the same burst in test"):
        with_whole_bursts(sets)


def test_one_file_that_two_tables_name_is_one_picture(tmp_path):
    (tmp_path / "p").mkdir()
    rows = {"a.csv": "p/1.jpg,Puma concolor,train", "p/b.csv": "1.jpg,Puma concolor,test"}
    sets = find_sets([table_at(tmp_path / name, [row], "path,species,split") for name, row in rows.items()])
    with pytest.raises(TableError, match=r"a/p/1.jpg is in train, and b/1.jpg of the same burst in test"):
        with_whole_bursts(sets)


def test_bursts_that_runs_name_alike_are_two(tmp_path):
    sets = [
        replace(one, bursts=np.array(["1"], object), taken=None) for one in find_sets([table_at(tmp_path / f"{name}.csv", BY_TIME["a"][:1]) for name in "ab"])
    ]
    first, second = with_bursts(sets)
    assert first.bursts[0] != second.bursts[0]


def test_where_nothing_is_taught_a_parted_burst_is_told_and_stays_where_it_is(tmp_path):
    (found,) = with_parted_bursts_told([write_table(tmp_path, PARTED)])
    assert found.parts.tolist() == ["train", "train", "test", "test"]
    assert "parts one burst" in found.notes[-1]
    assert "if the index was taught some of them" in found.notes[-1]
    (sound,) = with_parted_bursts_told([write_table(tmp_path / "sound", PARTED[2:])])
    assert sound.notes == ()


def test_the_clock_of_the_camera_tells_a_burst_that_two_parts_share(tmp_path):
    photo(tmp_path / "train/Puma concolor/1.jpg", "2024:05:01 06:00:00")
    photo(tmp_path / "val/Puma concolor/2.jpg", "2024:05:01 06:00:01")
    photo(tmp_path / "val/Puma concolor/3.jpg", "2024:05:01 09:00:00")
    (labelled,) = find_sets([tmp_path])
    assert labelled.bursts is None  # no file was opened yet
    assert groups(bursts_of(labelled)) == [0, 0, 1]
    with pytest.raises(TableError, match="--mend-split"):
        with_whole_bursts([labelled])
    assert with_whole_bursts([labelled], mend=True)[0].parts.tolist() == ["train", "train", "val"]  # of equal halves to the smaller part


def test_what_cannot_be_opened_is_in_no_burst(tmp_path):
    photo(tmp_path / "Puma concolor/1.jpg", "2024:05:01 06:00:00")
    photo(tmp_path / "Puma concolor/2.jpg")
    (tmp_path / "Puma concolor/3.jpg").write_bytes(b"no picture")
    (tmp_path / "Puma concolor/4.jpg").write_bytes(b"")
    assert groups(bursts_of(find_sets([tmp_path])[0])) == [0, -1, -1, -1]


def test_pictures_without_any_time_have_no_bursts(tmp_path):
    photo(tmp_path / "Puma concolor/2.jpg")
    assert bursts_of(find_sets([tmp_path])[0]) is None


def test_copies_are_kept_together_by_their_vectors(tmp_path):
    from bioclip_search.evaluation.picture_vectors import EmbeddedSet

    labelled = write_table(tmp_path, PARTED)
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], np.float32)
    found = EmbeddedSet("list", vectors, labelled.taxa, labelled.parts, labelled.names, labelled.taxa)
    assert groups_in(found).tolist() == [0, 1, 0, 2]
    assert groups_in(replace(found, bursts=labelled.bursts)).tolist() == [0, 0, 0, 1]
    assert replace(found, bursts=labelled.bursts).take(np.array([3, 0])).bursts.tolist() == [": 2", ": 1"]


def test_sixty_frames_of_a_camera_trap_are_known_as_its_bursts(shared, tmp_path):
    """Taken in threes, a second apart; by the file names, frames 1 to 3 are the first, 4 to 6 the next."""
    for part, numbers in (("train", range(1, 32)), ("val", range(32, 61))):  # 31 to 33 are one burst
        for number in numbers:
            (tmp_path / part / "Mazama").mkdir(parents=True, exist_ok=True)
            shutil.copy(shared / f"bursts/animl-peru-SDZG_1/EK{number:06d}.JPG", tmp_path / part / "Mazama")
    (labelled,) = find_sets([tmp_path])
    found = groups(bursts_of(labelled))
    assert all(found[first] == found[first + 1] == found[first + 2] >= 0 for first in range(0, 60, 3))
    with pytest.raises(TableError, match=r"EK000031.JPG is in train, and .*EK000032.JPG of the same burst in val"):
        with_whole_bursts([labelled])
    (mended,) = with_whole_bursts([labelled], mend=True)
    assert {mended.parts[row] for row in (30, 31, 32)} == {"val"}


def test_a_camera_trap_package_as_labels_knows_its_events(shared):
    """observations.csv names eventID and mediaID; two tables joined as the labels of pictures."""
    from bioclip_search.tables import read_table

    folder = shared / "bursts/camtrap-dp-example"
    observations = read_table(folder / "observations.csv").select(["eventid", "deploymentid", "mediaid"]).to_pylist()
    rows = [row for row in observations if row["mediaid"]]
    found = burst_names([row["eventid"] for row in rows], [row["deploymentid"] for row in rows], [None] * len(rows), [None] * len(rows))
    assert len(set(found)) == len({row["eventid"] for row in rows}) < len(rows)
