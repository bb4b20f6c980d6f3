"""What a detector learns from: boxes as read, what is kept back, the strips without organisms."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bioclip_search.errors import PictureError, TableError
from bioclip_search.images import ORIENTATION
from bioclip_search.train.detector_config import BoxSetConfig, DetectorConfig
from bioclip_search.train.detector_data import BoxedPicture, background_of, read_boxed, read_silver
from bioclip_search.train.pictures import hash_fraction
from tests.train.boxed_files import square_picture, write_squares

SQUARES = BoxSetConfig("squares", "squares-*.parquet")


def write_boxes(folder, boxes, **columns):
    rows = {
        "image": [{"bytes": square_picture(0)[0], "path": None}] * len(boxes),
        "source_id": [f"p{i}" for i in range(len(boxes))],
        "split": ["train"] * len(boxes),
    }
    table = pa.table(rows | ({"box_xyxy": pa.array(boxes, pa.list_(pa.int32()))} if boxes and boxes[0] is not ... else {}) | columns)
    pq.write_table(table, folder / "squares-all.parquet")
    return folder


def test_both_ways_of_writing_boxes_give_the_same(tmp_path):
    pictures = read_boxed(write_squares(tmp_path), [SQUARES])
    assert len(pictures) == 16
    for picture in pictures:
        split, number = picture.source_id.split("/")
        assert picture.boxes_xyxy == (square_picture(int(number) + (100 if split == "val" else 0))[1],)
        assert picture.size_wh() == picture.open().size == (48, 48)


def test_a_file_gives_the_upright_picture_and_one_that_is_gone_is_named(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by a quarter, so that what is left lies above
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[:, :3] = (255, 0, 0)
    Image.fromarray(colours).resize((60, 40), Image.Resampling.NEAREST).save(tmp_path / "turned.jpg", exif=exif)
    picture = BoxedPicture(tmp_path / "turned.jpg", ((0, 0, 40, 30),), "set", "turned", True)
    assert picture.size_wh() == picture.open().size == (40, 60)
    seen = np.asarray(picture.open())
    assert seen[:25, :, 0].min() > 200 > 50 > seen[35:, :, 0].max()
    (tmp_path / "turned.jpg").unlink()
    for look in (picture.open, picture.size_wh):
        with pytest.raises(PictureError, match=r"turned\.jpg no such file\. The pictures of a run must stay"):
            look()


def test_rows_of_another_split_are_kept_back(tmp_path):
    pictures = read_boxed(write_squares(tmp_path), [SQUARES])
    assert {(picture.source_id.split("/")[0], picture.taught) for picture in pictures} == {("train", True), ("val", False)}


def test_a_fraction_is_kept_back_by_set_and_name_alone(tmp_path):
    pictures = read_boxed(write_squares(tmp_path), [BoxSetConfig("squares", "squares-train.parquet", hold_pictures=0.4)])
    assert [picture.taught for picture in pictures] == [hash_fraction(f"squares/{picture.source_id}") >= 0.4 for picture in pictures]
    assert {picture.taught for picture in pictures} == {True, False}


def test_a_picture_whose_boxes_have_no_area_is_left_out(tmp_path):
    pictures = read_boxed(write_boxes(tmp_path, [[3, 3, 3, 9], [1, 2, 30, 20], None]), [SQUARES])
    assert [(picture.source_id, picture.boxes_xyxy) for picture in pictures] == [("p1", ((1.0, 2.0, 30.0, 20.0),))]


def test_a_set_without_boxes_is_told_where_it_belongs(tmp_path):
    write_boxes(tmp_path, [...])
    with pytest.raises(TableError, match=r"no column box_xyxy or objects.*\[\[silver\]\]"):
        read_boxed(tmp_path, [SQUARES])


def test_a_set_without_files_is_named(tmp_path):
    with pytest.raises(TableError, match=r"'squares'.*data_root"):
        read_boxed(tmp_path, [SQUARES])


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "squares-bad.parquet").write_bytes(b"no table")
    with pytest.raises(TableError, match=r"cannot read .*squares-bad"):
        read_boxed(tmp_path, [SQUARES])


def test_a_file_without_pictures_is_named(tmp_path):
    pq.write_table(pa.table({"source_id": ["a"], "split": ["train"], "box_xyxy": [[0, 0, 9, 9]]}), tmp_path / "squares-all.parquet")
    with pytest.raises(TableError, match="lack the column 'image'"):
        read_boxed(tmp_path, [SQUARES])


@pytest.mark.parametrize(
    ("boxes", "strip", "case"),
    [
        (((60, 20, 90, 90),), (0, 0, 60, 100), "the left is widest"),
        (((5, 55.5, 95, 95),), (0, 0, 100, 55), "above, whole pixels only"),
        (((10, 0, 20, 10), (70, 90, 95, 100)), None, "boxes in opposite corners leave nothing"),
        (((0, 0, 100, 100),), None, "the organism fills the picture"),
        (((-5, 0, 62, 140),), None, "38 px beside it are too narrow"),
        (((-5, 0, 60, 140),), (60, 0, 100, 100), "40 px are just enough"),
    ],
)
def test_scenery_is_the_largest_strip_beside_all_boxes(boxes, strip, case):
    assert background_of(BoxedPicture(b"", boxes, "", "", True), (100, 100), 40) == strip, case


def test_no_silver_sets_need_no_teacher(tmp_path):
    assert read_silver(DetectorConfig((SQUARES,)), tmp_path) == []
    silver = (BoxSetConfig("birds", "none"),)
    assert read_silver(DetectorConfig((SQUARES,), silver=silver, silver_model="missing.onnx", use_silver=False), tmp_path) == []


def test_the_teacher_is_asked_once_for_the_same_pictures(shared, tmp_path):
    kept = {
        "data_root": shared.as_posix(),
        "silver_model": "models/yolox_nano.onnx",
        "silver": (BoxSetConfig("raccoons", "boxes/raccoon-*.parquet", hold_pictures=0.9),),
    }
    told = []
    first = read_silver(DetectorConfig((SQUARES,), **kept), tmp_path, lambda done, of: told.append(of))
    asked = len(told)
    assert asked > 0
    again = read_silver(DetectorConfig((SQUARES,), **kept), tmp_path, lambda done, of: told.append(of))
    assert len(told) == asked
    assert [picture.boxes_xyxy for picture in again] == [picture.boxes_xyxy for picture in first]
    assert first
    assert all(picture.taught and len(picture.boxes_xyxy) == 1 for picture in first)
    read_silver(DetectorConfig((SQUARES,), silver_confidence=0.5, **kept), tmp_path, lambda done, of: told.append(of))
    assert len(told) > asked  # a stricter question is another one
