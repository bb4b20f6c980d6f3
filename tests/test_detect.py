"""The detector room: categories and crops by hand-worked cases, loading and boxes with real files where they exist."""

import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from bioclip_search import places
from bioclip_search.detect import (
    KNOWN_DETECTORS,
    WILDLIFE,
    Detection,
    categories_of,
    category_names,
    crop_box,
    is_wildlife,
    load_detector,
)
from bioclip_search.detectors.boxes import box_iou, drop_duplicates
from bioclip_search.errors import MissingExtraError, ModelError

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("BIOCLIP_SEARCH_SHARED") or ROOT.parent / "shared" / "data")
COCO_INT8 = SHARED / "models" / "yolov8n_int8.onnx"

needs_ultralytics = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("ultralytics", "onnxruntime")),
    reason="ultralytics or onnxruntime is not installed",
)
needs_shared_data = pytest.mark.skipif(not COCO_INT8.is_file(), reason="../shared/data is not here")


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An empty folder where detectors are found by name."""
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    places.user_models().mkdir(parents=True)
    return places.user_models()


@pytest.fixture(scope="module")
def coco_detector():
    return load_detector(str(COCO_INT8), device="cpu")


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A .pt file with the weights of an untrained YOLO, which sees nothing in particular."""
    from bioclip_search.detectors.yolo import import_ultralytics

    path = tmp_path_factory.mktemp("weights") / "random.pt"
    import_ultralytics().YOLO("yolo11n.yaml").save(path)
    return path


def boxed_pictures(name, count):
    """The first pictures of a set of boxes, each with its true boxes (left, top, right, bottom)."""
    table = pytest.importorskip("pyarrow.parquet").read_table(SHARED / "boxes" / f"{name}.parquet")
    for row in table.slice(0, count).to_pylist():
        picture = PIL.Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
        yield picture, [(x, y, x + w, y + h) for x, y, w, h in row["objects"]["bbox"]]


# Categories


def test_megadetector_classes_are_kept_as_they_are():
    assert category_names({0: "animal", 1: "person", 2: "vehicle"}) == {0: "animal", 1: "person", 2: "vehicle"}


def test_coco_classes_become_ours_or_are_dropped():
    classes = ["person", "bicycle", "traffic light", "bird", "giraffe", "teddy bear", "potted plant", "toothbrush", "boat"]
    expected = ["person", "vehicle", None, "animal", "animal", None, "plant", None, "vehicle"]
    assert category_names(dict(enumerate(classes))) == dict(enumerate(expected))


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        ({0: "Procyon lotor"}, "a species"),
        ({0: "bird", 1: "squirrel"}, "a COCO word in a model that is not COCO's"),
        ({0: "organism"}, "a class-agnostic model"),
        ({}, "no classes"),
    ],
)
def test_other_models_keep_their_own_class_names(classes, why):
    assert category_names(classes) == classes, why


def test_general_categories_are_spelt_evenly():
    assert category_names({0: "Animal", 3: "PERSON"}) == {0: "animal", 3: "person"}


def test_only_people_and_vehicles_are_not_sent_to_the_index():
    assert all(map(is_wildlife, [*WILDLIFE, "Procyon lotor"]))
    assert not any(map(is_wildlife, ["person", "vehicle"]))


def test_the_categories_of_a_detector_are_told_once_each_in_order():
    class Coco:
        categories = category_names({0: "person", 1: "bird", 2: "cat", 3: "teddy bear"})

    class Ours:
        categories = ("animal", "person", "vehicle")

    assert categories_of(Coco()) == ("person", "bird", "cat", "teddy bear"), "few classes are not COCO's eighty"
    assert categories_of(Ours()) == ("animal", "person", "vehicle")
    assert categories_of(load_detector("starter", device="cpu")) == ("organism",)
    assert categories_of(object()) is None


# Crops


