from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.intervals import LeafSet, Level


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([(0, 10)], [[0, 10]], id="all"),
        pytest.param([(7, 9), (1, 3), (2, 5)], [[1, 5], [7, 9]], id="overlapping, out of order"),
        pytest.param([(1, 3), (3, 4)], [[1, 4]], id="touching"),
    ],
)
def test_ranges_are_merged_and_sorted(ranges, expected):
    leaves = LeafSet.of(ranges, 10)
    assert leaves.ranges.tolist() == expected
    assert len(leaves) == sum(stop - start for start, stop in expected)


def test_mask_and_ranges_are_two_forms_of_one_set():
    mask = np.random.default_rng(0).random(1000) < 0.4
    assert (LeafSet.from_mask(mask).mask == mask).all()


def test_sets_compose():
    clade, listed, out = (LeafSet.of(ranges, 100) for ranges in ([(10, 60)], [(0, 20), (50, 80)], [(15, 18)]))
    assert (clade & listed).minus(out).ranges.tolist() == [[10, 15], [18, 20], [50, 60]]


def test_a_level_knows_which_taxon_holds_a_leaf_if_any():
    level = Level("genus", np.array([0, 5]), np.array([3, 6]))
    assert [level.holding(leaf) for leaf in (0, 2, 3, 5, 6)] == [0, 0, None, 1, None]
