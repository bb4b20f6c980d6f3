from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.build import build_from_vectors, build_index, seal
from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import IndexDamagedError, TableError
from bioclip_search.index import Card, Index
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from tests.conftest import picture_of, small_table


@pytest.fixture
def copy(small_index, tmp_path):
    return shutil.copytree(small_index, tmp_path / "copy")


@pytest.mark.parametrize("asked", ["NOR", "no"])
def test_countries_may_stand_in_a_text_in_codes_of_two_or_three_letters(tmp_path, encoder, asked):
    told = ["NOR; SWE", "no,se", "SE", None, "swe|fin", "NORTH", "", "KEN NOR", "FIN"]
    table = small_table().append_column("countries", pa.array(told))
    catalogue = Catalogue(build_index(tmp_path / "i", Taxonomy.from_table(table), encoder, recipe=TextRecipe(templates=BARE_TEMPLATE)))
    restriction = catalogue.restrict(country=asked)
    kept = catalogue.taxonomy.leaves.filter(pa.array(restriction.leaves.mask))["countries"].to_pylist()
    assert sorted(kept) == ["KEN NOR", "NOR; SWE", "no,se"]
    assert restriction.notes == ("2 taxa without any country were left out",)
    with pytest.raises(TableError, match="is told for PER; it knows FIN, KEN"):
        catalogue.restrict(country="PER")


def test_a_filter_that_leaves_only_zero_vectors_is_told_in_words(tmp_path, taxonomy, encoder):
    vectors = encoder.encode_texts(encoder.texts)
    vectors[:2] = 0
    index = build_from_vectors(tmp_path / "i", Taxonomy.from_table(taxonomy.leaves), vectors, encoder)
    searcher = Searcher(index, encoder)
    silent = [taxonomy.taxon("species", number).name for number in (0, 1)]
    assert searcher.identify(picture_of(3), checklist=[*silent, taxonomy.taxon("species", 3).name], rank="species")
    for checklist in (silent, silent[:1]):
        with pytest.raises(TableError, match="No taxon in play has a vector"):
            searcher.identify(picture_of(3), checklist=checklist)


def test_an_index_of_zero_vectors_alone_is_told_in_words(tmp_path, taxonomy, encoder):
    index = build_from_vectors(tmp_path / "i", Taxonomy.from_table(taxonomy.leaves), np.zeros((9, 32)), encoder)
    with pytest.raises(TableError, match="index check i"):
        Searcher(index, encoder).identify(picture_of(3))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        pytest.param(lambda leaves: leaves.slice(1), "8 rows, the card says 9", id="a row too few"),
        pytest.param(lambda leaves: leaves.take(pa.array(np.zeros(2_000_000, int))), "2000000 rows", id="rows without end in a small file"),
        pytest.param(lambda leaves: leaves.drop_columns("zero_vector"), "zero_vector", id="no flags"),
        pytest.param(lambda leaves: leaves.drop_columns(["genus", "common_name"]), "genus", id="no genus"),
    ],
)
def test_taxa_that_are_not_those_of_the_card_are_refused_though_their_bytes_are_vouched_for(copy, harm, message):
    parquet.write_table(harm(parquet.read_table(copy / "taxa.parquet")), copy / "taxa.parquet")
    seal(copy, replace(Card.read(copy), files={}))
    with pytest.raises(IndexDamagedError, match=message):
        Catalogue(Index(copy)).taxonomy  # noqa: B018


def test_bytes_that_are_no_table_are_refused_though_they_are_vouched_for(copy):
    (copy / "taxa.parquet").write_bytes(b"PAR1" + b"x" * 100 + b"PAR1")
    seal(copy, replace(Card.read(copy), files={}))
    with pytest.raises(IndexDamagedError, match="is not a table of the taxa"):
        Catalogue(Index(copy)).names  # noqa: B018
