"""Boxes proposed by a teacher: the rules by hand, the decoding against boxes that people drew."""

import io

import PIL.Image
import pyarrow.parquet as pq
import pytest

from bioclip_search.detectors.boxes import box_iou
from bioclip_search.errors import ModelError
from bioclip_search.train.detector_silver import YoloxTeacher, dominant_box, propose_boxes

SIZE = (100, 100)
MIDDLE, OTHER = (30.0, 30.0, 70.0, 70.0), (0.0, 0.0, 25.0, 25.0)


@pytest.mark.parametrize(
    ("proposals", "expected", "case"),
    [
        ([], None, "nothing proposed"),
        ([(0.8, MIDDLE)], MIDDLE, "one sure box"),
        ([(0.34, MIDDLE)], None, "rule 1: not sure enough"),
        ([(0.8, MIDDLE), (0.41, OTHER)], None, "rule 2: a rival elsewhere"),
        ([(0.8, MIDDLE), (0.39, OTHER)], MIDDLE, "rule 2: a weak one elsewhere"),
        ([(0.8, MIDDLE), (0.79, (31.0, 30.0, 70.0, 71.0))], MIDDLE, "rule 2: the same box again is no rival"),
        ([(0.8, (0.0, 0.0, 100.0, 100.0))], None, "rule 3: everything is nothing"),
        ([(0.8, (45.0, 45.0, 55.0, 55.0))], None, "rule 3: a hundredth of the picture"),
        ([(0.8, (62.0, 62.0, 99.0, 99.0))], None, "rule 3: in the corner"),
        ([(0.8, (20.0, 46.0, 80.0, 53.0))], None, "rule 3: thinner than 8 px"),
    ],
)
def test_the_dominant_box(proposals, expected, case):
    assert dominant_box(proposals, SIZE, 0.35) == expected, case


def test_a_missing_or_foreign_teacher_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match=r"YOLOX model in .*nowhere"):
        YoloxTeacher(tmp_path / "nowhere.onnx")


def test_a_model_of_another_shape_is_a_model_error(shared):
    with pytest.raises(ModelError, match="whose output is"):
        YoloxTeacher(shared / "models" / "yolov8n_int8.onnx")


def test_proposals_lie_on_the_animals(shared):
    teacher = YoloxTeacher(shared / "models" / "yolox_nano.onnx")
    rows = pq.read_table(shared / "boxes" / "raccoon-val.parquet").slice(0, 12).to_pylist()
    hits = 0
    for row in rows:
        picture = PIL.Image.open(io.BytesIO(row["image"]["bytes"]))
        true = [(x, y, x + w, y + h) for x, y, w, h in row["objects"]["bbox"]]
        hits += any(box_iou(box, one) > 0.5 for _, box in teacher.propose(picture, 0.3)[:5] for one in true)
    assert hits >= 9  # of 12 pictures


def test_bytes_that_are_no_picture_have_no_box(shared):
    teacher = YoloxTeacher(shared / "models" / "yolox_nano.onnx")
    blank = io.BytesIO()
    PIL.Image.new("L", (5, 300)).save(blank, "png")
    assert propose_boxes(teacher, [b"no picture", blank.getvalue()], 0.35) == [None, None]
