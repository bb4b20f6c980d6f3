"""Four cats: Felis catus, F. silvestris, Panthera leo, P. uncia, with probabilities .1 .1 .7 .1 by the picture alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.fallback import AtRank, Climbing
from bioclip_search.geography.comparing import Comparison
from bioclip_search.geography.locality import Locality
from bioclip_search.geography.occurrences import Prior
from bioclip_search.geography.smoothing import Counted
from bioclip_search.intervals import LeafSet
from bioclip_search.taxonomy import Taxonomy

CATS = Taxonomy.from_table(
    pa.table({"genus": ["Felis", "Felis", "Panthera", "Panthera"], "species": ["Felis catus", "Felis silvestris", "Panthera leo", "Panthera uncia"]}),
    ["genus", "species"],
)
SCORES = np.log(np.array([0.1, 0.1, 0.7, 0.1])).astype(np.float32)
AT_TWO_THIRDS = Climbing(0.65)
LEO = LeafSet.of([(2, 3)], 4)


def prior(weights, seen):
    """A prior with these weights, of which the leaves seen were recorded once."""
    starts = np.array(seen)
    ones = np.ones(len(seen))
    return Prior(np.log(np.array(weights, float)), "there", float(len(seen)), Counted(np.ones(len(seen), int), starts, starts + 1), ones, ones)


def compared(*, shut_out=None, prior=None, wider=None, rules=AT_TWO_THIRDS):
    kept = None if shut_out is None else LeafSet.whole(4).minus(shut_out)
    return Comparison(CATS.levels, 4, wider, Locality("there", kept, prior)).of(SCORES, 1.0, rules=rules)


def name(step):
    return step and (CATS.taxon(CATS.ranks[step.depth], step.number).name, pytest.approx(step.probability, abs=1e-3))


def test_what_is_shut_out_is_told_with_the_probability_that_it_would_have():
    found = compared(shut_out=LEO)
    assert name(found.decision.chosen) == ("Felis", 2 / 3)  # .1 + .1 of the .3 that remain
    assert name(found.without.chosen) == name(found.removed) == ("Panthera leo", 0.7)
    assert found.out_of_range is None


def test_a_taxon_that_is_partly_shut_out_is_told_by_its_best_leaf():
    found = compared(shut_out=LEO, rules=Climbing(0.75))
    assert name(found.without.chosen) == ("Panthera", 0.8)
    assert name(found.removed) == ("Panthera leo", 0.7)


@pytest.mark.parametrize(("shut_out", "told"), [([(1, 2)], ("Felis silvestris", 0.1)), ([(0, 0)], None)])
def test_a_removed_taxon_is_told_where_it_would_have_had_a_chance(shut_out, told):
    assert name(compared(shut_out=LeafSet.of(shut_out, 4)).removed) == told


def test_other_filters_are_no_doing_of_the_place():
    """Within Felis each of two has .5; silvestris is shut out."""
    found = compared(shut_out=LeafSet.of([(1, 2)], 4), wider=LeafSet.of([(0, 2)], 4))
    assert (name(found.without.chosen), name(found.decision.chosen), name(found.removed)) == (("Felis", 1.0), ("Felis catus", 1.0), ("Felis silvestris", 0.5))


def test_a_prior_weighs_and_a_strong_stray_is_flagged():
    """.1 · 4, .1 · 1, .7 · .1, .1 · 1 of .67: the cat .597, its genus .746; the lion, sure without it, was never recorded."""
    found = compared(prior=prior([4, 1, 0.1, 1], seen=[0]))
    assert name(found.decision.chosen) == ("Felis", 0.5 / 0.67)
    assert name(found.without.chosen) == ("Panthera leo", 0.7)
    assert (found.out_of_range, found.removed) == (True, None)


@pytest.mark.parametrize(
    ("seen", "rules", "is_out"),
    [
        pytest.param([2], Climbing(0.65), False, id="recorded there"),
        pytest.param([3], Climbing(0.65), True, id="only its kin is recorded"),
        pytest.param([3], Climbing(0.75), False, id="the answer is the genus, of which one is recorded"),
        pytest.param([0], Climbing(0.75), True, id="a genus of which none is"),
        pytest.param([0], Climbing(0.95), False, id="no answer, so none out of range"),
        pytest.param([0], AtRank(1), True, id="the rank asked for, and sure"),
        pytest.param([0], AtRank(0), True, id="a higher rank asked for, and sure"),
    ],
)
def test_an_answer_is_out_of_range_if_neither_it_nor_any_below_is_recorded(seen, rules, is_out):
    assert compared(prior=prior([1, 1, 1, 1], seen), rules=rules).out_of_range is is_out


def test_an_unsure_guess_at_the_rank_asked_for_is_no_stray():
    flat = Comparison(CATS.levels, 4, None, Locality("there", None, prior([1, 1, 1, 1], [0])))
    assert flat.of(np.log(np.array([0.2, 0.2, 0.4, 0.2])).astype(np.float32), 1.0, rules=AtRank(1)).out_of_range is False


def test_what_the_fence_shuts_out_is_removed_and_not_flagged():
    found = compared(shut_out=LEO, prior=prior([1, 1, 1, 1], seen=[0]))
    assert (name(found.removed), found.out_of_range) == (("Panthera leo", 0.7), False)


def test_the_best_match_in_play_is_told_for_the_calibration():
    comparison = Comparison(CATS.levels, 4, None, Locality("there", LeafSet.whole(4).minus(LEO), None))
    assert comparison.best_in_play(SCORES) == pytest.approx(np.log(0.1))


def test_without_weights_all_is_as_without_a_place():
    found = compared(prior=prior([1, 1, 1, 1], seen=[2]))
    assert name(found.decision.chosen) == name(found.without.chosen) == ("Panthera leo", 0.7)
