from __future__ import annotations

import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search import places
from bioclip_search.addition import add_taxa
from bioclip_search.build import build_from_vectors, build_index
from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import UnknownTaxonError
from bioclip_search.index import Index
from bioclip_search.names.search import search_names
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.species import Named, call, direction, species, taxa_called, tried, with_common_names
from bioclip_search.taxonomy import Taxonomy
from tests.app.worlds import SCRIPT, speaking_index
from tests.conftest import picture_of


@pytest.fixture
def small(small_index) -> Catalogue:
    return Catalogue(Index(small_index))


@pytest.fixture(scope="module")
def speaking(tmp_path_factory, encoder) -> Catalogue:
    return Catalogue(speaking_index(tmp_path_factory.mktemp("index") / "speaking", encoder))


def one(catalogue, name):
    (taxon,) = taxa_called(catalogue.names, name)
    return taxon


def told(catalogue, name, **options):
    return species(catalogue, one(catalogue, name), **options)


def names_of(taxa):
    return [taxon.name for taxon in taxa]


def test_a_lineage_runs_from_the_kingdom_to_right_above_and_passes_over_what_is_missing(small):
    assert names_of(told(small, "Panthera leo").lineage) == ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera"]
    assert names_of(told(small, "Cyprinus carpio").lineage) == ["Animalia", "Chordata", "Cypriniformes", "Cyprinidae", "Cyprinus"]
    assert told(small, "Animalia").lineage == ()


def test_children_are_those_right_below_with_their_leaves(small):
    below = told(small, "Felidae").children
    assert [(child.name, child.rank, child.stop - child.start) for child in below] == [("Felis", "genus", 1), ("Panthera", "genus", 2)]
    assert told(small, "Panthera leo").children == ()


def test_where_a_rank_is_missing_the_child_is_of_the_next(small):
    assert [(child.name, child.rank) for child in told(small, "Chordata").children] == [
        ("Cypriniformes", "order"),
        ("Aves", "class"),
        ("Mammalia", "class"),
    ]


def test_a_taxon_that_is_a_leaf_and_has_leaves_below_is_no_child_of_its_own(small):
    carrots = told(small, "Apiaceae")
    assert names_of(carrots.children) == ["Oenanthe"]
    assert carrots.knowledge.is_leaf
    assert carrots.knowledge.leaves == 2


def test_names_of_every_kind_are_told_with_their_languages(speaking):
    puma = told(speaking, "ピューマ")
    assert puma.taxon.name == "Puma concolor"
    assert {name.name for name in puma.synonyms} == {"Felis concolor", "Profelis concolor"}
    assert {name.language for name in puma.vernacular} == {None, "ar", "en", "es", "ja"}
    assert Named("mountain lion", "en") in puma.vernacular
    assert puma.vernacular[0] == Named("cougar")


def test_a_name_of_two_taxa_gives_both_and_each_is_called_so_that_it_is_found_again(small, speaking):
    two = taxa_called(small.names, "Oenanthe")
    assert len(two) == 2
    for taxon in two:
        assert taxa_called(small.names, call(small.names, taxon)) == [taxon]
    assert call(small.names, one(small, "Felidae")) == "Felidae"


def test_a_hostile_name_is_a_name_like_others(speaking):
    assert Named(SCRIPT, "en") in told(speaking, "Bubo bubo").vernacular
    assert names_of(taxa_called(speaking.names, "script alert 1 script")) == ["Bubo bubo", "Vulpes vulpes"]


def test_an_unknown_name_comes_with_the_nearest(small):
    with pytest.raises(UnknownTaxonError, match="Felidae"):
        taxa_called(small.names, "Felidee")
    with pytest.raises(UnknownTaxonError):
        taxa_called(small.names, " ")


def test_a_text_without_a_vector_is_silent_and_near_to_nothing(tmp_path, encoder):
    table = pa.table({"genus": ["Felis", "Felis", "Canis"], "species": ["Felis a", "Felis b", "Canis a"]})
    vectors = encoder.encode_texts(["a", "b", "c"])
    vectors[1] = 0
    catalogue = Catalogue(build_from_vectors(tmp_path / "three", Taxonomy.from_table(table), vectors, encoder))
    silent = told(catalogue, "Felis b")
    assert not silent.knowledge.is_known
    assert silent.near == ()
    assert direction(catalogue, silent.taxon) is None
    assert names_of(found.taxon for found in told(catalogue, "Felis a").near) == ["Canis a"]
    genus = told(catalogue, "Felis").knowledge
    assert (genus.leaves, genus.silent, genus.is_known, genus.is_leaf) == (2, 1, True, False)


