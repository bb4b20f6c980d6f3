from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.names import Names, entries, write_store
from bioclip_search.names.search import search_names
from tests.names.conftest import further_names


@pytest.mark.parametrize(
    ("text", "taxa"),
    [
        pytest.param("pan", ["Panthera", "Panthera leo", "Panthera uncia"], id="a beginning, the larger taxon first"),
        pytest.param("panthera l", ["Panthera leo"], id="a second word"),
        pytest.param("leopard snow", ["Panthera uncia"], id="words in another order"),
        pytest.param("leop", ["Panthera uncia"], id="the beginning of a later word"),
        pytest.param("Plantae > oen", ["Oenanthe", "Oenanthe crocata"], id="behind an ancestor"),
        pytest.param("Plantae > Apiaceae > cro", ["Oenanthe crocata"], id="behind two ancestors"),
        pytest.param("felidae leo", ["Panthera leo", "Panthera uncia"], id="an ancestor without a sign"),
        pytest.param("leo felidae", ["Panthera leo", "Panthera uncia"], id="an ancestor behind"),
        pytest.param("löw", ["Panthera leo"], id="another language"),
        pytest.param("ユキ", ["Panthera uncia"], id="another script"),
        pytest.param("ヒョウ", ["Panthera uncia"], id="a word within a word of another script"),
        pytest.param("felis le", ["Panthera leo"], id="a synonym"),
        pytest.param("panthrea le", ["Panthera leo"], id="letters swapped"),
        pytest.param("pnathera le", ["Panthera leo"], id="letters swapped at the start"),
        pytest.param("tyrdus mer", ["Turdus merula"], id="a wrong letter at the start"),
        pytest.param("leoprad", ["Panthera uncia"], id="letters swapped in a later word"),
        pytest.param("leoprad snow", ["Panthera uncia"], id="words in another order, one of them misspelt"),
        pytest.param("Panthera leo (Linnaeus, 17", ["Panthera leo"], id="an author behind the name"),
        pytest.param("Felis leo Linnaeus", ["Panthera leo"], id="an author behind a synonym"),
        pytest.param("Panthera sp.", ["Panthera"], id="a species left open"),
        pytest.param("Blackbird Jumper", [], id="an animal called after another"),
        pytest.param("Yeti", [], id="nothing like it"),
        pytest.param("Yeti > Felidae", [], id="an ancestor that is unknown"),
        pytest.param("  ", [], id="nothing"),
    ],
)
def test_what_is_typed_finds_its_taxa(names, text, taxa):
    assert [hit.taxon for hit in search_names(names, text)] == taxa


def test_an_equal_name_comes_before_all_that_begin_so(names):
    assert [hit.taxon for hit in search_names(names, "Oenanthe", limit=2)] == ["Oenanthe", "Oenanthe"]
    assert {hit.lineage["kingdom"] for hit in search_names(names, "Oenanthe", limit=2)} == {"Animalia", "Plantae"}


def test_names_that_begin_with_the_words_in_their_order_come_before_those_that_only_hold_them(names):
    assert [hit.taxon for hit in search_names(names, "oenanthe oen", limit=2)] == ["Oenanthe oenanthe", "Oenanthe"]


def test_accepted_names_come_before_synonyms_and_those_before_vernacular_names(names):
    assert [(hit.taxon, hit.kind) for hit in search_names(names, "fe")] == [
        ("Felidae", "accepted"),
        ("Felis", "accepted"),
        ("Felis catus", "accepted"),
        ("Panthera leo", "synonym"),
    ]


def test_a_hit_tells_by_which_name_and_where_it_stands(names):
    (hit,) = search_names(names, "amsel", language="de")
    assert (hit.taxon, hit.rank, hit.matched_name, hit.kind, hit.language, hit.common_name, hit.leaves) == (
        "Turdus merula",
        "species",
        "Amsel",
        "vernacular",
        "de",
        "Amsel",
        1,
    )
    assert hit.lineage["family"] == "Turdidae"
    assert search_names(names, "Panthera leo")[0].taxon_key == "key-leo"


def test_hits_of_one_vernacular_name_can_be_told_apart(names):
    assert [hit.display_name for hit in search_names(names, "robin", language="en")] == ["Robin (Turdus merula)", "Robin (Oenanthe oenanthe)"]


def test_a_page_of_text_is_read_no_further_than_a_name(names):
    assert search_names(names, "panthera " * 10_000) == search_names(names, "panthera " * 12)


def test_the_preferred_language_goes_ahead(names):
    assert [hit.matched_name for hit in search_names(names, "l", language="de")][:1] == ["Löwe"]
    assert [hit.matched_name for hit in search_names(names, "l", language="en")][:1] == ["Lion"]


def test_each_taxon_is_shown_once_and_no_more_than_the_limit(names):
    hits = search_names(names, "o", limit=3)
    assert len(hits) == 3
    assert len({(hit.taxon, hit.lineage["kingdom"]) for hit in hits}) == 3
    assert search_names(names, "o", limit=0) == []


@given(st.text(max_size=12), st.sampled_from(["", '"', "*", "^", " AND ", "(", "NEAR", "> "]))
def test_no_text_is_taken_for_a_command(names, text, sign):
    search_names(names, text + sign + text)


def test_names_that_were_added_are_found_like_the_others(tmp_path, taxonomy):
    rows = np.array([8, *range(8)])  # leaf 0 was added last
    whole = entries(taxonomy, further_names(), rows=rows)
    is_added = pa.array(np.asarray(whole["row"].combine_chunks()) >= 8)
    write_store(tmp_path / "base", whole.filter(pa.compute.invert(is_added)))
    write_store(tmp_path / "added", whole.filter(is_added))
    write_store(tmp_path / "one", entries(taxonomy, further_names()))
    two, one = Names([tmp_path / "base", tmp_path / "added"], taxonomy, np.argsort(rows)), Names(tmp_path / "one", taxonomy)
    for text in ("pan", "o", "felidae leo", "Plantae > oen", "löwe", "panthrea"):
        assert {(hit.taxon, hit.leaves) for hit in search_names(two, text)} == {(hit.taxon, hit.leaves) for hit in search_names(one, text)}
