from __future__ import annotations

import os

import numpy as np
import pytest

from bioclip_search.boxed.boxed_set import TrueBox
from bioclip_search.boxed.writing_yolo import write_yolo
from bioclip_search.errors import ExportError, TableError
from tests.boxed.small_boxes import boxes, picture_bytes, small_set

PARTS = np.array(["train", "validation", "test", "all"], object)


def test_a_folder_that_ultralytics_takes_is_written(tmp_path):
    several = [boxes((4, 3, 12, 9)), (), boxes((0, 0, 40, 30), category="Lynx lynx"), boxes((0, 0, 1, 1))]
    data = write_yolo([small_set(tmp_path / "a", several)], tmp_path / "out", parts=[PARTS])
    assert data.read_text() == 'train: images/train\nval: images/val\ntest: images/test\nnames:\n  0: "Lynx lynx"\n  1: "Puma concolor"\n'
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert files == [
        "boxes.txt",
        "data.yaml",
        *(f"images/{part}.png" for part in ("test/000002-small-2", "train/000000-small-0", "val/000001-small-1")),
        *(f"labels/{part}.txt" for part in ("test/000002-small-2", "train/000000-small-0", "val/000001-small-1")),
    ]
    # 40 x 30 px: the middle of 4..12 is 8 / 40 = 0.2, of 3..9 it is 6 / 30 = 0.2; 8 / 40 and 6 / 30 are 0.2, too
    assert (tmp_path / "out/labels/train/000000-small-0.txt").read_text() == "1 0.2 0.2 0.2 0.2\n"
    assert (tmp_path / "out/labels/val/000001-small-1.txt").read_text() == ""


def test_one_class_for_all_and_no_crowds(tmp_path):
    several = [(*boxes((4, 3, 12, 9)), *boxes((0, 0, 40, 30), category="Lynx lynx"), TrueBox((0, 0, 9, 9), "Lynx lynx", True))]
    data = write_yolo([small_set(tmp_path / "a", several)], tmp_path / "out", categories="one")
    assert data.read_text() == 'train: images/train\nnames:\n  0: "organism"\n'
    assert [line[0] for line in (tmp_path / "out/labels/train/000000-small-0.txt").read_text().splitlines()] == ["0", "0"]


def test_pictures_that_cannot_be_read_are_left_out_and_the_others_keep_their_parts(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/0.png").write_bytes(b"no picture")
    data = write_yolo([small_set(tmp_path / "a", [boxes((0, 0, 4, 4))] * 2)], tmp_path / "out", parts=[np.array(["train", "val"], object)])
    assert data.read_text().startswith("val: images/val\nnames:")


def test_no_original_can_be_changed_through_the_copies(tmp_path):
    """ultralytics mends a JPEG that does not end as it should in place, which through a link would change the user's own file."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/0.png").write_bytes(picture_bytes(0, kind="jpeg") + b"more")
    (tmp_path / "a/1.png").write_bytes(picture_bytes(1, kind="jpeg"))
    write_yolo([small_set(tmp_path / "a", [(), ()])], tmp_path / "out")
    first, second = sorted((tmp_path / "out/images/train").iterdir())
    assert [file.suffix for file in (first, second)] == [".jpg", ".jpg"]
    assert not os.path.samefile(first, tmp_path / "a/0.png")
    assert first.read_bytes() == (tmp_path / "a/0.png").read_bytes()


def test_a_picture_that_trainers_cannot_read_is_written_as_png(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/0.png").write_bytes(picture_bytes(0, kind="gif"))
    write_yolo([small_set(tmp_path / "a", [()])], tmp_path / "out")
    (file,) = (tmp_path / "out/images/train").iterdir()
    assert file.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_written_is_told(tmp_path):
    boxed = small_set(tmp_path / "a", [()])
    with pytest.raises(TableError, match="parts are all. Split first"):
        write_yolo([boxed], tmp_path / "out", parts=[np.array(["all"], object)])
    write_yolo([boxed], tmp_path / "out")
    with pytest.raises(ExportError, match="is there already"):
        write_yolo([boxed], tmp_path / "out")
    assert write_yolo([boxed], tmp_path / "out", overwrite=True).is_file()
