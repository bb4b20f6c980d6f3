from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.boxed.sets import TrueBox, find_boxed_sets, read_coco
from bioclip_search.errors import TableError
from tests.evaluation.test_labelled import png


def coco(**changes):
    content = {
        "images": [{"id": 7, "file_name": "sub/a.png"}, {"id": "x", "file_name": "b.png"}],
        "annotations": [
            {"image_id": 7, "bbox": [1, 2, 3, 4], "category_id": 1},
            {"image_id": 7, "bbox": [0, 0, 9, 9], "category_id": 1, "iscrowd": 1},
            {"image_id": 7, "bbox": [0, 0, 0, 9], "category_id": 1},
            {"image_id": "x", "category_id": 3},
            {"image_id": "x", "bbox": [0, 0, 5, 5], "category_id": 2},
        ],
        "categories": [{"id": 1, "name": "Procyon lotor"}, {"id": 2, "name": "Human"}, {"id": 3, "name": "empty"}],
    }
    return content | changes


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_coco_file_is_read_with_its_crowds_and_without_people_and_boxes_that_are_none(tmp_path):
    (found,) = find_boxed_sets([write(tmp_path / "x.json", coco())])
    assert found.boxes == ((TrueBox((1, 2, 4, 6), "Procyon lotor"), TrueBox((0, 0, 9, 9), "Procyon lotor", True)), ())
    assert (found.names, found.dropped) == (("x/sub/a.png", "x/b.png"), 1)
    assert list(found.pictures(np.array([True, True]))) == [tmp_path / "sub/a.png", tmp_path / "b.png"]
    assert list(read_coco(tmp_path / "x.json", tmp_path / "photos").pictures(np.array([True, False]))) == [tmp_path / "photos/sub/a.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is no JSON", id="empty"),
        pytest.param("[1]", "is no COCO file", id="a list"),
        pytest.param({"images": None}, "is no COCO file", id="no list of images"),
        pytest.param(coco(annotations=[{"image_id": 7, "bbox": [0, 0, 10**400, 1], "category_id": 1}]), "is no COCO file", id="a side beyond all numbers"),
        pytest.param({"images": []}, "is no COCO file .KeyError: 'annotations'", id="no annotations"),
        pytest.param(coco(annotations=[{"image_id": 99, "bbox": [0, 0, 1, 1], "category_id": 1}]), "is no COCO file", id="an unknown image"),
        pytest.param(coco(annotations=[{"image_id": 7, "bbox": [0, 0, 1], "category_id": 1}]), "is no COCO file", id="half a box"),
        pytest.param(coco(images=[{"id": 7, "file_name": "a"}, {"id": 7, "file_name": "b"}]), "several of its images have the id 7", id="an id twice"),
    ],
)
def test_what_is_no_coco_file_is_refused(tmp_path, content, message):
    with pytest.raises(TableError, match=message):
        find_boxed_sets([write(tmp_path / "x.json", content)])


def test_parquet_with_objects_or_with_one_box_a_picture(tmp_path):
    image = [{"bytes": png(1), "path": None}, {"bytes": png(2), "path": None}]
    objects = [{"bbox": [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 1.0]], "category": ["Felis catus", "Felis catus"]}, {"bbox": [], "category": []}]
    parquet.write_table(pa.table({"image": image, "objects": objects, "split": ["train", None]}), tmp_path / "a.parquet")
    parquet.write_table(pa.table({"image": image, "box_xyxy": [[1, 2, 4, 6], [3, 3, 3, 3]]}), tmp_path / "b.parquet")
    one, two = find_boxed_sets([tmp_path])
    assert one.boxes == ((TrueBox((1, 2, 4, 6), "Felis catus"),), ())
    assert (one.dropped, one.parts.tolist()) == (1, ["train", "all"])
    assert two.boxes == ((TrueBox((1, 2, 4, 6), "organism"),), ())
    assert list(one.pictures(np.array([False, True]))) == [png(2)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"objects": [{"bbox": [[1.0, 1.0, 5.0, 5.0]], "category": ["Puma", "x"]}]}, "row 1: has no boxes that could be read .ValueError"),
        ({"objects": [{"bbox": [[1.0, 1.0, 5.0]], "category": ["Puma"]}]}, "row 1: .*expected 4, got 3"),
        ({"objects": [{"boxes": [1.0]}]}, "row 1: .*KeyError: 'bbox'"),
        ({"objects": ["Puma"]}, "row 1: .*TypeError"),
        ({"box_xyxy": [[1, 2, 3, 4], [1, 2, 3]]}, "row 2: .*expected 4, got 3"),
    ],
)
def test_boxes_that_are_none_are_refused_with_their_row(tmp_path, columns, message):
    (values,) = columns.values()
    parquet.write_table(pa.table({"image": [{"bytes": png(1), "path": None}] * len(values), **columns}), tmp_path / "a.parquet")
    with pytest.raises(TableError, match=message):
        find_boxed_sets([tmp_path / "a.parquet"])


def test_times_and_sizes_that_are_none_are_not_told(tmp_path):
    told = {"taken": ["yesterday evening", "2024-05-01T06:00:00"], "width": ["wide", "40"], "height": [float("nan"), 30.0], "split": [3, None]}
    columns = {"image": [b"", b""], "box_xyxy": [[0.0, 0.0, 1.0, 1.0]] * 2}
    parquet.write_table(pa.table(columns | told), tmp_path / "x.parquet")
    (found,) = find_boxed_sets([tmp_path / "x.parquet"])
    assert found.taken.tolist() == [None, "2024-05-01T06:00:00"]
    assert found.sizes_wh.tolist() == [[0, 0], [0, 30]]
    assert found.parts.tolist() == ["3", "all"]


def test_a_row_without_objects_is_a_picture_of_nothing(tmp_path):
    objects = pa.array([None, {"bbox": None, "category": None}], pa.struct({"bbox": pa.list_(pa.list_(pa.float64())), "category": pa.list_(pa.string())}))
    parquet.write_table(pa.table({"image": [{"bytes": png(1), "path": None}] * 2, "objects": objects}), tmp_path / "a.parquet")
    (found,) = find_boxed_sets([tmp_path / "a.parquet"])
    assert (found.boxes, found.dropped) == (((), ()), 0)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(TableError, match="none of the formats"):
        find_boxed_sets([tmp_path / "a.csv"])
    with pytest.raises(TableError, match="none of the formats"):
        find_boxed_sets([tmp_path])
    with pytest.raises(TableError, match="cannot be read"):
        find_boxed_sets([tmp_path / "none.json"])
    parquet.write_table(pa.table({"image": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(TableError, match="has no columns image and objects"):
        find_boxed_sets([tmp_path / "a.parquet"])


def test_the_real_boxes_are_read(shared):
    raccoons, kangaroos = find_boxed_sets([shared / "boxes/raccoon-val.parquet", shared / "boxes/kangaroo-val.parquet"])
    assert (len(raccoons), sum(map(len, raccoons.boxes)), len(kangaroos), sum(map(len, kangaroos.boxes))) == (32, 32, 28, 47)
    assert {box.category for several in raccoons.boxes for box in several} == {"Procyon lotor"}
