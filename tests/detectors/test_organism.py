"""The folder of our own detector: what is written is what is loaded, geometry by hand, and whatever may be wrong with it."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save

from bioclip_search import places
from bioclip_search.detect import load_detector
from bioclip_search.detectors.card import Inference, change_inference
from bioclip_search.detectors.network import Architecture, build_network
from bioclip_search.detectors.organism import (
    MAX_NOTE_BYTES,
    NOTE_FILE,
    WEIGHTS_FILE,
    DetectorNote,
    OrganismDetector,
    fit_picture,
    load_organism_detector,
    read_note,
    write_detector,
)
from bioclip_search.errors import ModelError
from bioclip_search.lanes import keep_to

NOTE = DetectorNote("small", Architecture(channels=32, head_convs=1), 64, training="on nothing", licences="none needed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A detector of random weights that sees something everywhere at confidence 0; do not change it, copy it."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("detector") / "small"
    write_detector(folder, NOTE, build_network(NOTE.architecture).state_dict())
    return folder


@pytest.fixture(scope="module")
def detector(folder):
    return load_organism_detector(folder, device="cpu")


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the folder, to be damaged."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def change_note(folder, **changes):
    content = json.loads((folder / NOTE_FILE).read_text()) | changes
    (folder / NOTE_FILE).write_text(json.dumps(content))


def noise(width, height, seed=0):
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


class FixedNetwork:
    """Answers with one box, label 0, whatever it is shown."""

    def __init__(self, box, score):
        self.box, self.score, self.shapes = box, score, []

    def __call__(self, images):
        self.shapes += [tuple(image.shape) for image in images]
        return [{"boxes": torch.tensor([self.box]), "scores": torch.tensor([self.score]), "labels": torch.tensor([0])} for _ in images]


# Geometry


def test_a_box_is_told_in_pixels_of_the_picture_with_the_product_as_confidence():
    network = FixedNetwork([10.0, 5.0, 50.0, 40.0], 0.5)  # seen at half size
    detector = OrganismDetector("fixed", "f", 100, ("organism",), network, torch.device("cpu"))
    ((one,),) = detector.detect([PIL.Image.new("RGB", (200, 120))], 0.2)
    assert network.shapes == [(3, 60, 100)]
    assert one.box_xyxy == (20.0, 10.0, 100.0, 80.0)
    assert one.confidence == 0.25  # 0.5 squared
    assert one.category == "organism"


def test_a_box_beyond_the_edge_is_clipped_and_one_without_area_dropped():
    def found(box):
        detector = OrganismDetector("fixed", "f", 100, ("organism",), FixedNetwork(box, 0.9), torch.device("cpu"))
        return [one.box_xyxy for one in detector.detect([PIL.Image.new("RGB", (100, 50))], 0.2)[0]]

    assert found([-5.0, 10.0, 120.0, 60.0]) == [(0.0, 10.0, 100.0, 50.0)]
    assert found([30.0, 60.0, 40.0, 70.0]) == []


def test_a_box_at_the_threshold_is_left_out():
    detector = OrganismDetector("fixed", "f", 100, ("organism",), FixedNetwork([0.0, 0.0, 9.0, 9.0], 0.5), torch.device("cpu"))
    picture = PIL.Image.new("RGB", (100, 100))
    assert detector.detect([picture], 0.25) == [[]]
    assert len(detector.detect([picture], 0.24)[0]) == 1


@pytest.mark.parametrize(
    ("size", "shape", "case"),
    [((200, 100), (32, 64), "wide"), ((10, 20), (64, 32), "small ones are enlarged"), ((1000, 1), (1, 64), "a thread keeps one row")],
)
def test_the_longer_side_is_what_the_note_says(size, shape, case):
    pixels, scale = fit_picture(PIL.Image.new("RGB", size), 64)
    assert pixels.shape == (*shape, 3), case
    assert scale == pytest.approx((shape[1] / size[0], shape[0] / size[1])), case


@pytest.mark.parametrize("training", [True, False])
def test_the_network_sees_pictures_as_they_are_in_training_and_after_it(training):
    # torchvision scales to 800 px where it is not told otherwise, and its own switch holds in training only.
    network = build_network(NOTE.architecture).train(training)
    seen, _ = network.transform([torch.zeros(3, 64, 96), torch.zeros(3, 40, 70)])
    assert seen.tensors.shape == (2, 3, 64, 96)
    assert seen.image_sizes == [(64, 96), (40, 70)]


# Answers


def test_the_boxes_of_a_loaded_detector_lie_in_the_picture_and_best_first(detector):
    (found,) = detector.detect([noise(90, 50)], 0.0)
    assert len(found) > 1
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)
    for left, top, right, bottom in (one.box_xyxy for one in found):
        assert 0 <= left < right <= 90
        assert 0 <= top < bottom <= 50


def test_the_neighbours_change_nothing(detector):
    pictures = [noise(90, 50, 1), noise(33, 70, 2), noise(90, 50, 3)]
    assert detector.detect(pictures, 0.0) == [detector.detect([picture], 0.0)[0] for picture in pictures]


def test_threads_that_ask_for_other_confidences_do_not_disturb_each_other(detector):
    picture = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    every = sorted({one.confidence for (found,) in [detector.detect([picture], 0.0)] for one in found})
    least = [0.0, every[len(every) // 2]]
    alone = [detector.detect([picture], confidence)[0] for confidence in least]
    assert len(alone[0]) > len(alone[1]) > 0
    with ThreadPoolExecutor(4, initializer=keep_to, initargs=(torch.get_num_threads(),)) as pool:
        assert list(pool.map(lambda turn: detector.detect([picture], least[turn % 2])[0], range(40))) == alone * 20


def test_no_pictures_give_no_lists(detector):
    assert detector.detect([], 0.2) == []


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "1"])
def test_pictures_of_any_mode_and_of_one_pixel_are_taken(detector, mode):
    assert len(detector.detect([PIL.Image.new(mode, (40, 30)), PIL.Image.new(mode, (1, 1))], 0.0)) == 2


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_confidence_is_refused(detector, threshold):
    with pytest.raises(ValueError, match="between 0 and 1"):
        detector.detect([], threshold)


# Writing and loading


def test_what_is_written_is_what_is_loaded(folder, detector):
    torch.manual_seed(3)
    weights = build_network(NOTE.architecture).state_dict()
    loaded = detector.network.state_dict()
    assert all(torch.equal(loaded[name], value.half().float()) for name, value in weights.items())
    assert read_note(folder)[0] == NOTE
    assert (detector.name, detector.categories) == ("small", ("organism",))
    assert sorted(file.name for file in folder.iterdir()) == [NOTE_FILE, WEIGHTS_FILE]


def test_a_folder_is_loaded_by_its_path(folder, detector):
    loaded = load_detector(str(folder), device="cpu")
    assert (loaded.name, loaded.fingerprint) == ("small", detector.fingerprint)


def test_the_fingerprint_changes_with_what_shapes_the_boxes_only(folder, detector, copy):
    change_note(copy, training="a better sentence", name="other")
    assert load_organism_detector(copy, device="cpu").fingerprint == detector.fingerprint
    change_note(copy, px=96)
    assert load_organism_detector(copy, device="cpu").fingerprint != detector.fingerprint


def test_categories_of_the_note_are_what_is_answered(tmp_path):
    note = replace(NOTE, categories=("Animal", "flower head"))
    write_detector(tmp_path, note, build_network(note.architecture, 2).state_dict())
    detector = load_organism_detector(tmp_path, device="cpu")
    assert {one.category for one in detector.detect([noise(64, 64)], 0.0)[0]} == {"animal", "flower head"}


def test_loading_and_detecting_needs_no_extra(folder):
    code = (
        "import sys, PIL.Image; from bioclip_search.detect import load_detector\n"
        "assert not {'torch', 'timm'} & set(sys.modules)\n"
        "load_detector(sys.argv[1], device='cpu').detect([PIL.Image.new('RGB', (64, 64))], 0.2)\n"
        "assert not {'ultralytics', 'onnxruntime', 'cv2', 'ai_edge_litert'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


# Folders that are not right


def test_a_folder_that_is_no_detector_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"holds no detector\.json.*train detector"):
        load_detector(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "bioclip-search detector 99"}, "format"),
        ({"format": None}, "format"),
        ({"px": 63}, "between 64 and 1280"),
        ({"px": 10**9}, "between 64 and 1280"),
        ({"px": True}, "between 64 and 1280"),
        ({"px": "64"}, "between 64 and 1280"),
        ({"categories": []}, "categories"),
        ({"categories": ["x"] * 1000}, "categories"),
        ({"categories": [1]}, "text"),
        ({"name": 7}, "text"),
        ({"architecture": {"backbone": "os.system"}}, "backbone"),
        ({"architecture": {"channels": 1 << 40}}, "channels"),
        ({"architecture": {"channels": 33}}, "channels"),
        ({"architecture": {"head_convs": -1}}, "head_convs"),
        ({"architecture": {"layers": 3}}, "layers"),
        ({"architecture": None}, "description"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_note_that_is_not_ours_is_refused_with_its_reason(copy, changes, reason):
    change_note(copy, **changes)
    with pytest.raises(ModelError, match=reason):
        load_organism_detector(copy)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"null", b"[" * 60_000], ids=["empty", "list", "cut", "no text", "null", "deep"])
def test_a_note_that_is_no_object_is_refused(copy, content):
    (copy / NOTE_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=NOTE_FILE):
        load_organism_detector(copy)


@pytest.mark.parametrize("key", ["weights_sha256", "architecture", "categories", "name", "px"])
def test_a_note_that_lacks_something_is_refused(copy, key):
    content = json.loads((copy / NOTE_FILE).read_text())
    del content[key]
    (copy / NOTE_FILE).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=key):
        load_organism_detector(copy)


def test_a_note_of_great_length_is_not_read(copy):
    (copy / NOTE_FILE).write_bytes(b" " * (MAX_NOTE_BYTES + 1))
    with pytest.raises(ModelError, match="larger than"):
        load_organism_detector(copy)


def test_missing_weights_are_named(copy):
    (copy / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match=WEIGHTS_FILE):
        load_organism_detector(copy)


def test_weights_that_changed_are_refused(copy):
    data = bytearray((copy / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (copy / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(ModelError, match="vouches"):
        load_organism_detector(copy)


def rewrite_weights(folder, data):
    (folder / WEIGHTS_FILE).write_bytes(data)
    change_note(folder, weights_sha256=sha256(data).hexdigest())


@pytest.mark.parametrize("content", [b"", b"no tensors at all", b"\xff" * 64], ids=["empty", "text", "header of endless length"])
def test_weights_that_are_no_safetensors_are_refused(copy, content):
    rewrite_weights(copy, content)
    with pytest.raises(ModelError, match="do not fit"):
        load_organism_detector(copy)


def test_weights_of_another_network_are_refused(copy):
    weights = load_file(copy / WEIGHTS_FILE)
    weights.pop("head.regression_head.bbox_reg.weight")
    rewrite_weights(copy, save(weights))
    with pytest.raises(ModelError, match="do not fit"):
        load_organism_detector(copy)


def test_weights_that_are_not_finite_are_refused(copy):
    weights = load_file(copy / WEIGHTS_FILE)
    weights["head.regression_head.bbox_reg.weight"][0] = float("nan")
    rewrite_weights(copy, save(weights))
    with pytest.raises(ModelError, match="finite"):
        load_organism_detector(copy)


@pytest.mark.parametrize("device", ["cuda:77", "toaster"])
def test_a_device_that_is_not_there_is_a_model_error(folder, device):
    with pytest.raises(ModelError, match=device):
        load_organism_detector(folder, device=device)


def test_the_starter_is_found_by_name_and_sees_the_cat():
    shipped = places.shipped("index")
    if shipped is None or not (shipped / "starter" / "detector" / NOTE_FILE).is_file():
        pytest.skip("the starter's detector is not in this checkout")
    data = pytest.importorskip("skimage.data")
    detector = load_detector("Starter", device="cpu")
    assert detector.name == "starter"
    (best, *_) = detector.detect([PIL.Image.fromarray(data.chelsea())], 0.2)[0]
    left, top, right, bottom = best.box_xyxy  # the cat's head fills most of 451 x 300 px
    assert right - left > 150
    assert bottom - top > 150


def test_three_looks_come_to_one_answer_and_the_mirrored_one_tells_where_the_box_stands():
    network = FixedNetwork([10.0, 5.0, 30.0, 40.0], 0.5)
    plain = OrganismDetector("fixed", "f", 100, ("organism",), network, torch.device("cpu"))
    twice = OrganismDetector("fixed", "f", 100, ("organism",), network, torch.device("cpu"), Inference(augment=True))
    picture = PIL.Image.new("RGB", (100, 60))
    assert [one.box_xyxy for one in plain.detect([picture], 0.1)[0]] == [(10.0, 5.0, 30.0, 40.0)]
    # The fixed box lies at (8, 4, 24, 32) where the picture was looked at 1.25 times larger, and overlaps the first by 378 of 770:
    # one find, half way between, of two looks in three. The mirrored look alone sees the other.
    both, mirrored = twice.detect([picture], 0.05)[0]
    assert both.box_xyxy == (9.0, 4.5, 27.0, 36.0)
    assert mirrored.box_xyxy == (70.0, 5.0, 90.0, 40.0)
    assert both.confidence == pytest.approx(2 * mirrored.confidence)


def test_other_settings_of_the_card_are_told_by_the_fingerprint(copy):
    before = load_organism_detector(copy, device="cpu")
    change_inference(copy, image_px=96)
    after = load_organism_detector(copy, device="cpu")
    assert (before.px, after.px) == (64, 96)
    assert before.fingerprint != after.fingerprint
    assert load_organism_detector(copy, device="cpu", inference=Inference()).fingerprint == before.fingerprint