@pytest.mark.parametrize(
    ("box", "margin", "expected", "case"),
    [
        ((10, 20, 30, 60), 0.0, (10, 20, 30, 60), "whole pixels without a margin stay as they are"),
        ((10.2, 20.7, 30.1, 60.0), 0.0, (10, 20, 31, 60), "parts of pixels are rounded outwards"),
        ((10, 20, 30, 60), 0.1, (6, 16, 34, 64), "a tenth of the longer side, 4 px, on every side"),
        ((0, 0, 100, 80), 0.5, (0, 0, 100, 80), "the margin does not reach beyond the picture"),
        ((90, 70, 130, 90), 0.0, (90, 70, 100, 80), "a box that hangs out is clipped"),
        ((120, 90, 130, 95), 0.0, (99, 79, 100, 80), "a box beyond the lower right gives the last pixel"),
        ((-30, -20, -10, -5), 0.0, (0, 0, 1, 1), "a box beyond the upper left gives the first pixel"),
        ((50, 40, 51, 41), 0.05, (49, 39, 52, 42), "a box of 1 px is widened by whole pixels"),
        ((50, 40, 50, 40), 0.0, (50, 40, 51, 41), "a box without area gives the pixel it stands on"),
        ((100, 80, 100, 80), 0.0, (99, 79, 100, 80), "and on the far edge the last pixel"),
    ],
)
def test_crop_of_a_picture_of_100_by_80(box, margin, expected, case):
    assert crop_box(box, (100, 80), margin) == expected, case
    assert all(isinstance(edge, int) for edge in crop_box(box, (100, 80), margin)), case


def test_crop_of_a_picture_of_one_pixel_is_that_pixel():
    assert crop_box((0, 0, 1, 1), (1, 1)) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("box", "size_wh", "margin", "case"),
    [
        ((float("nan"), 0, 1, 1), (10, 10), 0.0, "NaN"),
        ((0, 0, float("inf"), 1), (10, 10), 0.0, "infinite"),
        ((5, 0, 4, 1), (10, 10), 0.0, "right of its own right edge"),
        ((0, 5, 1, 4), (10, 10), 0.0, "upside down"),
        ((0, 0, 1, 1), (0, 10), 0.0, "a picture without pixels"),
        ((0, 0, 1, 1), (10, 10), -0.1, "a negative margin"),
        ((0, 0, 1, 1), (10, 10), float("nan"), "a margin that is no number"),
    ],
)
def test_crop_refuses_what_is_no_box(box, size_wh, margin, case):
    with pytest.raises(ValueError, match="Expected"):
        crop_box(box, size_wh, margin)


# Overlaps


def test_overlap_of_two_boxes_worked_by_hand():
    assert box_iou((0, 0, 4, 4), (2, 2, 6, 6)) == pytest.approx(4 / 28)  # 2 x 2 shared of 16 + 16 - 4
    assert box_iou((0, 0, 1, 1), (1, 0, 2, 1)) == 0.0  # they touch
    assert box_iou((3, 3, 3, 3), (3, 3, 3, 3)) == 0.0  # no area at all


def test_one_animal_under_two_class_names_is_one_detection():
    cat, bear = Detection((0, 0, 10, 10), 0.5, "animal"), Detection((0, 0, 10, 9), 0.8, "animal")
    assert drop_duplicates([cat, bear]) == [bear]


def test_horse_and_rider_are_both_kept():
    horse, rider = Detection((0, 0, 10, 10), 0.5, "animal"), Detection((0, 0, 10, 9), 0.8, "person")
    assert drop_duplicates([horse, rider]) == [rider, horse]


def test_suppressed_boxes_suppress_nothing():
    strong, middle, weak = (Detection((x, 0, x + 10, 10), c, "animal") for x, c in [(0, 0.9), (3, 0.8), (6, 0.7)])
    # Neighbours share 7 of 13 columns, 0.54 > 0.45; the outer two 4 of 16, 0.25.
    assert drop_duplicates([weak, middle, strong]) == [strong, weak]


def test_most_confident_first_and_ties_by_box():
    right, left = Detection((50, 0, 60, 10), 0.5, "animal"), Detection((0, 0, 10, 10), 0.5, "animal")
    best = Detection((80, 0, 90, 10), 0.6, "animal")
    assert drop_duplicates([right, left, best]) == [best, left, right]


# Which file a name stands for


def test_none_means_no_detector():
    assert load_detector("none") is None
    assert load_detector("None") is None


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ModelError, match=r"Unknown detector 'mega'.*none, starter, MDV6-yolov9-c.*\.onnx"):
        load_detector("mega")


def test_a_known_name_without_its_file_says_what_to_put_where(models):
    with pytest.raises(ModelError) as caught:
        load_detector("mdv6-yolov9-c")
    for part in ("MDV6-yolov9-c.pt", "MDV6-yolov9-c.onnx", "AGPL", "https://zenodo.org/", str(models)):
        assert part in str(caught.value)


def test_a_known_name_that_cannot_run_here_says_why_and_what_can():
    with pytest.raises(ModelError, match=r"yolov5 code.*MDV6-yolov9-c"):
        load_detector("MDV5a")