def test_taxa_of_the_same_words_are_told_apart_by_no_picture(tmp_path, encoder):
    table = pa.table(
        {"kingdom": ["Animalia", "Plantae", "Animalia"], "species": ["Oenanthe a", "Oenanthe b", "Felis a"], "common_name": ["twin", "twin", "cat"]}
    )
    recipe = TextRecipe("com", BARE_TEMPLATE)
    vectors = encoder.encode_texts(["twin", "twin", "cat"])
    catalogue = Catalogue(build_from_vectors(tmp_path / "twins", Taxonomy.from_table(table), vectors, encoder, recipe=recipe))
    assert names_of(told(catalogue, "Oenanthe a").knowledge.same_text) == ["Oenanthe b"]
    assert told(catalogue, "Felis a").knowledge.same_text == ()


def test_what_was_added_says_so_and_whether_photographs_count(tmp_path, small_index, encoder):
    shutil.copytree(small_index, tmp_path / "grown")
    seeing = type(encoder)(encoder.texts)
    with_photos = add_taxa(Index(tmp_path / "grown"), pa.table({"scientific_name": ["Panthera onca"]}), seeing, photos={0: [picture_of(0), picture_of(1)]})
    index = add_taxa(with_photos.index, pa.table({"scientific_name": ["Panthera pardus"]}), seeing).index
    catalogue = Catalogue(index)
    by_name = told(catalogue, "Panthera pardus", encoder=seeing).knowledge
    assert (by_name.added, by_name.has_photos) == (1, False)
    weight = with_photos.weights[0].weight
    assert told(catalogue, "Panthera onca", encoder=seeing).knowledge.has_photos == (weight > 0)
    assert told(catalogue, "Panthera leo", encoder=seeing).knowledge.has_photos is None
    assert told(catalogue, "Panthera").knowledge.added == 2
    assert "Panthera onca" in names_of(found.taxon for found in told(catalogue, "Panthera leo", nearest=20).near)


def test_common_names_come_in_the_language(speaking):
    cats = told(speaking, "Panthera").children
    assert [name for _, name in with_common_names(speaking.names, cats, "ja")] == ["lion", "ユキヒョウ"]


def test_names_in_38_languages_are_found_and_told_at_once(shared, tmp_path, encoder):
    """A bird and a mammal: the bird's names are BirdNET's, in 38 languages."""
    spoken = parquet.read_table(shared / "taxonomy" / "vernacular_birdnet.parquet", filters=[("species", "=", "Erithacus rubecula")]).to_pylist()
    further = [{"row": 0, "rank": "species", "name": one["common_name"], "kind": "vernacular", "language": one["language"]} for one in spoken]
    further.append({"row": 1, "rank": "species", "name": "ピューマ", "kind": "vernacular", "language": "ja"})
    missing = {"authorship": None, "taxon_key": None}
    table = pa.table({"class": ["Aves", "Mammalia"], "species": ["Erithacus rubecula", "Puma concolor"], "common_name": [None, "puma"]})
    named = pa.Table.from_pylist([one | missing for one in further])
    catalogue = Catalogue(build_index(tmp_path / "two", Taxonomy.from_table(table), encoder, further=named))
    assert len(catalogue.names.languages) == 38
    for one in spoken:
        hits = search_names(catalogue.names, one["common_name"], language=one["language"])
        assert hits[0].taxon == "Erithacus rubecula", one
    assert len({name.language for name in told(catalogue, "Rotkehlchen").vernacular}) == 38
    assert told(catalogue, "ピューマ").taxon.name == "Puma concolor"


def test_of_an_index_that_was_never_tried_nothing_is_promised(small):
    assert tried(None, small.taxonomy, "species") is None


def test_the_starter_knows_the_red_fox_and_what_it_was_tried_on():
    from bioclip_search.calibration.record import record_of

    index = Index(places.shipped("index") / "starter")
    catalogue = Catalogue(index)
    fox = told(catalogue, "Vulpes vulpes")
    assert fox.knowledge.is_known
    assert [near.taxon.rank for near in fox.near] == ["species"] * 8
    assert fox.near[0].score >= fox.near[-1].score
    assert {child.rank for child in told(catalogue, "Canidae").children} == {"genus"}
    record = record_of(index)
    found = tried(record, catalogue.taxonomy, "species")
    assert 0 < found.right < 1
    assert found.right < tried(record, catalogue.taxonomy, "class").right
    assert tried(replace(record, origin=replace(record.origin, ranks=("class",))), catalogue.taxonomy, "species") is None
