from __future__ import annotations

import pytest

from bioclip_search.errors import IndexDamagedError, UnknownTaxonError
from bioclip_search.names import Names, write_names


@pytest.fixture(scope="module")
def names(tmp_path_factory, taxonomy):
    path = tmp_path_factory.mktemp("names") / "names.sqlite"
    write_names(path, taxonomy)
    return Names(path, taxonomy)


@pytest.mark.parametrize(
    ("asked", "taxon", "rank"),
    [
        pytest.param("Felidae", "Felidae", "family", id="a family"),
        pytest.param("panthera UNCIA", "Panthera uncia", "species", id="without regard to case"),
        pytest.param("Snow leopard", "Panthera uncia", "species", id="a vernacular name"),
        pytest.param("carrot family", "Apiaceae", "family", id="a vernacular name above species"),
        pytest.param("Plantae > Oenanthe", "Oenanthe", "genus", id="a homonym behind its kingdom"),
        pytest.param("Muscicapidae > Oenanthe", "Oenanthe", "genus", id="a homonym behind its family"),
    ],
)
def test_a_taxon_is_found_by_any_of_its_names(names, asked, taxon, rank):
    found = names.the_one(asked)
    assert (found.name, found.rank) == (taxon, rank)


def test_a_vernacular_name_above_species_stands_for_the_whole_clade(names):
    assert names.the_one("carrot family") == names.the_one("Apiaceae")


def test_a_homonym_alone_is_refused_with_the_ways_to_say_it(names):
    with pytest.raises(UnknownTaxonError, match="names 2 taxa.*Muscicapidae > Oenanthe.*Plantae > .*Oenanthe"):
        names.the_one("Oenanthe")


def test_an_unknown_name_is_refused_with_the_nearest_ones(names):
    with pytest.raises(UnknownTaxonError, match="'Pantera leo' is not in this index .did you mean Panthera leo"):
        names.the_one("Pantera leo")


def test_a_list_gives_all_its_leaves_and_all_its_unknowns_in_order(names, taxonomy):
    leaves, unknown = names.resolve(["Oenanthe", "Yeti", "Blackbird", "Bigfoot"])
    assert sorted(taxonomy.leaves["species"].take(leaves.mask.nonzero()[0]).to_pylist()) == ["Oenanthe crocata", "Oenanthe oenanthe", "Turdus merula"]
    assert [name.name for name in unknown] == ["Yeti", "Bigfoot"]


def test_the_second_word_of_a_vernacular_name_is_no_author(names):
    assert names.find("Blackbird Jumper") == []


def test_nothing_is_found_for_an_empty_name(names):
    assert names.find("") == []
    assert names.nearest("") == ()


@pytest.mark.parametrize("asked", ["Panthera sp.", "Panthera cf. leo", "Panthera leo × Panthera uncia", "Panthera 3rd-year"])
def test_a_name_that_leaves_its_species_open_is_not_found(names, asked):
    assert names.find(asked) == []


def test_a_file_that_is_no_database_is_told(tmp_path, taxonomy):
    (tmp_path / "names.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(IndexDamagedError, match="is not a list of names"):
        Names(tmp_path / "names.sqlite", taxonomy)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("hemlock water dropwort", "Oenanthe crocata", id="a hyphen as a space"),
        pytest.param("Hemlock waterdropwort", "Oenanthe crocata", id="a hyphen left out"),
        pytest.param("Œnanthe crocata", "Oenanthe crocata", id="a ligature"),
        pytest.param("Oenanthe x crocata", "Oenanthe crocata", id="a hybrid's sign"),
        pytest.param("Panthera leo (Linnaeus, 1758)", "Panthera leo", id="an author"),
        pytest.param("pantheraleo", "Panthera leo", id="a space left out"),
    ],
)
def test_spellings_that_are_equal_are_one_name(names, asked, found):
    assert names.the_one(asked).name == found
