"""The card of a detector folder: written, read, changed; whatever is not ours refused with its reason."""

import json

import pytest

from bioclip_search.detectors.card import (
    CARD_FILE,
    FORMAT,
    MAX_CARD_BYTES,
    SMALL_FORMAT,
    DetectorCard,
    Inference,
    change_inference,
    is_small,
    read_card,
    read_inference,
    write_card,
)
from bioclip_search.errors import ModelError

CARD = DetectorCard(
    name="hill",
    architecture="yolo11n",
    categories=("Panthera uncia", "animal"),
    image_px=160,
    inference=Inference(confidence=0.35, iou=0.5, image_px=192, augment=True),
    training="on two pictures",
    licences="AGPL-3.0",
    data={"taught": {"pictures": 2, "boxes": 3}},
    recipe={"epochs": 1},
    metrics={"map50": 0.5},
)


@pytest.fixture
def folder(tmp_path):
    write_card(tmp_path, CARD, "5a" * 32)
    return tmp_path


def change_file(folder, **changes):
    content = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(content | changes))


def test_a_card_comes_back_as_it_was_written(folder):
    assert read_card(folder) == (CARD, "5a" * 32)
    assert not is_small(folder)


def test_changed_settings_are_kept_and_the_rest_stays(folder):
    changed = change_inference(folder, confidence=0.6, image_px=None)
    assert changed == Inference(confidence=0.6, iou=0.5, image_px=None, augment=True)
    card, weights_hash = read_card(folder)
    assert card.inference == read_inference(folder) == changed
    assert (card.name, card.metrics, weights_hash) == (CARD.name, CARD.metrics, "5a" * 32)
    assert [file.name for file in folder.iterdir()] == [CARD_FILE], "nothing is left behind beside it"


def test_a_refused_change_leaves_the_card_as_it_was(folder):
    before = (folder / CARD_FILE).read_bytes()
    with pytest.raises(ValueError, match="iou between 0 and 1"):
        change_inference(folder, iou=1.5)
    assert (folder / CARD_FILE).read_bytes() == before


def test_a_folder_of_the_small_kind_has_settings_too(tmp_path):
    (tmp_path / CARD_FILE).write_text(json.dumps({"format": SMALL_FORMAT, "name": "small", "px": 256}))
    assert is_small(tmp_path)
    assert read_inference(tmp_path) == Inference()
    change_inference(tmp_path, confidence=0.4)
    assert json.loads((tmp_path / CARD_FILE).read_text())["px"] == 256
    assert read_inference(tmp_path).confidence == 0.4
    with pytest.raises(ModelError, match="its format is not"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "bioclip-search detector 99"}, "neither"),
        ({"format": ["x"]}, "neither"),
        ({"kind": "pickle"}, "kind"),
        ({"categories": []}, "1 to 1,000 categories"),
        ({"categories": [""]}, "each a name"),
        ({"categories": ["cat", "cat"]}, "twice"),
        ({"categories": ["c" + str(number) for number in range(1001)]}, "1 to 1,000 categories"),
        ({"categories": 5}, "description"),
        ({"image_px": 100}, "multiple of 32"),
        ({"image_px": True}, "multiple of 32"),
        ({"image_px": 1 << 40}, "multiple of 32"),
        ({"name": 7}, "should be text"),
        ({"architecture": {"backbone": "os.system"}}, "should be text"),
        ({"data": [1]}, "objects"),
        ({"inference": {"confidence": "high"}}, "confidence between 0 and 1"),
        ({"inference": {"confidence": float("nan")}}, "confidence between 0 and 1"),
        ({"inference": {"augment": 1}}, "true or false"),
        ({"inference": {"surprise": 1}}, "surprise"),
        ({"inference": 3}, "description"),
    ],
)
def test_a_card_that_is_not_ours_is_refused_with_its_reason(folder, changes, reason):
    change_file(folder, **changes)
    with pytest.raises(ModelError, match=reason):
        read_card(folder)


@pytest.mark.parametrize("key", ["architecture", "categories", "image_px", "name", "weights_sha256"])
def test_a_card_that_lacks_something_names_it(folder, key):
    content = json.loads((folder / CARD_FILE).read_text())
    del content[key]
    (folder / CARD_FILE).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=key):
        read_card(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"null", b"[" * 60_000], ids=["empty", "list", "cut", "no text", "null", "deep"])
def test_a_card_that_is_no_object_is_refused(folder, content):
    (folder / CARD_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="Expected the description of a detector"):
        read_inference(folder)


def test_a_card_of_great_length_is_not_read(folder):
    (folder / CARD_FILE).write_bytes(b" " * (MAX_CARD_BYTES + 1))
    with pytest.raises(ModelError, match="larger than"):
        read_card(folder)


def test_the_format_of_what_ultralytics_runs_is_another_than_that_of_the_small_kind(folder):
    assert json.loads((folder / CARD_FILE).read_text())["format"] == FORMAT != SMALL_FORMAT
