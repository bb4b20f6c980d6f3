"""`train detector` and `models export` as a user types them; what they do is tested with `train` and `detectors`."""

import importlib.util
import json
import shutil

import pytest
import torch
from click.testing import CliRunner

from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.writing import write_sets
from bioclip_search.cli import root
from bioclip_search.detectors.card import change_inference
from bioclip_search.detectors.exported import note_path
from bioclip_search.detectors.network import Architecture, build_network
from bioclip_search.detectors.organism import DetectorNote, load_organism_detector, write_detector
from bioclip_search.errors import ModelError
from tests.train.yolo.small_squares import squares

pytestmark = pytest.mark.usefixtures("own_threads")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a small detector, and boxes to go on with."""
    folder = tmp_path_factory.mktemp("world")
    torch.manual_seed(2)
    architecture = Architecture(channels=32, head_convs=1)
    write_detector(folder / "first", DetectorNote("first", architecture, 64), build_network(architecture).state_dict())
    write_sets(examine([squares(8, part=["train"] * 6 + ["val"] * 2)])[0], folder / "boxes", "coco")
    return folder


def ask(*words):
    return CliRunner().invoke(root, [*map(str, words)])


def test_a_folder_of_the_small_kind_goes_on_and_all_is_told_on_stderr(world, tmp_path):
    told = ask("train", "detector", "--data", world / "boxes", "--from", world / "first", "--epochs", 1, "--batch", 3, "--out", tmp_path / "mine")
    assert told.exit_code == 0, told.output
    assert told.stdout == ""
    assert "mAP50" in told.stderr
    assert "written" in told.stderr
    assert load_organism_detector(tmp_path / "mine", device="cpu").px == 64


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "Give either --data BOXES, or --config FILE"),
        (("--data", "b", "--config", __file__), "Give either --data BOXES, or --config FILE"),
        (("--data", "boxes", "--from", "first", "--categories", "own"), "--categories own is not for the small kind"),
        (("--data", "boxes", "--from", "first", "--max-mb", "8"), "--max-mb 8.0 is not for the small kind"),
        (("--data", "boxes", "--from", "first", "--evolve", "2"), "--evolve 2 is not for the small kind"),
        (("--data", "boxes", "--from", "first", "--patience", "3"), "--patience 3 is not for the small kind"),
        (("--data", "boxes", "--from", "first", "--device", "cuda"), "learns on the CPU"),
        (("--data", "boxes", "--subset", "0"), "--subset"),
        (("--data", "boxes", "--image-px", "7"), "--image-px"),
    ],
)
def test_what_cannot_be_asked_is_told_as_usage(world, monkeypatch, words, reason):
    monkeypatch.chdir(world)
    told = ask("train", "detector", *words, "--out", "mine")
    assert told.exit_code == 2
    assert reason in told.output


def test_an_unknown_start_is_our_error(world, monkeypatch):
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("ultralytics is not installed")
    monkeypatch.chdir(world)
    told = ask("train", "detector", "--data", "boxes", "--from", "yolo99x", "--out", "mine")
    assert isinstance(told.exception, ModelError)
    assert "yolo11n" in str(told.exception)


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="onnx is not installed")
def test_an_export_is_compared_and_its_note_keeps_the_figures(world, tmp_path):
    told = ask("models", "export", world / "first", "--to", "onnx", "--out", tmp_path / "first", "--check", world / "boxes")
    assert told.exit_code in (0, None), told.output
    rows = [line.split() for line in told.stdout.splitlines()]
    assert [row[0] for row in rows] == ["DETECTOR", "mAP50", "mAP75", "mAP"]
    assert rows[-1][-1] == "+0.00"
    parity = json.loads(note_path(tmp_path / "first.onnx").read_text())["parity"]
    assert parity["map_gain"] == 0


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="onnx is not installed")
def test_that_an_export_looks_once_where_its_folder_looks_several_times_is_told(world, tmp_path):
    folder = tmp_path / "first"
    shutil.copytree(world / "first", folder)
    change_inference(folder, augment=True, confidence=0.3)
    told = ask("models", "export", folder, "--to", "onnx", "--out", tmp_path / "first.onnx")
    assert "several times (augment), its export once" in told.stderr
    inference = json.loads(note_path(tmp_path / "first.onnx").read_text())["inference"]
    assert (inference["augment"], inference["confidence"]) == (False, 0.3)
    change_inference(folder, augment=False)
    assert "augment" not in ask("models", "export", folder, "--to", "onnx", "--out", tmp_path / "first.onnx", "--overwrite").stderr


def test_only_folders_are_exported(tmp_path):
    told = ask("models", "export", "MDV6-yolov9-c", "--to", "onnx", "--out", tmp_path / "x")
    assert isinstance(told.exception, ModelError)
    assert "Expected the folder of a detector to export" in str(told.exception)
