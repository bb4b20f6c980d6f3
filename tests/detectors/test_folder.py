"""Detector folders that ultralytics runs: the same boxes after storing, and nothing of what a card says is ever run as code."""

import importlib.util
import json
from hashlib import sha256

import numpy as np
import PIL.Image
import pytest
import torch

from bioclip_search.detect import load_detector
from bioclip_search.detectors.architectures import ARCHITECTURES, build_model, describe_architecture, match_architecture, stored_bytes
from bioclip_search.detectors.card import CARD_FILE, DetectorCard, Inference, change_inference
from bioclip_search.detectors.folder import WEIGHTS_FILE, load_folder, write_folder
from bioclip_search.errors import ModelError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ultralytics") is None, reason="ultralytics is not installed")


PICTURE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8))
LEAST = 1e-4
"""Untrained networks are sure of nothing."""


def untrained(folder, architecture="yolo11n", **told):
    torch.manual_seed(3)
    model = build_model(architecture, ("Panthera uncia", "person"))
    write_folder(folder, DetectorCard("hill", architecture, ("Panthera uncia", "person"), 96, **told), model.state_dict())
    return model


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    return folder, untrained(folder)


@pytest.fixture
def copy(written, tmp_path):
    for file in written[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def change_card(folder, **changes):
    content = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(content | changes))


@pytest.mark.parametrize("architecture", ["yolo11n", "yolo12n", "yolo26n", "rtdetr-l"])
def test_an_untrained_network_of_each_family_is_stored_and_looks_at_pictures(tmp_path, architecture):
    model = untrained(tmp_path, architecture)
    assert sorted(file.name for file in tmp_path.iterdir()) == [CARD_FILE, WEIGHTS_FILE]
    detector = load_detector(str(tmp_path), device="cpu")
    assert detector.categories == {0: "Panthera uncia", 1: "person"}
    found = detector.detect([PICTURE, PICTURE], LEAST)
    assert found[0] == found[1] != []
    assert (tmp_path / WEIGHTS_FILE).stat().st_size - stored_bytes(model) < 200_000, "all but the header is foretold"


def test_the_boxes_are_those_of_the_network_as_ultralytics_runs_it(written):
    from ultralytics import YOLO

    folder, model = written
    runner = YOLO("yolo11n.yaml")
    runner.model = model.half().float()  # as it is stored
    array = np.ascontiguousarray(np.asarray(PICTURE)[..., ::-1])
    settings = {"imgsz": 96, "conf": LEAST, "iou": 0.45, "max_det": 300, "device": "cpu", "verbose": False}
    theirs, ours = (one.predict([array], **settings)[0].boxes for one in (runner, load_folder(folder, "cpu").model))
    assert len(theirs) > 1
    assert torch.equal(theirs.data, ours.data)


def test_the_card_decides_how_pictures_are_looked_at_and_the_fingerprint_tells(copy):
    plain = load_detector(str(copy), device="cpu")
    assert plain.confidence == 0.2
    change_inference(copy, confidence=0.6)
    surer = load_detector(str(copy), device="cpu")
    assert surer.confidence == 0.6
    assert surer.fingerprint == plain.fingerprint, "which boxes there are has not changed"
    prints = {plain.fingerprint}
    for changes in ({"image_px": 128}, {"iou": 0.7}, {"augment": True}):
        change_inference(copy, **changes)
        prints.add(load_detector(str(copy), device="cpu").fingerprint)
    assert len(prints) == 4
    assert load_folder(copy, "cpu", Inference()).fingerprint == plain.fingerprint, "another way for a comparison"


def test_a_file_of_the_current_folder_never_describes_the_layers(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yolo11n.yaml").write_text("nc: 1\nactivation: __import__('pathlib').Path('ran').touch()\nbackbone: []\nhead: []\n")
    load_folder(written[0], "cpu")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("architecture", ["../../../evil", "yolo11n.yaml", "yolo11q", "https://x.y/z.yaml", "", "torch.nn.Linear"])
def test_only_known_names_are_built(copy, architecture):
    change_card(copy, architecture=architecture)
    with pytest.raises(ModelError, match="Unknown architecture"):
        load_folder(copy, "cpu")


def test_layers_in_the_card_are_passed_over(copy):
    change_card(copy, backbone=[[-1, 1, "os.system", ["true"]]], activation="print(1)")
    assert load_folder(copy, "cpu").categories == {0: "Panthera uncia", 1: "person"}


def test_weights_that_changed_are_refused(copy):
    data = bytearray((copy / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (copy / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(ModelError, match="vouches"):
        load_folder(copy, "cpu")


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x80\x04cos\nsystem\n."], ids=["empty", "text", "pickle"])
def test_weights_that_are_no_safetensors_are_refused(copy, content):
    (copy / WEIGHTS_FILE).write_bytes(content)
    change_card(copy, weights_sha256=sha256(content).hexdigest())
    with pytest.raises(ModelError, match="do not fit"):
        load_folder(copy, "cpu")


def test_weights_of_another_network_are_refused(copy):
    change_card(copy, architecture="yolo12n")
    with pytest.raises(ModelError, match="do not fit"):
        load_folder(copy, "cpu")
    change_card(copy, architecture="yolo11n", categories=["a", "b", "c"])
    with pytest.raises(ModelError, match="do not fit"):
        load_folder(copy, "cpu")


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    model = build_model("yolo11n", ("a",))
    weights = model.state_dict()
    weights["model.0.conv.weight"][0] = float("inf")
    with pytest.raises(ModelError, match="not finite"):
        write_folder(tmp_path, DetectorCard("x", "yolo11n", ("a",), 96), weights)
    assert list(tmp_path.iterdir()) == []


def test_missing_weights_and_a_device_that_is_not_there_are_named(copy):
    with pytest.raises(ModelError, match="toaster"):
        load_folder(copy, "toaster")
    (copy / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match=WEIGHTS_FILE):
        load_folder(copy, "cpu")


def test_every_architecture_is_in_the_installed_ultralytics_and_known_by_its_layers():
    for name in ARCHITECTURES:
        description = describe_architecture(name) | {"nc": 3, "yaml_file": "renamed.yaml"}
        assert match_architecture(description) == name
    description["head"] = description["head"][:-1]
    assert match_architecture(description) is None
