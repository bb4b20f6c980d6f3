from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.addition import add_taxa
from bioclip_search.build import build_index
from bioclip_search.catalogue import Catalogue
from bioclip_search.check import FAULT, check_index
from bioclip_search.errors import IndexFolderError, IndexMismatchError, PictureError, TableError
from bioclip_search.index import Index, find_index
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.trim import trim_index
from tests.conftest import ColourEncoder, picture_of, small_table

ONCA = pa.table({"scientific_name": ["Panthera onca"], "common_name": ["Jaguar"]})


@pytest.fixture
def mine(small_index, tmp_path) -> Index:
    shutil.copytree(small_index, tmp_path / "mine")
    return Index(tmp_path / "mine")


@pytest.fixture
def knowing(encoder) -> ColourEncoder:
    """The colour encoder, which sees the new species in pictures of colour 9 and 10."""
    recipe = TextRecipe(templates=BARE_TEMPLATE)
    jaguar = {"kingdom": "Animalia", "phylum": "Chordata", "class": "Mammalia", "order": "Carnivora", "family": "Felidae", "genus": "Panthera"}
    (sentence,) = next(recipe.texts([{**jaguar, "species": "Panthera onca", "common_name": "Jaguar"}]))
    return ColourEncoder([*encoder.texts, sentence, "something else"])


def test_a_species_goes_into_its_genus_and_is_identified(mine, knowing):
    made = add_taxa(mine, ONCA, knowing)
    assert list(made.lineages[0].values()) == ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera onca"]
    searcher = Searcher(made.index, knowing)
    (answer,) = searcher.identify(picture_of(9))
    assert (answer.taxon, answer.rank, answer.common_name) == ("Panthera onca", "species", "Jaguar")
    assert searcher.taxonomy.leaves["species"].to_pylist().index("Panthera onca") == searcher.taxonomy.leaves["species"].to_pylist().index("Panthera leo") + 1


def test_answers_about_the_taxa_that_were_there_stay_as_they_were(mine, knowing):
    before = Searcher(mine, knowing).identify([picture_of(leaf) for leaf in range(9)], threshold=0.5)
    after = Searcher(add_taxa(mine, ONCA, knowing).index, knowing).identify([picture_of(leaf) for leaf in range(9)], threshold=0.5)
    assert [(one.taxon, one.rank, one.lineage, one.rule) for one in after] == [(one.taxon, one.rank, one.lineage, one.rule) for one in before]
    assert [one.probability for one in after] == pytest.approx([one.probability for one in before], abs=1e-3)


def test_files_that_were_built_are_not_touched(mine, knowing):
    before = {name: (mine.folder / name).read_bytes() for name in mine.card.files}
    add_taxa(mine, ONCA, knowing)
    assert {name: (mine.folder / name).read_bytes() for name in before} == before


def test_what_is_added_later_joins_what_was_added_before(mine, knowing):
    first = add_taxa(mine, ONCA, knowing).index
    more = pa.table({"scientific_name": ["Panthera pardus", "Puma concolor"], "family": [None, "Felidae"]})
    index = add_taxa(first, more, knowing).index
    catalogue = Catalogue(index)
    assert index.card.count == len(catalogue.taxonomy) == 12
    assert [path.name for path in index.folder.glob("added-*")] == ["added-2"]
    assert [catalogue.names.the_one(name).name for name in ("jaguar", "Panthera pardus", "Puma")] == ["Panthera onca", "Panthera pardus", "Puma"]
    felidae = catalogue.names.the_one("Felidae")
    assert (felidae.stop - felidae.start, catalogue.names.the_one("Panthera").stop - catalogue.names.the_one("Panthera").start) == (6, 4)
    assert not [finding for finding in check_index(index.folder) if finding.severity == FAULT]


def test_a_filter_reaches_what_was_added(mine, knowing):
    searcher = Searcher(add_taxa(mine, ONCA, knowing).index, knowing)
    (answer,) = searcher.identify(picture_of(9), within="Panthera", threshold=0.5)
    assert answer.taxon == "Panthera onca"
    (answer,) = searcher.identify(picture_of(9), exclude="Panthera onca", rank="species")
    assert answer.taxon != "Panthera onca"
    (answer,) = searcher.identify(picture_of(9), checklist=["Panthera leo", "Felis catus"], rank="species")
    assert answer.taxon in {"Panthera leo", "Felis catus"}