def test_known_names_and_files_are_unique():
    for values in ([row.name.lower() for row in KNOWN_DETECTORS], [row.file for row in KNOWN_DETECTORS]):
        assert len(set(values)) == len(values)


def test_a_missing_file_is_named():
    with pytest.raises(ModelError, match=r"no detector file .*nowhere\.onnx"):
        load_detector("nowhere.onnx")


def test_a_pickle_is_refused_unless_trusted(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"never opened")
    with pytest.raises(ModelError, match=r"pickle.*code.*--trust-pickle.*trust_pickle=True"):
        load_detector(str(path))


def test_a_known_detector_in_the_model_folder_is_a_pickle_too(models):
    (models / "md_v1000.0.0-sorrel.pt").write_bytes(b"never opened")
    with pytest.raises(ModelError, match="pickle"):
        load_detector("MDV1000-sorrel")


def test_without_ultralytics_the_install_line_is_given(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"never opened")
    monkeypatch.setitem(sys.modules, "ultralytics", None)  # what Python itself does to forbid an import
    with pytest.raises(MissingExtraError, match=r"pip install 'bioclip-search\[detect\]'"):
        load_detector(str(path))


# Real files


@needs_ultralytics
@pytest.mark.parametrize("content", [b"", b"not a model " * 100], ids=["empty", "text"])
@pytest.mark.parametrize(("suffix", "trust"), [(".onnx", False), (".pt", True)])
def test_a_damaged_file_is_a_model_error(content, suffix, trust, tmp_path):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"box model of ultralytics in .*damaged"):
        load_detector(str(path), device="cpu", trust_pickle=trust)


@needs_ultralytics
@needs_shared_data
def test_a_truncated_onnx_file_is_a_model_error(tmp_path):
    path = tmp_path / "truncated.onnx"
    path.write_bytes(COCO_INT8.read_bytes()[:1_000_000])
    with pytest.raises(ModelError, match="truncated"):
        load_detector(str(path), device="cpu")


@needs_ultralytics
@needs_shared_data
def test_an_onnx_detector_of_another_make_is_a_model_error():
    with pytest.raises(ModelError, match="ultralytics"):
        load_detector(str(SHARED / "models" / "yolox_nano.onnx"), device="cpu")


@needs_ultralytics
@needs_shared_data
def test_a_device_that_is_not_there_is_a_model_error():
    with pytest.raises(ModelError, match="'cuda:77'"):
        load_detector(str(COCO_INT8), device="cuda:77")


@needs_ultralytics
def test_a_trusted_pickle_is_loaded_and_runs_on_pictures_of_any_size(random_weights):
    with pytest.raises(ModelError, match="pickle"):
        load_detector(str(random_weights))
    detector = load_detector(str(random_weights), device="cpu", trust_pickle=True)
    assert detector.name == "random"
    found = detector.detect([PIL.Image.new("RGB", size) for size in [(64, 48), (1, 1), (300, 7)]], 0.5)
    assert len(found) == 3


@needs_ultralytics
def test_no_pictures_give_no_lists(random_weights):
    assert load_detector(str(random_weights), device="cpu", trust_pickle=True).detect([], 0.2) == []


@needs_ultralytics
@needs_shared_data
def test_elephants_are_found_inside_the_picture_and_best_first(coco_detector):
    picture = PIL.Image.open(SHARED / "hostile" / "african_elephants.jpg")
    (found,) = coco_detector.detect([picture], 0.2)
    assert {one.category for one in found} == {"animal"}
    assert len(found) >= 4
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    for left, top, right, bottom in (one.box_xyxy for one in found):
        assert 0 <= left < right <= picture.width
        assert 0 <= top < bottom <= picture.height


@needs_ultralytics
@needs_shared_data
@pytest.mark.parametrize("name", ["raccoon-val", "kangaroo-val"])
def test_boxes_lie_on_animals_that_the_model_has_no_name_for(coco_detector, name):
    pictures, true_boxes = zip(*boxed_pictures(name, 8), strict=True)
    hits = [
        any(one.category == "animal" and box_iou(one.box_xyxy, true) > 0.5 for one in found for true in boxes)
        for found, boxes in zip(coco_detector.detect(pictures, 0.2), true_boxes, strict=True)
    ]
    assert sum(hits) >= 5  # of 8 pictures; 62 of all 79 validation boxes were found when this was written


@needs_ultralytics
@needs_shared_data
def test_a_blank_picture_gives_an_empty_list(coco_detector):
    assert coco_detector.detect([PIL.Image.new("RGB", (320, 240), "white")], 0.2) == [[]]


