"""From a click to a decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import TableError
from bioclip_search.names.search import search_names
from bioclip_search.results import Alternative, Rung
from bioclip_search.review.choosing import MOST_CHOICES, accepted, called, named_by, other_guesses, without_name
from bioclip_search.review.queue import Doubt
from tests.standards.runs import answer

NINE = datetime(2024, 5, 1, 9, 0, tzinfo=UTC)


def doubt(**told) -> Doubt:
    return Doubt("a" * 16, "1.jpg", 2, None, None, None, 0.5, (), answer(**told))


@pytest.fixture(scope="module")
def names(small_index):
    return Catalogue.open(small_index).names


def test_accepting_keeps_the_machines_own_answer():
    taken = accepted(doubt(rank="genus"), "Ana", NINE)
    assert (taken.key, taken.verdict, taken.taxon, taken.rank, taken.who, taken.when) == (("a" * 16, 2), "accepted", "Panthera", "genus", "Ana", NINE)
    assert list(taken.lineage)[-2:] == ["family", "genus"]


def test_no_answer_cannot_be_accepted():
    with pytest.raises(TableError, match="no answer of the machine to accept"):
        accepted(doubt(rank=None), "Ana")


def test_a_name_found_while_typing_corrects_and_the_machines_own_accepts(names):
    hit = next(hit for hit in search_names(names, "snow leop") if hit.rank == "species")
    taken = called(doubt(), named_by(hit), "Ana")
    assert (taken.verdict, taken.taxon, taken.lineage["species"]) == ("corrected", "Panthera uncia", "Panthera uncia")
    assert called(doubt(species="Panthera uncia"), named_by(hit), "Ana").verdict == "accepted"


@pytest.mark.parametrize("verdict", ["blank", "person", "vehicle", "unsure"])
def test_no_organism_has_no_name(verdict):
    taken = without_name(doubt(), verdict, "Ana")
    assert (taken.verdict, taken.taxon, taken.rank, dict(taken.lineage)) == (verdict, None, None, {})


def test_other_guesses_are_what_lies_below_the_answer_and_then_the_runners_up(names):
    found = other_guesses(answer(species="Panthera uncia", rank="family"), names)
    assert [(guess.taxon, guess.rank) for guess in found[:2]] == [("Panthera uncia", "species"), ("Panthera", "genus")]
    assert found[0].lineage["family"] == "Felidae"
    told = answer(species="Panthera leo", alternatives=(Alternative("Panthera uncia", "species", 0.04, "Snow leopard"),))
    (uncia,) = other_guesses(told, names)
    assert (uncia.taxon, uncia.lineage["genus"], uncia.common_name, uncia.probability) == ("Panthera uncia", "Panthera", "Snow leopard", 0.04)


def test_a_guess_that_the_index_lacks_is_not_offered(names):
    assert other_guesses(answer(alternatives=(Alternative("Corvus corax", "species", 0.04),)), names) == []


def test_the_best_of_each_rank_keep_their_own_lineages_where_they_are_of_different_lines(names):
    """Each rung below the answer is the best of its rank, so an animal may stand above a plant."""
    rungs = (Rung("kingdom", "Animalia", 0.5), Rung("family", "Apiaceae", 0.3), Rung("species", "Turdus merula", 0.2))
    found = other_guesses(replace(answer(rank=None, alternatives=()), ladder=rungs), names)
    assert [(guess.taxon, guess.lineage["kingdom"]) for guess in found] == [("Turdus merula", "Animalia"), ("Apiaceae", "Plantae"), ("Animalia", "Animalia")]


def test_without_an_answer_the_most_probable_line_is_offered_from_below_and_leaves_room_for_others(names):
    others = tuple(Alternative(name, "species", 0.1) for name in ("Panthera uncia", "Panthera leo", "Turdus merula", "Corvus corax"))
    found = other_guesses(answer(rank=None, alternatives=others), names)
    assert [(guess.taxon, guess.rank) for guess in found] == [
        ("Panthera leo", "species"),
        ("Panthera", "genus"),
        ("Felidae", "family"),
        ("Panthera uncia", "species"),
        ("Turdus merula", "species"),
    ]
    assert len(other_guesses(answer(rank=None, alternatives=others * 3), names)) == MOST_CHOICES


def test_of_two_taxa_of_one_name_the_one_in_the_line_of_the_ladder_is_meant(names):
    genus = Alternative("Oenanthe", "genus", 0.2)
    plant = replace(answer(rank=None), ladder=(Rung("family", "Apiaceae", 0.6),), alternatives=(genus,))
    assert [guess.lineage["kingdom"] for guess in other_guesses(plant, names)] == ["Plantae", "Plantae"]
    nothing_known = replace(answer(rank=None), ladder=(), alternatives=(genus,))
    assert other_guesses(nothing_known, names) == []
