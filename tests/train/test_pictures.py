import io
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

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
    lesson_of,
    open_picture,
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


@pytest.mark.parametrize(
    "changes", [{"taxon": {"species": "Genus b"}}, {"part": SEEN}, {"data": b"longer"}, {"source_id": "other"}], ids=lambda changes: next(iter(changes))
)
def test_the_lesson_is_another_where_a_picture_its_name_or_its_part_is(changes):
    first, *others = world()
    assert lesson_of([first, *others]) == lesson_of(world())
    assert lesson_of([replace(first, **changes), *others]) != lesson_of(world())


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


WALLABY = ["Animalia", "Chordata", "Mammalia", "Diprotodontia", "Macropodidae", "Macropus", "Macropus agilis", "Agile Wallaby"]


@pytest.fixture
def boxes(tmp_path):
    """One image, red at the left and green at the right, with a box on each half and one that is too small."""
    image = Image.new("RGB", (80, 40), (220, 0, 0))
    image.paste((0, 200, 0), (40, 0, 80, 40))
    image.save(buffer := io.BytesIO(), "PNG")
    objects = {"bbox": [[5.0, 5.0, 20.0, 30.0], [50.0, 5.0, 30.0, 35.0], [0.0, 0.0, 3.0, 3.0]], "category": ["Macropodidae", "Macropus agilis", "Macropus"]}
    rows = [{"image": {"bytes": buffer.getvalue(), "path": None}, "width": 80, "height": 40, "objects": objects, "source_id": "a.jpg", "split": "train"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "boxes.parquet")
    pq.write_table(pa.Table.from_pylist([dict(zip((*RANKS, "common_name"), WALLABY, strict=True))]), tmp_path / "taxa.parquet")
    return PictureSetConfig("boxes", "boxes.parquet", boxes=True, taxa="taxa.parquet")


def test_every_box_is_a_picture_named_by_its_category(tmp_path, boxes):
    pictures = read_pictures(tmp_path, [boxes])
    assert [(p.taxon["family"], p.taxon["species"]) for p in pictures] == [("Macropodidae", None), ("Macropodidae", "Macropus agilis")]
    colours = decode_pictures(pictures, 8).reshape(2, -1, 3)
    assert (colours[0] == (220, 0, 0)).all()
    assert (colours[1] == (0, 200, 0)).all()
    assert open_picture(pictures[1]).size == (33, 38)  # 30 x 35 and a tenth on each side, but for the image's edges at 80 and 40


def test_boxes_of_one_image_are_kept_back_together(tmp_path, boxes):
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        assert len({p.part for p in read_pictures(tmp_path, [replace(boxes, hold_pictures=share)])}) == 1


def test_a_category_without_a_taxon_is_named(tmp_path, boxes):
    pq.write_table(pq.read_table(tmp_path / "taxa.parquet").slice(0, 0), tmp_path / "taxa.parquet")
    with pytest.raises(TableError, match="no taxon 'Macropodidae' in taxa.parquet"):
        read_pictures(tmp_path, [boxes])


def test_pictures_are_squashed_or_cut_to_their_middle(tmp_path, boxes):
    whole = replace(read_pictures(tmp_path, [boxes])[0], crop_xyxy=None)
    squashed, cut = (decode_pictures([whole], 8, resize_mode=mode)[0] for mode in ("squash", "shortest"))
    assert [row[0].argmax() for row in (squashed[:, 0], squashed[:, -1], cut[:, 0], cut[:, -1])] == [0, 1, 0, 1]
    assert squashed.shape == cut.shape == (8, 8, 3)
    # In the cut, 20 px of each half are left; both halves are there, but a picture with a mark at its edge would lose it.
    edge = Image.open(io.BytesIO(whole.encoded()))
    edge.paste((0, 0, 255), (0, 0, 10, 40))
    edge.save(buffer := io.BytesIO(), "PNG")
    marked = replace(whole, data=buffer.getvalue())
    assert decode_pictures([marked], 8, resize_mode="squash")[0, 0, 0].argmax() == 2
    assert decode_pictures([marked], 8, resize_mode="shortest")[0, 0, 0].argmax() == 0


def test_an_organisms_box_comes_with_its_picture(shared):
    (tiny, *_) = read_pictures(shared, [PictureSetConfig("tiny", "tiny/*.parquet")])
    assert tiny.box_xyxy == (18, 11, 57, 50)  # [21, 14, 54, 47] and a tenth on each side
    assert tiny.crop_xyxy is None
