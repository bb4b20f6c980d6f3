"""Rows of a data set that are asked for by taxon and number, kept as Parquet; the hub is a folder in its layout."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pyarrow import parquet

from bioclip_search.data.manifest import read_manifest
from bioclip_search.data.pull import pull_set
from bioclip_search.data.streamed import pull_rows
from bioclip_search.data.wish import Wish
from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import find_sets
from tests.data.test_hub import write_set
from tests.evaluation.test_labelled import png

pytest.importorskip("datasets")

COLUMNS = 'scientific_name = "sciName"\nlabel = "label"'


@pytest.fixture
def felines(home):
    """Six rows in two files: lion, fox, nothing, lion, fox, nothing."""
    return read_manifest(write_set(home, COLUMNS))


def pictures(folder):
    return [row["image"]["bytes"] for file in sorted((folder / "data").glob("*.parquet")) for row in parquet.read_table(file).to_pylist()]


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        ({"species": ("panthera leo",)}, [0, 3]),
        ({"species": ("Red fox",)}, [1, 4]),
        ({"species": ("Red_fox", "Panthera leo")}, [0, 1, 3, 4]),
        ({"species": ("Panthera leo",), "limit": 1}, [0]),
        ({"limit": 4}, [0, 1, 2, 3]),
        ({"split": "train"}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_the_rows_asked_for_come_with_their_pictures(felines, home, asked, rows):
    found = pull_set(felines, Wish(**asked))
    assert pictures(found.folder) == [png(row) for row in rows]
    assert (found.count, found.fetched) == (len(rows), len(rows))
    (labelled,) = find_sets([home / "felines.toml"])
    assert len(labelled) == len(rows)
    assert list(labelled.pictures(np.ones(len(rows), bool))) == [png(row) for row in rows]


def test_a_second_pull_of_the_same_reads_nothing_and_one_of_another_part_begins_anew(felines):
    pull_set(felines, Wish(limit=2))
    assert pull_set(felines, Wish(limit=2)).fetched == 0
    assert pictures(pull_set(felines, Wish(limit=3)).folder) == [png(0), png(1), png(2)]


class Stopped(Exception):
    """The program is killed."""


@pytest.mark.parametrize("rows_seen", range(1, 6))
def test_a_pull_that_is_killed_goes_on_where_it_stopped(felines, home, rows_seen):
    folder = home / "kept"

    def kill(_what, done, _total):
        if done == rows_seen:
            raise Stopped

    wish = Wish(species=("Panthera leo", "Vulpes vulpes"))
    with pytest.raises(Stopped):
        pull_rows(felines, wish, folder, kill, shard_rows=1)
    before = json.loads((folder / "stream.json").read_bytes())["seen"] if (folder / "stream.json").exists() else 0
    seen = []
    assert pull_rows(felines, wish, folder, lambda _what, done, _total: seen.append(done), shard_rows=1).count == 4
    assert pictures(folder) == [png(row) for row in (0, 1, 3, 4)]
    assert seen == list(range(before + 1, 7)), "what was looked at is not looked at again"


def test_a_taxon_that_is_not_there_is_told(felines):
    with pytest.raises(TableError, match="no picture of Felis catus in its split train; 6 rows were looked at"):
        pull_set(felines, Wish(species=("Felis catus",)))


def test_a_part_and_the_whole_never_share_a_folder(felines):
    pull_set(felines, Wish(limit=1))
    with pytest.raises(TableError, match="holds a part of felines already"):
        pull_set(felines)


def test_all_of_it_is_a_copy_that_is_read_like_the_hub(felines, home):
    found = pull_set(felines)
    assert found.count == 2
    (labelled,) = find_sets([home / "felines.toml"])
    assert len(labelled) == 6
    with pytest.raises(TableError, match="holds all of felines already"):
        pull_set(felines, Wish(limit=1))