def test_trimming_makes_one_of_the_base_and_what_was_added(mine, knowing, tmp_path):
    index = add_taxa(mine, ONCA, knowing).index
    whole = Searcher(trim_index(index, tmp_path / "whole"), knowing)
    assert whole.index.card.added is None
    assert whole.taxonomy.leaves["species"].to_pylist() == Searcher(index, knowing).taxonomy.leaves["species"].to_pylist()
    assert whole.identify(picture_of(9))[0].taxon == "Panthera onca"
    assert whole.names.the_one("jaguar").name == "Panthera onca"


def test_photographs_count_as_little_as_finds_them_all(mine, knowing):
    photos = [picture_of(10), picture_of(10), picture_of(10)]  # nothing like the name
    made = add_taxa(mine, ONCA, knowing, photos={0: photos})
    (weight,) = made.weights
    assert (weight.photos, weight.found, weight.found_by_name) == (3, 3, 0)
    assert 0 < weight.weight < 1
    assert Searcher(made.index, knowing).identify(picture_of(10), rank="species")[0].taxon == "Panthera onca"


def test_photographs_that_the_name_alone_finds_count_nothing(mine, knowing):
    (weight,) = add_taxa(mine, ONCA, knowing, photos={0: [picture_of(9), picture_of(9)]}).weights
    assert (weight.weight, weight.found, weight.found_by_name) == (0, 2, 2)


def test_one_photograph_has_a_fixed_weight_and_says_so(mine, knowing):
    (weight,) = add_taxa(mine, ONCA, knowing, photos={0: [picture_of(10)]}).weights
    assert weight.weight == 0.5
    assert "with two or more the weight would be found" in str(weight)


@pytest.mark.parametrize(
    ("table", "within", "message"),
    [
        pytest.param({"species": ["Panthera leo"]}, None, "Panthera leo is among the taxa already", id="there already"),
        pytest.param({"species": ["Puma concolor"]}, None, "the index has no Puma.*--within Felidae", id="an unknown genus"),
        pytest.param({"species": ["Oenanthe deserti"]}, None, "several Oenanthe.*Muscicapidae.*or.*Apiaceae", id="a genus that is a bird and a plant"),
        pytest.param({"species": ["Puma concolor"]}, "Felinae", "Felinae", id="within what is not there"),
        pytest.param({"species": ["Panthera onca", "Panthera onca"]}, None, "one lineage", id="twice in one table"),
        pytest.param({"species": ["Panthera sp."]}, None, r"names no species for sure \(sp\.\)", id="an open name"),
        pytest.param({"species": ["Puma concolor"], "class": ["Aves"]}, "Felidae", "in the class Aves, and --within in the class Mammalia", id="contradictory"),
    ],
)
def test_a_taxon_without_one_place_is_refused_and_nothing_is_written(mine, knowing, table, within, message):
    with pytest.raises(TableError, match=message):
        add_taxa(mine, pa.table(table), knowing, within=within)
    assert Index(mine.folder).card.added is None


@pytest.mark.parametrize("within", ["Felidae", "Carnivora", "Muscicapidae > Oenanthe"])
def test_within_says_where_a_taxon_belongs(mine, knowing, within):
    table = pa.table({"species": ["Puma concolor"] if ">" not in within else ["Oenanthe deserti"]})
    (lineage,) = add_taxa(mine, table, knowing, within=within).lineages
    assert within.split(" > ")[-1] in lineage.values()


@pytest.mark.parametrize("within", ["Mammalia", "Panthera"])
def test_a_genus_that_the_index_knows_is_not_made_twice_by_a_wide_within(mine, knowing, within):
    made = add_taxa(mine, ONCA, knowing, within=within)
    assert list(made.lineages[0].values()) == ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera onca"]


def test_within_chooses_between_genera_of_one_name(mine, knowing):
    made = add_taxa(mine, pa.table({"species": ["Oenanthe deserti"]}), knowing, within="Aves")
    assert made.lineages[0]["family"] == "Muscicapidae"


def test_ranks_of_a_row_that_agree_with_the_index_are_filled_in_and_others_stand_as_they_are(mine, knowing):
    rows = pa.table({"kingdom": ["Animalia", "Animalia"], "order": [None, "Pilosa"], "species": ["Panthera onca", "Panthera nova"]})
    known, own = add_taxa(mine, rows, knowing).lineages
    assert list(known.values()) == ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera onca"]
    assert list(own.values()) == ["Animalia", "Pilosa", "Panthera", "Panthera nova"]


def test_a_species_that_was_added_before_is_told_for_what_it_is_and_nothing_is_encoded(mine, knowing):
    index = add_taxa(mine, ONCA, knowing).index
    with pytest.raises(TableError, match="Panthera onca is among the taxa already"):
        add_taxa(index, ONCA, knowing, photos={0: ["no such picture"]})