@needs_ultralytics
@needs_shared_data
def test_the_neighbours_in_a_batch_change_nothing(coco_detector):
    pictures = [picture for picture, _ in boxed_pictures("raccoon-val", 3)]
    pictures.insert(2, pictures[0])
    alone = [coco_detector.detect([picture], 0.1)[0] for picture in pictures]
    assert coco_detector.detect(pictures, 0.1) == alone
    assert any(alone)


@needs_ultralytics
@needs_shared_data
def test_an_exif_tag_that_is_left_on_an_upright_picture_turns_nothing(coco_detector):
    picture = next(boxed_pictures("raccoon-val", 3))[0]
    tagged = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90 degrees
    picture.save(tagged, "png", exif=exif)
    assert coco_detector.detect([PIL.Image.open(tagged)], 0.1) == coco_detector.detect([picture], 0.1)


@needs_ultralytics
@needs_shared_data
@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA"])
def test_pictures_of_any_mode_are_taken(coco_detector, mode):
    assert coco_detector.detect([PIL.Image.new(mode, (50, 40))], 0.2) == [[]]


@needs_ultralytics
@needs_shared_data
def test_a_higher_threshold_keeps_the_more_confident_of_the_same_boxes(coco_detector):
    picture = PIL.Image.open(SHARED / "hostile" / "african_elephants.jpg")
    low, high = coco_detector.detect([picture], 0.2)[0], coco_detector.detect([picture], 0.6)[0]
    assert high == [one for one in low if one.confidence > 0.6]
    assert 0 < len(high) < len(low)


@needs_ultralytics
@needs_shared_data
@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_confidence_is_refused(coco_detector, threshold):
    with pytest.raises(ValueError, match="between 0 and 1"):
        coco_detector.detect([], threshold)


@needs_ultralytics
@needs_shared_data
def test_the_fingerprint_belongs_to_the_bytes_of_the_file(coco_detector, random_weights, tmp_path):
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(COCO_INT8.read_bytes())
    again = load_detector(str(copy), device="cpu")
    assert (again.name, again.fingerprint) == ("copy", coco_detector.fingerprint)
    other = load_detector(str(random_weights), device="cpu", trust_pickle=True)
    assert other.fingerprint != coco_detector.fingerprint


@needs_ultralytics
@needs_shared_data
def test_a_known_name_takes_its_onnx_export_from_the_model_folder(models, coco_detector):
    (models / "md_v1000.0.0-larch.onnx").write_bytes(COCO_INT8.read_bytes())
    (models / "md_v1000.0.0-larch.pt").write_bytes(b"never opened")
    detector = load_detector("MDV1000-LARCH", device="cpu")
    assert detector.name == "MDV1000-larch"
    picture = PIL.Image.fromarray(np.full((60, 80, 3), 127, np.uint8))
    assert detector.detect([picture], 0.2) == coco_detector.detect([picture], 0.2)


QUIET = """
import json, os, sys
reached = []
sys.addaudithook(lambda event, args: reached.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
import torch
from bioclip_search.detect import load_detector
early = [name for name in ("ultralytics", "cv2", "onnxruntime") if name in sys.modules]
threads, variable = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
import PIL.Image
load_detector(sys.argv[1]).detect([PIL.Image.new("RGB", (64, 64))], 0.2)
kept = torch.get_num_threads() == threads and os.environ.get("OMP_NUM_THREADS") == variable
print(json.dumps({"early": early, "reached": reached, "threads kept": kept, "files": os.listdir()}))
"""


@needs_ultralytics
@needs_shared_data
def test_detecting_is_silent_offline_and_leaves_threads_and_folder_as_they_were(tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("YOLO_", "OMP_", "ORT_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(ROOT), places.HOME_VARIABLE: str(tmp_path / "ours"), "HOME": str(tmp_path / "user")}
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run([sys.executable, "-c", QUIET, str(COCO_INT8)], cwd=work, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"early": [], "reached": [], "threads kept": True, "files": []}
    assert done.stderr == ""
    assert (tmp_path / "ours" / "cache" / "ultralytics").is_dir()
    assert not list((tmp_path / "user").rglob("*onnxruntime*"))  # where its telemetry keeps a device id and a queue


def test_loading_a_detector_leaves_pillow_alone():
    pytest.importorskip("ultralytics")
    code = """
import PIL.Image
before = PIL.Image.open
from bioclip_search.detectors.yolo import import_ultralytics
import_ultralytics()
assert PIL.Image.open is before
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr == ""
