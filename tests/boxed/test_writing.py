"""Sets of boxes that are written and read back."""

from __future__ import annotations

import tempfile
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioclip_search.boxed.boxed_set import TrueBox
from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.sets import find_boxed_sets
from bioclip_search.boxed.writing import FORMATS, write_sets
from bioclip_search.detectors.yolo import import_ultralytics
from bioclip_search.errors import ExportError, TableError
from tests.boxed.small_boxes import boxes, small_set

SIDE_X, SIDE_Y = st.floats(0, 40, allow_subnormal=False), st.floats(0, 30, allow_subnormal=False)
BOX = st.tuples(SIDE_X, SIDE_Y, SIDE_X, SIDE_Y).map(lambda one: (min(one[0], one[2]), min(one[1], one[3]), max(one[0], one[2]), max(one[1], one[3])))
BIG_ENOUGH = BOX.filter(lambda one: one[2] - one[0] > 0.01 and one[3] - one[1] > 0.01)
PICTURE = st.lists(st.tuples(BIG_ENOUGH, st.sampled_from(["Puma concolor", "Lynx lynx", "Ünlü “Name”: #1"])), max_size=3)


def found_in(out):
    """The boxes and parts of what was written, in the order of the names."""
    sets = find_boxed_sets([out])
    rows = [(name.rsplit("/", 1)[-1], part, several) for one in sets for name, part, several in zip(one.names, one.parts, one.boxes, strict=True)]
    return [(part, several) for _, part, several in sorted(rows, key=lambda row: row[0])]


@settings(max_examples=15)
@given(several=st.lists(PICTURE, min_size=1, max_size=3))
@pytest.mark.parametrize("kind", FORMATS)
def test_boxes_come_back_to_a_thousandth_of_a_pixel(kind, several):
    with tempfile.TemporaryDirectory() as folder:
        told = [tuple(TrueBox(box, category) for box, category in picture) for picture in several]
        (ready,), _ = examine([small_set(Path(folder) / "a", told)])
        write_sets([ready], Path(folder) / "out", kind)
        back = [read for _, read in found_in(Path(folder) / "out")]
    assert [[box.category for box in read] for read in back] == [[box.category for box in true] for true in ready.boxes]
    for read, true in zip(back, ready.boxes, strict=True):
        np.testing.assert_allclose([box.box_xyxy for box in read], [box.box_xyxy for box in true], atol=1e-3)


@pytest.mark.parametrize("kind", FORMATS)
def test_parts_pictures_bursts_and_deployments_come_back(tmp_path, kind):
    told = small_set(
        tmp_path / "a",
        [boxes((1, 1, 5, 5)), (), boxes((2, 2, 6, 6))],
        parts=np.array(["train", "val", "train"], object),
        bursts=np.array(["dawn", None, "dusk"], object),
        deployments=np.array(["A", "B", None], object),
    )
    sets, _ = examine([told])
    out = write_sets(sets, tmp_path / "out", kind)
    assert [part for part, _ in found_in(tmp_path / "out")] == ["train", "val", "train"]
    back, report = examine(find_boxed_sets([out]))
    assert (report.pictures, report.boxes, sorted(one for each in back for one in each.contents)) == (3, 2, sorted(sets[0].contents))
    if kind != "yolo":
        assert {str(burst).rsplit(": ", 1)[-1] for each in back if each.bursts is not None for burst in each.bursts} == {"dawn", "dusk"}
        assert {one for each in back if each.deployments is not None for one in each.deployments} == {"A", "B", None}


@pytest.mark.parametrize("kind", FORMATS)
def test_silver_pictures_come_back_as_such(tmp_path, kind):
    mixed = small_set(tmp_path / "a", [(), (), ()], silver=np.array([False, True, False]), parts=np.array(["train"] * 3, object))
    sets, _ = examine([mixed, small_set(tmp_path / "b", [()], name="gold", parts=np.array(["train"], object))])
    (back,) = find_boxed_sets([write_sets(sets, tmp_path / "out", kind)])
    assert back.silver.tolist() == [False, True, False, False]
    (gold,) = find_boxed_sets([write_sets(sets[1:], tmp_path / "gold", kind)])
    assert gold.silver is None


