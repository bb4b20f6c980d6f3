import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS
from bioclip_search.train.taxa import read_named_taxa, read_taxa


@pytest.fixture
def root(tmp_path):
    wallabies = [("Macropodidae", "Macropus", "Macropus agilis", "Agile Wallaby"), ("Macropodidae", "Notamacropus", "Notamacropus eugenii", None)]
    rows = [dict(zip((*RANKS, "common_name"), ("Animalia", "Chordata", "Mammalia", "Diprotodontia", *names), strict=True)) for names in wallabies]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pylist([rows[0] | {"common_name": "another name"}]), tmp_path / "b.parquet")
    return tmp_path


def test_species_and_higher_taxa_are_found_by_name(root):
    named = read_named_taxa(root, "*.parquet")
    assert named["Macropus agilis"]["common_name"] == "Agile Wallaby"  # of the first table
    assert named["Macropodidae"]["order"] == "Diprotodontia"
    assert named["Macropodidae"]["genus"] is named["Macropodidae"]["common_name"] is None
    assert set(named) == {
        "Animalia",
        "Chordata",
        "Mammalia",
        "Diprotodontia",
        "Macropodidae",
        "Macropus",
        "Notamacropus",
        "Macropus agilis",
        "Notamacropus eugenii",
    }


def test_a_missing_table_is_named(root):
    with pytest.raises(TableError, match="nowhere"):
        read_taxa(root / "nowhere.parquet")
    with pytest.raises(TableError, match="matches 'nowhere"):
        read_named_taxa(root, "nowhere/*.parquet")


def test_a_table_without_ranks_is_named(tmp_path):
    pq.write_table(pa.table({"name": ["lion"]}), tmp_path / "c.parquet")
    with pytest.raises(TableError, match="c.parquet"):
        read_taxa(tmp_path / "c.parquet")
