"""A species that was added to an index stands behind its rows and among its leaves; a place must find it there."""

from __future__ import annotations

import json
import shutil

import pytest

from bioclip_search.addition import add_taxa
from bioclip_search.index import Index
from bioclip_search.searcher import Searcher
from tests.conftest import picture_of
from tests.test_addition import ONCA, knowing  # noqa: F401


@pytest.fixture
def searcher(small_index, tmp_path, knowing):  # noqa: F811
    shutil.copytree(small_index, tmp_path / "mine")
    return Searcher(add_taxa(Index(tmp_path / "mine"), ONCA, knowing).index, knowing)


def test_a_rule_shuts_out_an_added_species_and_no_other(searcher, tmp_path):
    (tmp_path / "fence.json").write_text(json.dumps({"mammalia;carnivora;felidae;panthera;onca": {"block": {"NOR": []}}}))
    asked = {"country": "NOR", "geofence": tmp_path / "fence.json"}
    (jaguar,) = searcher.identify(picture_of(9), **asked)
    assert (jaguar.removed.taxon, jaguar.without_place.taxon) == ("Panthera onca", "Panthera onca")
    assert jaguar.taxon != "Panthera onca"
    plain = [answer.taxon for answer in searcher.identify([picture_of(leaf) for leaf in range(9)])]
    assert [answer.taxon for answer in searcher.identify([picture_of(leaf) for leaf in range(9)], **asked)] == plain


def test_records_of_an_added_species_make_it_expected(searcher, tmp_path):
    (tmp_path / "seen.csv").write_text("species,country\n" + "Panthera onca,PE\n" * 5)
    jaguar, lion = searcher.identify([picture_of(9), picture_of(5)], country="PER", occurrences=tmp_path / "seen.csv")
    assert (jaguar.taxon, jaguar.out_of_range, lion.taxon, lion.out_of_range) == ("Panthera onca", False, "Panthera leo", True)
