"""Exports for edge boards: the same boxes as the folder, a note that vouches for the file, and nothing that is not ours taken for it."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from bioclip_search.detect import load_detector
from bioclip_search.detectors.architectures import build_model
from bioclip_search.detectors.card import DetectorCard, Inference, change_inference
from bioclip_search.detectors.exported import ENDINGS, note_path, read_note
from bioclip_search.detectors.exporting import NEEDS, export_detector
from bioclip_search.detectors.folder import write_folder
from bioclip_search.detectors.network import Architecture, build_network
from bioclip_search.detectors.organism import DetectorNote, load_organism_detector, write_detector
from bioclip_search.detectors.small_onnx import decode
from bioclip_search.errors import MissingExtraError, ModelError


def is_missing(*names):
    return any(importlib.util.find_spec(name) is None for name in names)


needs_onnx = pytest.mark.skipif(is_missing("onnx", "onnxruntime"), reason="onnx or onnxruntime is not installed")
needs_ultralytics = pytest.mark.skipif(is_missing("ultralytics"), reason="ultralytics is not installed")
LEAST = 1e-4
"""Untrained networks are sure of nothing."""


def noise(width, height, seed=0):
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


PICTURES = [noise(120, 90), noise(64, 200, seed=1), noise(33, 31, seed=2)]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    torch.manual_seed(4)
    architecture = Architecture(channels=32, head_convs=1)
    write_detector(folder, DetectorNote("little", architecture, 100, licences="none needed"), build_network(architecture).state_dict())
    return folder


@pytest.fixture(scope="module")
def yolo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("yolo")
    torch.manual_seed(4)
    model = build_model("yolo11n", ("Panthera uncia", "person"))
    told = {"inference": Inference(confidence=0.4, iou=0.6, image_px=96), "licences": "AGPL-3.0"}
    write_folder(folder, DetectorCard("hill", "yolo11n", ("Panthera uncia", "person"), 64, **told), model.state_dict())
    return folder


def as_rows(found):
    return np.array([[*one.box_xyxy, one.confidence] for one in found]).reshape(-1, 5)


def agree(one, other):
    assert [[box.category for box in several] for several in one] == [[box.category for box in several] for several in other]
    for mine, yours in zip(one, other, strict=True):
        np.testing.assert_allclose(as_rows(mine), as_rows(yours), rtol=1e-3, atol=0.02)


@needs_onnx
def test_the_small_kind_finds_the_same_in_pictures_of_any_shape(small, tmp_path):
    file = export_detector(small, "onnx", tmp_path / "little.onnx")
    detector = load_detector(str(file))
    assert (detector.name, detector.categories, detector.px) == ("little", ("organism",), 100)
    found = detector.detect(PICTURES, LEAST)
    agree(found, load_organism_detector(small, device="cpu").detect(PICTURES, LEAST))
    assert all(found)


def test_boxes_are_made_as_torchvision_makes_them(small):
    network = load_organism_detector(small, device="cpu").network
    image = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(1))
    network.score_thresh = 0.01
    with torch.inference_mode():
        (theirs,) = network([image])
        normalised, _ = network.transform([image])
        answers = network.head(list(network.backbone(normalised.tensors).values()))
    raw = [answers[name].numpy() for name in ("cls_logits", "bbox_regression", "bbox_ctrness")]
    boxes, scores, labels = decode(*raw, (64, 96), (96, 64), 0.01)
    assert len(boxes) > 5
    np.testing.assert_allclose(boxes, theirs["boxes"].numpy(), atol=1e-3)
    np.testing.assert_allclose(scores, theirs["scores"].numpy(), atol=1e-6)
    assert labels.tolist() == theirs["labels"].tolist()


def test_a_box_is_made_by_hand():
    logits, reach, centredness = np.full((1, 21, 1), -50.0), np.zeros((1, 21, 4)), np.full((1, 21, 1), 50.0)
    logits[0, 6, 0] = 0.0  # of 4 x 4 cells of 8 px the one in row 1, column 2: its place is (16, 8)
    reach[0, 6] = (1, 0.5, 2.5, 3)  # times the stride: 8 left, 4 up, 20 right, 24 down
    boxes, scores, labels = decode(logits, reach, centredness, (32, 32), (32, 30), 0.3)
    assert boxes.tolist() == [[8.0, 4.0, 32.0, 30.0]]  # 36 and 32 are cut off at the edge
    assert scores.tolist() == [pytest.approx(0.5**0.5)]
    assert labels.tolist() == [0]


@needs_onnx
@needs_ultralytics
def test_a_network_of_ultralytics_finds_the_same_and_its_note_tells_how_to_look(yolo, tmp_path):
    file = export_detector(yolo, "onnx", tmp_path / "hill")
    assert file == tmp_path / "hill.onnx", "the ending is added"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["hill.onnx", "hill.onnx.json"], "nothing else is left behind"
    note = read_note(file)
    assert (note.kind, note.image_px, note.licences) == ("ultralytics", 96, "AGPL-3.0")
    detector, before = load_detector(str(file), device="cpu"), load_detector(str(yolo), device="cpu")
    assert (detector.name, detector.confidence, detector.settings["iou"], detector.settings["imgsz"]) == ("hill", 0.4, 0.6, 96)
    agree(detector.detect(PICTURES, LEAST), before.detect(PICTURES, LEAST))


@needs_ultralytics
@pytest.mark.slow
@pytest.mark.parametrize("to", ["openvino", "ncnn", "tflite"])
def test_other_formats_find_the_same_where_they_are_installed(yolo, tmp_path, capfd, to):
    if is_missing(*NEEDS[to]):
        pytest.skip(f"{to} is not installed")
    out = export_detector(yolo, to, tmp_path / "hill")
    assert out.name == f"hill{ENDINGS[to]}"
    assert capfd.readouterr().out == "", "stdout is for results"
    assert not list(tmp_path.rglob("*.py"))
    found, expected = (load_detector(str(path), device="cpu").detect(PICTURES[:1], LEAST)[0] for path in (out, yolo))
    assert as_rows(found)[0] == pytest.approx(as_rows(expected)[0], rel=0.05, abs=1.5)


@pytest.mark.parametrize("to", ["openvino", "ncnn", "tflite"])
def test_what_is_not_installed_is_told_with_the_line_that_installs_it(yolo, tmp_path, to):
    if not is_missing(*NEEDS[to]):
        pytest.skip(f"{to} is installed")
    with pytest.raises(MissingExtraError, match=r"pip install 'bioclip-search\[(edge|tflite)\]'"):
        export_detector(yolo, to, tmp_path / "hill")


@needs_onnx
@pytest.mark.parametrize("out", [".", ".."])
def test_a_folder_without_a_name_of_its_own_is_told_to_have_one(small, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"Expected the name of an export .*detector\.onnx"):
        export_detector(small, "onnx", Path(out), overwrite=True)
    assert list(tmp_path.iterdir()) == []


@needs_onnx
def test_an_export_is_overwritten_only_if_asked(small, tmp_path):
    file = export_detector(small, "onnx", tmp_path / "little.onnx")
    before = file.read_bytes()
    with pytest.raises(ModelError, match="--overwrite"):
        export_detector(small, "onnx", file)
    change_inference(small, confidence=0.5)
    try:
        export_detector(small, "onnx", file, overwrite=True)
    finally:
        change_inference(small, confidence=0.2)
    assert load_detector(str(file)).confidence == 0.5
    assert file.read_bytes() == before, "the network is the same"


@needs_onnx
def test_a_file_that_its_note_does_not_vouch_for_is_refused(small, tmp_path):
    file = export_detector(small, "onnx", tmp_path / "little.onnx")
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="vouches for"):
        load_detector(str(file))


@needs_onnx
@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"kind": "pickle"}, "kind"), ({"categories": []}, "categories"), ({"image_px": 10**9}, "image_px"), ({"inference": {"iou": 7}}, "iou"), ({"x": 1}, "x")],
)
def test_a_note_that_is_not_ours_is_refused_with_its_reason(small, tmp_path, changes, reason):
    file = export_detector(small, "onnx", tmp_path / "little.onnx")
    content = json.loads(note_path(file).read_text())
    note_path(file).write_text(json.dumps(content | changes))
    with pytest.raises(ModelError, match=reason):
        load_detector(str(file))


@needs_onnx
def test_a_network_under_a_note_of_the_small_kind_must_be_one(small, tmp_path):
    file = export_detector(small, "onnx", tmp_path / "little.onnx")
    note = json.loads(note_path(file).read_text())
    from hashlib import sha256

    file.write_bytes(b"no network")
    note_path(file).write_text(json.dumps(note | {"sha256": sha256(b"no network").hexdigest()}))
    with pytest.raises(ModelError, match="Expected an exported detector"):
        load_detector(str(file))


def test_the_small_kind_and_unknown_formats_are_told_what_there_is(small, tmp_path):
    if not is_missing(*NEEDS["openvino"]):
        with pytest.raises(ModelError, match="onnx only"):
            export_detector(small, "openvino", tmp_path / "x")
    with pytest.raises(ModelError, match="onnx, openvino, ncnn, tflite"):
        export_detector(small, "coreml", tmp_path / "x")
