"""What a head adds to the logits of the leaves it was taught, and which leaves these are."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.heads.blending import Blend, blended
from bioclip_search.heads.reach import NO_CLASS, Reach
from bioclip_search.posterior import leaf_probabilities

SCALE = 10.0


def reach(*intervals: tuple[int, int]) -> Reach:
    return Reach(np.array(intervals, np.int64).reshape(-1, 2))


def test_without_weight_and_bias_the_scores_are_the_cosines_bit_for_bit():
    cosines = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    found = blended(cosines.copy(), np.log(np.full((3, 2), 0.5)), reach((0, 1), (3, 5)), Blend(0.0, 0.0), SCALE)
    assert found.tobytes() == cosines.tobytes()


def test_taught_leaves_gain_by_what_the_head_says_and_the_others_stay():
    """Leaf 1: .2 + (2 · log(2 · .5) + .3) / 10; leaves 2 and 3 of one class: + (2 · log(2 · .25) + .3) / 10; leaf 0 as it was."""
    cosines = np.array([[0.5, 0.2, 0.1, 0.4]], np.float32)
    found = blended(cosines.copy(), np.log([[0.5, 0.25]]), reach((1, 2), (2, 4)), Blend(2.0, 0.3), SCALE)
    assert found[0] == pytest.approx([0.5, 0.23, 0.1 - 0.108629, 0.4 - 0.108629], abs=1e-6)


def test_a_head_that_guesses_changes_nothing():
    cosines = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    found = blended(cosines.copy(), np.log(np.full((2, 3), 1 / 3)), reach((0, 1), (1, 2), (3, 4)), Blend(5.0, 0.0), SCALE)
    assert found == pytest.approx(cosines, abs=1e-6)


def test_the_leaves_of_a_genus_share_as_their_texts_divide_it():
    cosines = np.array([[0.5, 0.2, 0.1, 0.4]], np.float32)
    before = leaf_probabilities(cosines.copy(), SCALE)[0]
    after = leaf_probabilities(blended(cosines.copy(), np.log([[0.9]]), reach((1, 4)), Blend(1.0, 2.0), SCALE), SCALE)[0]
    assert after[1:4] / after[1:4].sum() == pytest.approx(before[1:4] / before[1:4].sum(), rel=1e-5)


def test_untaught_leaves_keep_their_odds():
    cosines = np.array([[0.5, 0.2, 0.1, 0.4]], np.float32)
    before = leaf_probabilities(cosines.copy(), SCALE)[0]
    after = leaf_probabilities(blended(cosines.copy(), np.log([[0.9, 0.1]]), reach((0, 1), (2, 3)), Blend(1.0, -3.0), SCALE), SCALE)[0]
    assert after[1] / after[3] == pytest.approx(before[1] / before[3], rel=1e-5)


def test_a_leaf_without_a_vector_stays_without_one():
    found = blended(np.array([[0.5, -np.inf]], np.float32), np.log([[0.1, 0.9]]), reach((0, 1), (1, 2)), Blend(1.0, 3.0), SCALE)
    assert found[0, 1] == -np.inf


def test_a_class_that_was_not_taught_leaves_its_leaves_as_they_were():
    found = blended(np.array([[0.5, 0.2]], np.float32), np.array([[0.0, np.nan]]), reach((0, 1), (1, 2)), Blend(1.0, 3.0), SCALE)
    assert found[0] == pytest.approx([0.8, 0.2])


def test_a_leaf_of_a_species_and_of_its_genus_gets_the_sum_of_both():
    """Genus [0, 3) with .2 and the species at leaf 1 with .8: leaf 1 lies in both, 1.0; the others have .2."""
    nested = reach((0, 3), (1, 2))
    assert nested.leaves.tolist() == [0, 1, 2]
    assert nested.classes.tolist() == [[0, NO_CLASS], [0, 1], [0, NO_CLASS]]
    assert np.exp(nested.of(np.log([[0.2, 0.8]])))[0] == pytest.approx([0.2, 1.0, 0.2])
    assert np.isnan(nested.of(np.array([[np.nan, 0.0]])))[0].tolist() == [True, False, True]


def test_a_class_that_the_tree_lacks_has_no_leaf():
    lost = reach((0, 0), (1, 2))
    assert lost.leaves.tolist() == [1]
    assert lost.of(np.log([[0.2, 0.8]]))[0] == pytest.approx([np.log(0.8)])
    assert reach((0, 0)).of(np.zeros((2, 1))).shape == (2, 0)
    assert blended(np.ones((2, 3), np.float32), np.zeros((2, 1)), reach((0, 0)), Blend(1.0, 1.0), SCALE).tolist() == np.ones((2, 3)).tolist()


def test_many_intervals_give_each_leaf_its_classes_as_a_plain_loop_does():
    random = np.random.default_rng(3)
    starts = random.integers(0, 30, 12)
    intervals = np.stack([starts, starts + random.integers(0, 8, 12)], axis=1)
    found = reach(*map(tuple, intervals.tolist()))
    for leaf, classes in zip(found.leaves.tolist(), found.classes.tolist(), strict=True):
        assert [c for c in classes if c != NO_CLASS] == [c for c, (start, stop) in enumerate(intervals.tolist()) if start <= leaf < stop]
    assert set(found.leaves.tolist()) == {leaf for start, stop in intervals.tolist() for leaf in range(start, stop)}
