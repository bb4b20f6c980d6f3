import pytest

from bioclip_search.errors import PictureError, TableError
from bioclip_search.prompts import RANKS
from bioclip_search.train.config import PictureSetConfig
from bioclip_search.train.pictures import (
    SEEN,
    TRAIN,
    UNSEEN,
    LabelledPicture,
    assign_parts,
    decode_pictures,
    hash_fraction,
    read_pictures,
)

BIRDS = PictureSetConfig("birds", "birds/*", hold_species=0.5)
WILD = PictureSetConfig("wild", "wild/*", hold_species=0.2, hold_pictures=0.3)
MOTHS = PictureSetConfig("moths", "moths/*")
SETS = (BIRDS, WILD, MOTHS)


def picture(set_name: str, species: str | None, k: int = 0, split: str = "train", data: bytes = b"") -> LabelledPicture:
    taxon = dict.fromkeys((*RANKS, "common_name")) | {"kingdom": "Animalia", "species": species}
    return LabelledPicture(data, taxon, f"{species}/{k}", set_name, split)


def world() -> list[LabelledPicture]:
    return [picture(name, f"Genus {letter}", k) for name in ("birds", "wild") for letter in "abcdefghijklmnop" for k in range(4)]


def test_hash_fraction_is_the_same_on_every_machine():
    # SHA-256 of nothing begins e3b0c442 98fc1c14 (FIPS 180-4 test vector).
    assert hash_fraction("") == 0xE3B0C44298FC1C14 / 2**64


def test_a_species_held_out_of_one_set_is_taught_by_none():
    parts = assign_parts(world(), SETS)
    unseen = {p.taxon["species"] for p in parts if p.part == UNSEEN}
    assert unseen
    assert not unseen & {p.taxon["species"] for p in parts if p.part != UNSEEN}


def test_parts_do_not_depend_on_order_or_on_other_pictures():
    forward = {(p.set_name, p.source_id): p.part for p in assign_parts(world(), SETS)}
    backward = {(p.set_name, p.source_id): p.part for p in assign_parts(world()[::-1], SETS)}
    more = {(p.set_name, p.source_id): p.part for p in assign_parts([*world(), picture("birds", "Genus z")], SETS)}
    assert forward == backward
    assert forward == {key: more[key] for key in forward}


def test_every_part_is_used_and_train_is_the_largest_of_wild():
    parts = [p.part for p in assign_parts(world(), SETS) if p.set_name == "wild"]
    assert set(parts) == {TRAIN, SEEN, UNSEEN}
    assert parts.count(TRAIN) > parts.count(SEEN)


def test_a_species_that_another_set_teaches_is_not_held_out():
    held = next(p.taxon["species"] for p in assign_parts(world(), SETS) if p.part == UNSEEN)
    parts = assign_parts([picture("birds", held), picture("moths", held)], SETS)
    assert [p.part for p in parts] == [TRAIN, TRAIN]


def test_the_files_own_validation_split_is_always_kept_back():
    assert assign_parts([picture("moths", None, split="val")], SETS)[0].part == SEEN


def test_pictures_are_squashed_to_squares(tiny_config, tmp_path):
    pictures = read_pictures(tmp_path / "data", tiny_config.sets)
    pixels = decode_pictures(pictures, 20)
    assert pixels.shape == (24, 20, 20, 3)
    assert pixels[0].mean(axis=(0, 1)).argmax() == 0  # the redstart is red
    assert [p.part for p in pictures].count(SEEN) == 3
    assert decode_pictures([], 20).shape == (0, 20, 20, 3)


def test_a_picture_that_cannot_be_decoded_is_named():
    with pytest.raises(PictureError, match="Genus a/0 of set birds"):
        decode_pictures([picture("birds", "Genus a", data=b"no picture")], 20)


def test_a_set_without_files_says_where_it_looked(tmp_path):
    with pytest.raises(TableError, match="nothing matches 'birds/\\*'"):
        read_pictures(tmp_path, [BIRDS])
