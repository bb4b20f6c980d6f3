from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import find_sets, read_set, sets_of_training
from bioclip_search.train.config import EncoderConfig, PictureSetConfig
from tests.conftest import picture_of


def png(leaf: int) -> bytes:
    picture_of(leaf).save(buffer := io.BytesIO(), "PNG")
    return buffer.getvalue()


def write_parquet(path, leaves, **columns):
    """Pictures of the leaves, all of them lions unless a column says otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = {"image": [{"bytes": png(leaf), "path": None} for leaf in leaves], "species": ["Panthera leo"] * len(leaves)}
    parquet.write_table(pa.table(rows | columns), path, row_group_size=100)
    return path


def test_parquet_files_of_one_folder_are_one_set_whatever_way_they_are_named(tmp_path):
    one = write_parquet(tmp_path / "cats/a.parquet", [1, 2], split=["train", "val"], source_id=["x.jpg", "y.jpg"])
    write_parquet(tmp_path / "cats/b.parquet", [3])
    for places in ([tmp_path / "cats"], [f"{tmp_path}/cats/*.parquet"], [one, tmp_path / "cats/b.parquet"], [tmp_path / "cats", one]):
        (cats,) = find_sets(places)
        assert (cats.name, len(cats), cats.parts.tolist()) == ("cats", 3, ["train", "val", "all"])
        assert cats.names == ("cats/x.jpg", "cats/y.jpg", "cats/row 3")
        assert cats.taxa["genus"].to_pylist() == ["Panthera"] * 3
        assert list(cats.pictures(np.array([False, True, True]))) == [png(2), png(3)]


def test_pictures_of_many_batches_and_row_groups_come_in_order(tmp_path):
    write_parquet(tmp_path / "many/a.parquet", [number % 250 for number in range(230)])
    (many,) = find_sets([tmp_path / "many"])
    wanted = np.arange(230) % 3 == 0
    assert list(many.pictures(wanted)) == [png(number % 250) for number in range(0, 230, 3)]


def test_a_csv_names_its_pictures_relative_to_itself(tmp_path):
    (tmp_path / "list.csv").write_text("path,Genus,epithet,vernacularName\nsub/a.png,Panthera,leo,Lion\n,Felis,catus,Cat\n", encoding="utf-8")
    (listed,) = find_sets([tmp_path / "list.csv"])
    assert listed.name == "list"
    assert listed.taxa["species"].to_pylist() == ["Panthera leo", "Felis catus"]
    assert listed.taxa["common_name"].to_pylist() == ["Lion", "Cat"]
    assert list(listed.pictures(np.array([True, True]))) == [tmp_path / "sub/a.png", tmp_path]


def test_a_cell_may_hold_a_path_or_nothing(tmp_path):
    image = pa.array([{"bytes": None, "path": "a.png"}, None], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    path = write_parquet(tmp_path / "set/a.parquet", [0, 0], image=image)
    (found,) = find_sets([path])
    assert list(found.pictures(np.array([True, True]))) == [tmp_path / "set/a.png", b""]


def test_two_folders_of_one_name_stay_apart(tmp_path):
    for home in "ab":
        write_parquet(tmp_path / home / "cats/x.parquet", [0])
    assert [found.name for found in find_sets([tmp_path / "a/cats", tmp_path / "b/cats"])] == [str(tmp_path / home / "cats") for home in "ab"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "cannot be read as Parquet", id="empty"),
        pytest.param(b"PAR1 is no more", "cannot be read as Parquet", id="damaged"),
        pytest.param(None, "no such file", id="missing"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(TableError, match=message):
        find_sets([tmp_path / "x.parquet"])


def test_what_is_missing_is_told(tmp_path):
    parquet.write_table(pa.table({"species": ["Panthera leo"]}), tmp_path / "x.parquet")
    with pytest.raises(TableError, match="has no column image; it has species"):
        find_sets([tmp_path / "x.parquet"])
    (tmp_path / "x.csv").write_text("species\nPanthera leo\n")
    with pytest.raises(TableError, match="has no column path"):
        find_sets([tmp_path / "x.csv"])
    write_parquet(tmp_path / "y.parquet", [0], species=[None]).rename(tmp_path / "z.parquet")
    parquet.write_table(parquet.read_table(tmp_path / "z.parquet").drop_columns(["species"]), tmp_path / "z.parquet")
    with pytest.raises(TableError, match="none of the columns kingdom"):
        find_sets([tmp_path / "z.parquet"])
    with pytest.raises(TableError, match="there are no Parquet files"):
        find_sets([f"{tmp_path}/nothing-*.parquet"])
    with pytest.raises(TableError, match="neither Parquet nor CSV"):
        find_sets([tmp_path / "photo.jpg"])
    with pytest.raises(TableError, match="has no files"):
        read_set("empty", [])


def test_the_parts_of_a_training_run_are_those_that_it_kept_apart(tmp_path):
    species = [f"Panthera {name}" for name in ("leo", "uncia", "onca", "tigris", "pardus") for _ in range(4)]
    ranks = dict.fromkeys(("kingdom", "phylum", "class", "order", "family", "genus", "common_name"), pa.nulls(20, pa.string()))
    columns = {"source_id": [f"{row}.jpg" for row in range(20)], "split": ["val", "train", "train", "train"] * 5}
    write_parquet(tmp_path / "cats/a.parquet", range(20), species=species, **ranks, **columns)
    config = EncoderConfig(sets=(PictureSetConfig("cats", "cats/*.parquet", hold_species=0.4, hold_pictures=0.2),), data_root=str(tmp_path))
    (cats,) = sets_of_training(config)
    by_species = {name: {part for of_row, part in zip(species, cats.parts, strict=True) if of_row == name} for name in species}
    assert sorted(map(sorted, by_species.values())).count(["unseen"]) in {1, 2, 3, 4}  # every picture of a species, or none
    assert all(parts == {"unseen"} or "unseen" not in parts for parts in by_species.values())
    assert all(part != "train" for part, split in zip(cats.parts, columns["split"], strict=True) if split == "val")
    assert list(cats.pictures(np.arange(20) == 7)) == [png(7)]
    assert cats.taxa["genus"].to_pylist() == ["Panthera"] * 20
