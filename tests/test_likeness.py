from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import IndexMismatchError, RunError
from bioclip_search.likeness import most_alike, stop_if_foreign, vector_of
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import TaggedCrop
from bioclip_search.runs.table import to_table
from tests.standards.runs import answer, picture, small_run

EAST, NORTH = np.array([1, 0, 0, 0], np.float32), np.array([0, 1, 0, 0], np.float32)


def pointing(number: int, angle_deg: float, **told) -> TaggedCrop:
    """A crop whose vector lies at an angle from `EAST` towards `NORTH`."""
    angle = np.radians(angle_deg)
    vector = (np.cos(angle) * EAST + np.sin(angle) * NORTH).astype(np.float16)
    return TaggedCrop(number, "animal", 0.8, (80.0, 60.0, 400.0, 300.0), answer(**told), vector)


@pytest.fixture
def run(tmp_path) -> Run:
    """Crops at 0, 60, 20 and 40 degrees, a person, a blank and a broken picture; two pictures a part."""
    return small_run(
        tmp_path / "run",
        [
            picture("a.jpg", pointing(0, 0), pointing(1, 60, species="Vulpes vulpes")),
            picture("b.jpg", TaggedCrop(0, "person", 0.9, (0.0, 0.0, 9.0, 9.0))),
            picture("c.jpg"),
            picture("d.jpg", pointing(0, 20, species="Felis catus")),
            picture("e.jpg", error="is no picture"),
            picture("f.jpg", pointing(0, 40, species="Felis catus")),
        ],
    )


def places(likeness):
    return [(found.image, found.crop) for found in likeness.found]


def test_the_crops_come_in_the_order_of_their_cosines(run):
    found = most_alike(run, EAST, 9)
    assert places(found) == [("a.jpg", 0), ("d.jpg", 0), ("f.jpg", 0), ("a.jpg", 1)]
    assert [one.score for one in found.found] == pytest.approx(np.cos(np.radians([0, 20, 40, 60])), abs=1e-3)
    assert found.compared == 4
    assert found.found[1].taxon == "Felis catus"
    assert found.found[1].box_xyxy == (80, 60, 400, 300)


def test_the_best_are_kept_whatever_part_they_stand_in(run):
    assert places(most_alike(run, NORTH, 2)) == [("a.jpg", 1), ("f.jpg", 0)]


def test_persons_are_never_found(run):
    assert "b.jpg" not in {found.image for found in most_alike(run, EAST, 99).found}


def test_pictures_like_one_leave_that_one_out(run):
    first = most_alike(run, EAST, 1).found[0]
    vector = vector_of(run, first.media_id, first.crop)
    assert vector == pytest.approx(EAST)
    assert places(most_alike(run, vector, 2, besides=(first.media_id, first.crop))) == [("d.jpg", 0), ("f.jpg", 0)]


def test_equals_come_in_the_order_of_the_run(tmp_path):
    run = small_run(tmp_path / "run", [picture(f"{number}.jpg", pointing(0, 30)) for number in range(5)])
    assert [found.image for found in most_alike(run, EAST, 3).found] == ["0.jpg", "1.jpg", "2.jpg"]


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_it_finds_what_a_sort_of_all_finds(tmp_path, monkeypatch, batch):
    monkeypatch.setattr("bioclip_search.likeness.BATCH_CROPS", batch)
    angles = np.random.default_rng(7).permutation(60)
    pictures = [picture(f"{number:02}.jpg", pointing(0, angle)) for number, angle in enumerate(angles)]
    run = small_run(tmp_path / "run", pictures, rows_a_part=7)
    expected = [f"{number:02}.jpg" for number in np.argsort(angles)[:10]]
    assert [found.image for found in most_alike(run, EAST, 10).found] == expected


def test_progress_is_told_part_by_part(run):
    told = []
    most_alike(run, EAST, 1, progress=lambda done, total: told.append((done, total)))
    assert told == [(number + 1, len(run.parts)) for number in range(len(run.parts))]


def test_a_run_without_vectors_or_of_another_encoder_says_so(run):
    encoder = {"name": "colours", "fingerprint": "abc+fp32", "dim": 4}
    note = {**run.note, "settings": {**run.note["settings"], "encoder": encoder}}
    stop_if_foreign(Run(run.folder, note), "abc+int8")
    with pytest.raises(IndexMismatchError, match="made by the encoder abc"):
        stop_if_foreign(Run(run.folder, note), "xyz+fp32")
    with pytest.raises(RunError, match="keeps no vectors"):
        stop_if_foreign(Run(run.folder, {**note, "settings": {**note["settings"], "encoder": {"dim": None}}}), "abc+fp32")
    with pytest.raises(RunError, match="vectors of 4 numbers, not 3"):
        most_alike(run, EAST[:3], 1)


def test_an_unknown_crop_is_told(run):
    with pytest.raises(RunError, match="no vector of crop 3"):
        vector_of(run, picture("a.jpg").media_id, 3)
    with pytest.raises(RunError, match="no vector of crop 0"):
        vector_of(run, picture("b.jpg").media_id, 0)


def test_a_run_without_crops_has_none_to_give(tmp_path):
    assert most_alike(small_run(tmp_path / "run", [picture("a.jpg")]), EAST, 5).found == ()


def test_a_damaged_part_is_told(run):
    run.parts[1].write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(RunError, match="cannot be read"):
        most_alike(run, EAST, 1)
    with pytest.raises(RunError, match="cannot be read"):
        vector_of(run, "not there", 0)


def test_vectors_of_another_kind_than_the_run_says_are_told(run):
    table = parquet.read_table(run.parts[0])
    place = table.column_names.index("embedding")
    parquet.write_table(table.set_column(place, "embedding", pa.array(["x"] * len(table))), run.parts[0])
    with pytest.raises(RunError, match="not 4 numbers each"):
        most_alike(run, EAST, 1)


def test_a_box_that_is_none_is_left_out(tmp_path):
    run = small_run(tmp_path / "run", [picture("a.jpg", pointing(0, 0))])
    part = run.parts[0]
    table = to_table(run.pictures(embeddings=True), 4)
    place = table.column_names.index("box_xyxy")
    parquet.write_table(table.set_column(place, table.schema.field("box_xyxy"), pa.array([[1.0, float("nan")]])), part)
    assert most_alike(run, EAST, 1).found[0].box_xyxy is None
