from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.boxed.boxed_set import TrueBox
from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.report import CORRUPT
from bioclip_search.boxed.sets import find_boxed_sets
from bioclip_search.errors import TableError
from tests.boxed.small_boxes import picture_bytes


def yolo(folder, pictures, settings=None):
    """A folder with pictures of 40 x 30 px by their paths, each with its labels, None for no file of them."""
    for number, (name, labels) in enumerate(pictures.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture_bytes(number))
        if labels is not None:
            parts = ["labels" if part == "images" else part for part in path.relative_to(folder).parts]
            label = folder.joinpath(*parts).with_suffix(".txt")
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(labels)
    if settings:
        (folder / "data.yaml").write_text(settings)
    return folder


ROBOFLOW = "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: [Puma, Lynx]\n"
NESTED = "path: /content/some/drive\ntrain: images/train\nval: images/val\nnames: {0: Puma, 1: Lynx}\n"


@pytest.mark.parametrize(
    ("pictures", "settings"),
    [
        pytest.param(("images/train/a.png", "images/val/b.png", "images/val/c.png"), NESTED, id="as ultralytics has it, from another machine"),
        pytest.param(("train/images/a.png", "valid/images/b.png", "valid/images/c.png"), ROBOFLOW, id="as Roboflow has it"),
        pytest.param(("train/images/a.png", "val/images/b.png", "val/images/c.png"), None, id="folders of parts alone"),
    ],
)
def test_a_folder_is_read_by_its_parts(tmp_path, pictures, settings):
    yolo(tmp_path / "x", dict(zip(pictures, ("1 0.2 0.2 0.2 0.2\n", "0 0.5 0.5 1 1", None), strict=True)), settings)
    if settings is None:
        (tmp_path / "x/classes.txt").write_text("Puma\nLynx\n")
    for place in [tmp_path / "x", tmp_path / "x/data.yaml"] if settings else [tmp_path / "x"]:
        (found,) = find_boxed_sets([place])
        assert found.boxes == ((TrueBox(pytest.approx((4, 3, 12, 9)), "Lynx"),), (TrueBox((0, 0, 40, 30), "Puma"),), ())
        assert (found.parts.tolist(), found.categories) == (["train", "val", "val"], ("Puma", "Lynx"))
        assert found.names == tuple(f"x/{name}" for name in pictures)
        assert list(found.pictures(np.array([False, True, False]))) == [tmp_path / "x" / pictures[1]]


def test_pictures_without_parts_and_names_are_of_no_part_and_of_numbered_classes(tmp_path):
    (found,) = find_boxed_sets([yolo(tmp_path / "x", {"images/a.png": "3 0.5 0.5 1 1"})])
    assert (found.parts.tolist(), found.boxes[0][0].category) == (["all"], "class 3")
    assert "its classes have no names" in found.notes[0]


def test_a_polygon_is_the_box_around_it_and_odd_lines_are_told(tmp_path):
    lines = ["0 0.1 0.2 0.5 0.2 0.3 0.6", "0 0.1 0.2 0.3", "x 0 0 1 1", "", "0 0.5 0.5 0 1", "0 0.5 0.5 0.5 nan", "0 0.5 0.5 1 1 0.93"]
    (found,) = find_boxed_sets([yolo(tmp_path / "x", {"images/train/a.png": "\n".join(lines)}, "train: images/train\nnames: [Puma]")])
    assert [box.box_xyxy for box in found.boxes[0]] == [pytest.approx((4, 6, 20, 18)), (0, 0, 40, 30)]
    assert found.dropped == 1  # no width
    assert "passed over 3 lines of labels that are no box" in found.notes[0]
    assert "a.txt, line 2: 0 0.1 0.2 0.3." in found.notes[0]


@pytest.mark.parametrize("line", ["inf 0.5 0.5 0.1 0.1", "-1 0.5 0.5 0.1 0.1", "0 1e308 0.5 1e308 0.1"])
def test_numbers_beyond_all_pictures_are_no_box_and_told(tmp_path, line):
    (found,) = find_boxed_sets([yolo(tmp_path / "x", {"images/train/a.png": line}, "train: images/train\nnames: [Puma]")])
    assert found.boxes == ((),)
    assert "passed over 1 line of labels" in found.notes[0]


def test_names_that_are_no_utf_8_are_told(tmp_path):
    folder = yolo(tmp_path / "x", {"images/a.png": "0 0.5 0.5 1 1"})
    (folder / "classes.txt").write_bytes("Bär".encode("cp1252"))
    with pytest.raises(TableError, match="UTF-8"):
        find_boxed_sets([folder])


def test_a_list_of_pictures_is_read_each_picture_once(tmp_path):
    folder = yolo(tmp_path / "x", {"images/a.png": "0 0.5 0.5 1 1", "images/b.png": None}, "train: train.txt\nval: images\nnames: [Puma]")
    (folder / "train.txt").write_text("./images/b.png\nimages/b.png\n\n")
    (found,) = find_boxed_sets([folder])
    assert list(zip(found.names, found.parts, strict=True)) == [("x/images/b.png", "train"), ("x/images/a.png", "val")]
    assert found.notes == ("x: 1 picture named in two parts of the split, and taken for the first (the first is images/b.png)",)


def test_a_picture_that_cannot_be_read_is_told_when_it_is_looked_into(tmp_path):
    folder = yolo(tmp_path / "x", {"images/a.png": "0 0.5 0.5 1 1", "images/b.png": "0 0.5 0.5 1 1"})
    (folder / "images/a.png").write_bytes(b"no picture")
    (found,) = find_boxed_sets([folder])
    (sound,), report = examine([found])
    assert (sound.names, report.count(CORRUPT), report.boxes) == (("x/images/b.png",), 1, 1)


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)) + "train: images\nnames: [*a9]\n"
"""Nine lists in each of nine lists and so on: a few hundred letters that are two gigabytes when they are written out."""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param("train: ../../etc\nnames: [a]", "leads out of the package", id="out by dots"),
        pytest.param("train: /etc\nnames: [a]", "leads out of the package", id="absolute"),
        pytest.param("path: ..\ntrain: x\nnames: [a]", "leads out of the package", id="a path that is there, and above"),
        pytest.param("train: images\nnames: 3", "names of its classes cannot be read", id="no names"),
        pytest.param("train: images\nnames: {.inf: a}", "names of its classes cannot be read", id="a number beyond all numbers"),
        pytest.param("train: {a: images}\nnames: [a]", "a word was expected, not a dict", id="a part that is no folder"),
        pytest.param(BOMB, "a word was expected, not a list", id="lists of lists of lists"),
        pytest.param("train: 3\nnames: [a]", "there are no pictures", id="a number for a folder"),
        pytest.param("train: nowhere\nnames: [a]", "there are no pictures", id="nothing there"),
        pytest.param("train: [", "is no YAML", id="no YAML"),
        pytest.param("- 1", "is no data.yaml", id="a list"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, settings, message):
    folder = yolo(tmp_path / "x", {"images/a.png": None}, settings)
    with pytest.raises(TableError, match=message):
        find_boxed_sets([folder / "data.yaml"])


def test_a_broken_data_yaml_is_told_where_its_folder_is_named(tmp_path):
    with pytest.raises(TableError, match="is no YAML"):
        find_boxed_sets([yolo(tmp_path / "x", {"images/a.png": None}, "train: [")])
