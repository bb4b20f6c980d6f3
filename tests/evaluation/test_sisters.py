from __future__ import annotations

import numpy as np

from bioclip_search.evaluation.resample import with_intervals
from bioclip_search.evaluation.sisters import Calls, mixed_up_pairs, sister_figures
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG

RANKS = ("family", "genus", "species")
NAMES = ["Felidae", "Panthera", "Felis", "Panthera leo", "Panthera uncia", "Felis catus", "Canidae", "Vulpes", "Vulpes vulpes"]
LION, LEOPARD, CAT, FOX = (0, 1, 3), (0, 1, 4), (0, 2, 5), (6, 7, 8)


def calls(*pairs) -> Calls:
    """What each picture is, and what it was called, both as lineages of numbers."""
    truth, called = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    parents = np.concatenate([np.full((len(pairs), 1), -1), called[:, :-1]], axis=1)
    verdicts = np.where(truth < 0, UNDECIDED, np.where(truth == called, RIGHT, WRONG)).astype(np.int8)
    return Calls(truth, called, parents, verdicts)


SHOWN = calls((LION, LEOPARD), (LION, LEOPARD), (LEOPARD, LION), (LION, LION), (LION, CAT), (CAT, FOX), (FOX, FOX), ((0, -1, -1), LION))


def test_the_sisters_taken_for_one_another_worked_by_hand():
    """Five mistakes at species, three of them within Panthera; two at genus, one of them within the cats."""
    told = with_intervals(sister_figures(SHOWN, RANKS), 8)
    assert (told["species_mistakes_in_genus"], told["genus_mistakes_in_family"]) == (0.6, 0.5)
    species, genus = mixed_up_pairs(SHOWN, RANKS, dict(enumerate(NAMES)))
    assert (species.rank, species.parent, species.one, species.other) == ("species", "Panthera", "Panthera leo", "Panthera uncia")
    assert (species.one_as_other, species.other_as_one, species.mixed_up, species.pictures) == (2, 1, 3, 5)
    assert (genus.one, genus.other, genus.one_as_other, genus.other_as_one, genus.pictures) == ("Felis", "Panthera", 0, 1, 6)


def test_of_two_mistakes_that_stay_within_the_genus_not_all_need_to():
    """2 of 2: the lower end p has p² = .025, so p = .1581."""
    told = with_intervals(sister_figures(calls((LION, LEOPARD), (LEOPARD, LION), (CAT, CAT)), RANKS), 3)
    assert (told["species_mistakes_in_genus"], told["species_mistakes_in_genus_low"]) == (1, 0.1581)


def test_pairs_come_by_how_often_they_are_mixed_up_then_by_name_and_no_more_than_asked_for():
    shown = calls((CAT, (0, 2, 4)), (LEOPARD, LION), (LEOPARD, LION), (FOX, (6, 7, 3)))
    pairs = mixed_up_pairs(shown, RANKS, dict(enumerate(NAMES)), most=2)
    assert [(pair.one, pair.other) for pair in pairs] == [("Panthera leo", "Panthera uncia"), ("Felis catus", "Panthera uncia")]


def test_where_nothing_is_mixed_up_there_is_no_pair_and_no_share():
    right = calls((LION, LION), (FOX, FOX))
    assert mixed_up_pairs(right, RANKS, dict(enumerate(NAMES))) == []
    assert with_intervals(sister_figures(right, RANKS), 2) == {}


def test_a_tree_without_genera_has_no_sisters():
    assert sister_figures(SHOWN, ("kingdom", "order", "species")) == {}


def test_a_homonym_of_another_kingdom_is_no_sister():
    shown = calls((LION, LION), (FOX, FOX))
    shown.verdicts[0] = WRONG
    assert mixed_up_pairs(shown, RANKS, dict(enumerate(NAMES))) == []
    assert with_intervals(sister_figures(shown, RANKS), 2)["species_mistakes_in_genus"] == 0