def test_what_is_written_as_coco_is_valid_to_pycocotools(tmp_path):
    coco_library = pytest.importorskip("pycocotools.coco")
    crowd = TrueBox((0.0, 0.0, 9.5, 9.25), "Lynx lynx", True)
    sets, _ = examine([small_set(tmp_path / "a", [(*boxes((1, 2, 5.5, 7)), crowd), ()])])
    write_sets(sets, tmp_path / "out", "coco")
    with redirect_stdout(StringIO()):
        read = coco_library.COCO(str(tmp_path / "out/train.json"))
    assert [one["name"] for one in read.loadCats(read.getCatIds())] == ["Lynx lynx", "Puma concolor"]
    assert [read.loadImgs(1)[0][member] for member in ("width", "height", "file_name")] == [40, 30, "images/train/000001-small-0.png"]
    told = [(one["bbox"], one["area"], one["iscrowd"]) for one in read.loadAnns(read.getAnnIds(imgIds=[1], iscrowd=None))]
    assert told == [([1, 2, 4.5, 5], 22.5, 0), ([0, 0, 9.5, 9.25], 87.875, 1)]
    assert read.getAnnIds(imgIds=[2]) == []
    assert found_in(tmp_path / "out")[0][1][1] == crowd


def test_ultralytics_takes_what_is_written_as_yolo(tmp_path):
    if find_spec("ultralytics") is None:
        pytest.skip("ultralytics is not installed")
    import_ultralytics()  # as the package does, or it would put a function of its own in the place of Pillow's
    from ultralytics.data.utils import check_det_dataset, verify_image_label

    sets, _ = examine([small_set(tmp_path / "a", [boxes((1, 2, 5, 7), (0, 0, 40, 30)), ()], parts=np.array(["train", "val"], object))])
    told = check_det_dataset(str(write_sets(sets, tmp_path / "out", "yolo")), autodownload=False)
    assert (told["nc"], told["names"], Path(told["val"]).resolve()) == (1, {0: "Puma concolor"}, (tmp_path / "out/images/val").resolve())
    checked = verify_image_label(
        (str(tmp_path / "out/images/train/000000-small-0.png"), str(tmp_path / "out/labels/train/000000-small-0.txt"), "", False, 1, 0, 0, False)
    )
    labels, missing, found, empty, corrupt = checked[1], *checked[5:9]
    assert (missing, found, empty, corrupt) == (0, 1, 0, 0)
    np.testing.assert_allclose(labels[:, 1:], [[3 / 40, 4.5 / 30, 4 / 40, 5 / 30], [0.5, 0.5, 1, 1]], atol=1e-6)


@pytest.mark.parametrize("kind", ["coco", "parquet"])
def test_a_part_cannot_lead_out_of_the_folder(tmp_path, kind):
    sets, _ = examine([small_set(tmp_path / "a", [()], parts=np.array(["../../x"], object))])
    (tmp_path / "deep").mkdir()
    write_sets(sets, tmp_path / "deep/out", kind)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "deep"]
    assert [part for part, _ in found_in(tmp_path / "deep/out")] == ["x"]


def test_a_yolo_set_of_somebody_else_is_never_replaced_and_one_of_ours_is(tmp_path):
    sets, _ = examine([small_set(tmp_path / "a", [boxes((4, 3, 12, 9))])])
    (tmp_path / "mine/images").mkdir(parents=True)
    (tmp_path / "mine/data.yaml").write_text("train: images\nnames: [Puma]\n")
    with pytest.raises(ExportError, match="something other than an earlier export"):
        write_sets(sets, tmp_path / "mine", "yolo", overwrite=True)
    assert (tmp_path / "mine/data.yaml").is_file()
    for _ in range(2):
        assert write_sets(sets, tmp_path / "out", "yolo", overwrite=True).is_file()


@pytest.mark.parametrize("kind", ["coco", "yolo"])
def test_the_folder_that_one_stands_in_is_not_exchanged_for_another(tmp_path, monkeypatch, kind):
    sets, _ = examine([small_set(tmp_path / "a", [()], parts=np.array(["train"], object))])
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ExportError, match=r"'\.': is a folder without a name of its own\. Give a new name in it, such as export"):
        write_sets(sets, Path(), kind)


@pytest.mark.parametrize("kind", ["coco", "parquet"])
def test_parts_that_differ_behind_a_dot_stay_two(tmp_path, kind):
    sets, _ = examine([small_set(tmp_path / "a", [(), ()], parts=np.array(["fold.1", "fold.2"], object))])
    write_sets(sets, tmp_path / "out", kind)
    assert [part for part, _ in found_in(tmp_path / "out")] == ["fold.1", "fold.2"]


def test_what_cannot_be_written_is_refused(tmp_path):
    sets, _ = examine([small_set(tmp_path / "a", [()])])
    with pytest.raises(TableError, match="'voc' is no format"):
        write_sets(sets, tmp_path / "out", "voc")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(ExportError, match="something other than an earlier export"):
        write_sets(sets, tmp_path / "mine", "coco", overwrite=True)
    assert (tmp_path / "mine/letter.txt").read_text() == "dear"
