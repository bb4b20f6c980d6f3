from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from PIL import Image

from bioclip_search.cli import root
from bioclip_search.detect import load_detector
from bioclip_search.detectors.card import Inference, change_inference, read_inference
from bioclip_search.detectors.known import find_detector_folder
from bioclip_search.errors import ModelError
from bioclip_search.sweep.keeping import folder_of, keep_settings, load_with, trained_px

OTHER = Inference(confidence=0.35, iou=0.6, image_px=320, augment=True)


@pytest.fixture
def detector(tmp_path):
    return shutil.copytree(find_detector_folder("starter"), tmp_path / "mine")


def test_a_copy_gets_the_settings_and_the_detector_itself_keeps_its_own(detector, tmp_path):
    before = {file.name: file.read_bytes() for file in detector.iterdir()}
    assert keep_settings(detector, OTHER, tmp_path / "copy") == tmp_path / "copy"
    assert read_inference(tmp_path / "copy") == OTHER
    assert {file.name: file.read_bytes() for file in detector.iterdir()} == before
    with pytest.raises(ModelError, match="there already"):
        keep_settings(detector, OTHER, tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "mine"]


def test_a_name_that_is_taken_is_told_before_any_picture_is_looked_at(detector):
    told = CliRunner().invoke(root, ["train", "sweep", str(detector), "there-are-no-such.json", "--out", "."])
    assert isinstance(told.exception, ModelError)
    assert "there already. Give another --out" in str(told.exception)


def test_a_detector_looks_by_its_card_from_then_on(detector):
    picture = Image.effect_noise((300, 200), 80).convert("RGB")
    tried = load_with(detector, OTHER, "cpu")
    keep_settings(detector, OTHER)
    loaded = load_detector(str(detector), device="cpu")
    assert loaded.confidence == 0.35
    assert loaded.fingerprint == tried.fingerprint != load_with(detector, Inference(), "cpu").fingerprint
    assert loaded.detect([picture], 0.01) == tried.detect([picture], 0.01)
    assert trained_px(detector) == load_with(detector, Inference(), "cpu").px


def test_what_is_no_folder_has_no_card(tmp_path):
    with pytest.raises(ModelError, match="no detector folder"):
        folder_of(str(tmp_path / "model.onnx"))


def test_the_starter_is_left_as_it_is(shared):
    told = CliRunner().invoke(root, ["train", "sweep", "starter", str(shared / "boxes" / "raccoon-val.parquet")])
    assert told.exit_code == 2
    assert "--out" in told.output


@pytest.mark.slow
def test_the_command_tells_the_gain_and_writes_the_report(shared, detector, tmp_path):
    change_inference(detector, image_px=96)  # far too small, so that a larger size is surely better
    report = tmp_path / "sweep.json"
    words = ["train", "sweep", str(detector), str(shared / "boxes" / "raccoon-val.parquet"), "--report", str(report), "--device", "cpu"]
    told = CliRunner().invoke(root, words)
    assert told.exit_code == 0, told.output
    assert "gain" in told.stdout
    content = json.loads(report.read_text(encoding="utf-8"))
    assert content["before"]["image_px"] == 96
    assert content["figures"]["map_gain"] >= 0
    assert read_inference(detector) == Inference(**content["after"])