def test_authors_are_taken_off(mine, knowing):
    (lineage,) = add_taxa(mine, pa.table({"scientific_name": ["Panthera onca (Linnaeus, 1758)"]}), knowing).lineages
    assert lineage["species"] == "Panthera onca"


def test_columns_are_kept_as_the_index_keeps_them(tmp_path, encoder, knowing):
    table = small_table().append_column("countries", pa.array([["KEN"]] * 9)).append_column("taxon_key", pa.array(list("abcdefghi")))
    index = build_index(tmp_path / "i", Taxonomy.from_table(table), encoder, recipe=TextRecipe(templates=BARE_TEMPLATE))
    index = add_taxa(index, pa.table({"species": ["Panthera onca"], "countries": ["BRA; PER"], "taxon_key": [7]}), knowing).index
    index = add_taxa(index, pa.table({"species": ["Panthera pardus"], "taxon_key": ["k"]}), knowing).index
    catalogue = Catalogue(index)
    kept = {row["species"]: (row["countries"], row["taxon_key"]) for row in catalogue.taxonomy.leaves.to_pylist()}
    assert (kept["Panthera onca"], kept["Panthera pardus"]) == ((["BRA", "PER"], "7"), (None, "k"))
    with pytest.raises(TableError, match="column countries cannot be read"):
        add_taxa(index, pa.table({"species": ["Panthera tigris"], "countries": [1.5]}), knowing)


def test_an_index_that_is_shipped_stays_as_it_is(encoder):
    with pytest.raises(IndexFolderError, match="index trim starter --out mine"):
        add_taxa(Index(find_index("starter")), ONCA, encoder)


def test_another_encoder_is_refused(mine):
    other = ColourEncoder()
    other.fingerprint = "0therhash+fp32"
    with pytest.raises(IndexMismatchError):
        add_taxa(mine, ONCA, other)


def test_a_picture_that_cannot_be_read_stops_the_addition(mine, knowing, tmp_path):
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(PictureError, match=r"torn\.jpg"):
        add_taxa(mine, ONCA, knowing, photos={0: [tmp_path / "torn.jpg"]})
    assert Index(mine.folder).card.added is None


def test_two_additions_at_once_are_both_kept(mine, knowing):
    add_taxa(Index(mine.folder), ONCA, knowing)
    index = add_taxa(mine, pa.table({"species": ["Panthera pardus"]}), knowing).index  # opened before the other was written
    assert index.card.added.count == 2
    assert {"Panthera onca", "Panthera pardus"} <= set(Catalogue(index).taxonomy.leaves["species"].to_pylist())


def test_additions_from_several_programs_wait_for_each_other(mine, knowing):
    names = ["Panthera onca", "Panthera pardus", "Panthera tigris", "Felis lybica"]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: add_taxa(mine, pa.table({"species": [name]}), knowing), names))
    assert set(names) <= set(Catalogue(Index(mine.folder)).taxonomy.leaves["species"].to_pylist())
    assert len(list(mine.folder.glob("added-*"))) == 1


def test_an_index_opens_whenever_another_program_adds_to_it(mine, knowing):
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(lambda: [add_taxa(mine, pa.table({"species": [f"Panthera nova-{letter}"]}), knowing) for letter in "abcdefgh"])
        while not adding.done():
            assert Index(mine.folder).card.count >= 9
    assert len(adding.result()) == 8


def test_leftovers_of_an_addition_that_was_stopped_do_no_harm(mine, knowing):
    (mine.folder / "added-1").mkdir()
    (mine.folder / "added-1" / "vectors.faiss").write_bytes(b"half")
    assert Searcher(Index(mine.folder), knowing).identify(picture_of(1), rank="species")[0].rank == "species"
    assert add_taxa(Index(mine.folder), ONCA, knowing).index.card.count == 10


def test_a_damaged_addition_is_told(mine, knowing):
    index = add_taxa(mine, ONCA, knowing).index
    path = index.folder / "added-1" / "vectors.faiss"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    assert any("added-1/vectors.faiss" in str(finding) for finding in check_index(index.folder))


def test_vectors_of_later_additions_keep_their_rows(mine, knowing):
    first = add_taxa(mine, ONCA, knowing).index
    vector = first.added.vectors.rows(0, 1).copy()
    second = add_taxa(first, pa.table({"species": ["Felis lybica"]}), knowing).index
    np.testing.assert_array_equal(second.added.vectors.rows(0, 1), vector)
