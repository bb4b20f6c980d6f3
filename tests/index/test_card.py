from __future__ import annotations

import json
import shutil
from dataclasses import asdict, fields

import pytest

from bioclip_search.errors import IndexDamagedError, IndexFolderError, IndexMismatchError
from bioclip_search.index import Card, Index
from bioclip_search.index.card import EncoderNote, SpeedNote, is_inside

ENCODER = asdict(EncoderNote("colours", "c0104e+fp32", "open_clip", 32, 20.0))
SPEED = [field.name for field in fields(SpeedNote)]


@pytest.fixture
def folder(small_index, tmp_path):
    return shutil.copytree(small_index, tmp_path / "copy")


def rewrite(folder, change):
    """Changes the card and seals it again, as somebody would who knows the format."""
    card = json.loads((folder / "card.json").read_text())
    change(card)
    from bioclip_search.index import card as module

    card.pop(module.SEAL)
    card[module.SEAL] = module._seal(card)
    (folder / "card.json").write_text(json.dumps(card))


def test_a_card_read_is_the_card_written(folder, tmp_path):
    card = Card.read(folder)
    (tmp_path / "again").mkdir()
    card.write(tmp_path / "again")
    assert Card.read(tmp_path / "again") == card
    assert (tmp_path / "again" / "card.json").read_bytes() == (folder / "card.json").read_bytes()


@pytest.mark.parametrize("name", ["card.json", "taxa.parquet", "vectors.faiss", "names.sqlite"])
@pytest.mark.parametrize("place", [0, 0.5, 0.999])
def test_one_changed_byte_in_any_file_stops_the_opening(folder, name, place):
    data = bytearray((folder / name).read_bytes())
    data[int(place * len(data))] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises((IndexDamagedError, IndexMismatchError), match=name):
        Index(folder)


@pytest.mark.parametrize("name", ["taxa.parquet", "vectors.faiss", "names.sqlite"])
def test_a_missing_or_shortened_file_stops_the_opening(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(IndexDamagedError, match="was changed"):
        Index(folder)
    (folder / name).unlink()
    with pytest.raises(IndexDamagedError, match="is missing"):
        Index(folder)


def test_another_format_version_says_how_to_go_on(folder):
    rewrite(folder, lambda card: card.update(format_version="7"))
    with pytest.raises(IndexMismatchError, match="has index format 7, this program reads 1"):
        Index(folder)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/hostname", "a/../../outside.txt", "C:outside.txt", "a\\..\\b"])
def test_a_card_that_points_out_of_its_folder_is_refused(folder, name):
    (folder.parent / "outside.txt").write_text("secret")
    rewrite(folder, lambda card: card["files"].update({name: {"size_bytes": 6, "sha256": "0"}}))
    assert not is_inside(name)
    with pytest.raises(IndexDamagedError, match="outside the folder"):
        Index(folder)


def test_a_link_out_of_the_folder_is_refused(folder):
    outside = folder.parent / "vectors.faiss"
    (folder / "vectors.faiss").rename(outside)
    (folder / "vectors.faiss").symlink_to(outside)
    with pytest.raises(IndexDamagedError, match="outside the folder"):
        Index(folder)


def test_a_card_that_keeps_silent_on_a_file_or_a_part_is_refused(folder):
    rewrite(folder, lambda card: card["files"].pop("taxa.parquet"))
    with pytest.raises(IndexDamagedError, match="says nothing of taxa.parquet"):
        Index(folder)
    rewrite(folder, lambda card: card.pop("encoder"))
    with pytest.raises(IndexDamagedError, match="lacks what a card must say"):
        Index(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"added": {"folder": ".", "count": 1}}, "'.' is no folder of its own kind", id="an addition that is the index itself"),
        pytest.param({"added": {"folder": "encoder", "count": 1}}, "no folder of its own kind", id="an addition that is another folder"),
        pytest.param(
            {"speeds": {"fast": {**dict.fromkeys(SPEED, 1.0), "sketch": "encoder"}}}, "no folder of its own kind", id="a sketch that is another folder"
        ),
        pytest.param({"vectors": {"kind": "flat", "count": "9", "dim": 32}}, "a count is no whole number", id="a count in words"),
        pytest.param({"taxonomy": {"content_hash": "", "ranks": ["species"], "leaves": -1}}, "a count is no whole number", id="less than nothing"),
        pytest.param({"encoder": {**ENCODER, "logit_scale": 0}}, "logit scale", id="no logit scale"),
        pytest.param({"encoder": {**ENCODER, "logit_scale": 10**400}}, "logit scale", id="a logit scale without end"),
        pytest.param({"calibration": {"temperature": "hot", "fitted_on": ""}}, "temperature is no number", id="a temperature in words"),
        pytest.param({"calibration": {"temperature": float("nan"), "fitted_on": ""}}, "temperature is no number", id="a temperature that is none"),
        pytest.param({"recipe": {}}, "text recipe", id="no recipe"),
    ],
)
def test_a_card_that_says_what_cannot_be_is_refused(folder, change, message):
    rewrite(folder, lambda card: card.update(change))
    with pytest.raises(IndexDamagedError, match=message):
        Index(folder)


def test_brackets_within_brackets_and_half_letters_are_no_card(folder):
    (folder / "card.json").write_text("[" * 100_000)
    with pytest.raises(IndexDamagedError, match="no card any more"):
        Index(folder)
    (folder / "card.json").write_text('{"format_version": "1", "name": "\\ud800"}')
    with pytest.raises(IndexDamagedError, match="changed after"):
        Index(folder)


def test_a_folder_without_card_is_no_index(tmp_path):
    with pytest.raises(IndexFolderError, match="is no index folder"):
        Index(tmp_path)
    (tmp_path / "card.json").write_text("[1, 2")
    with pytest.raises(IndexDamagedError, match="no card any more"):
        Index(tmp_path)
