from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.sets(st.integers(0, 39)))
def test_a_level_among_some_leaves_is_that_of_a_naive_loop(widths, chosen):
    """Taxa of the given widths, a taxon of width nought standing for a leaf that lies in none."""
    taxa, leaf = [], 0
    for width in widths:
        taxa += [(leaf, leaf + width)] if width else []
        leaf += max(width, 1)
    leaves = np.array(sorted(number for number in chosen if number < leaf), np.int64)
    level = Level("genus", np.array([start for start, _ in taxa], np.int64), np.array([stop for _, stop in taxa], np.int64))
    found, numbers = level.among(leaves)
    expected = [(number, [place for place, one in enumerate(leaves) if start <= one < stop]) for number, (start, stop) in enumerate(taxa)]
    expected = [(number, places[0], places[-1] + 1) for number, places in expected if places]
    assert list(zip(numbers.tolist(), found.start.tolist(), found.stop.tolist(), strict=True)) == expected


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)


@given(SPANS, SPANS)
def test_sets_of_leaves_compose_as_masks_do(one, other):
    def mask(spans: list[tuple[int, int]]) -> np.ndarray:
        found = np.zeros(30, bool)
        for start, stop in spans:
            found[start:stop] = True
        return found

    first, second = LeafSet.of(one, 30), LeafSet.of(other, 30)
    for found, expected in ((first, mask(one)), (first & second, mask(one) & mask(other)), (first.minus(second), mask(one) & ~mask(other))):
        assert found.ranges.tolist() == LeafSet.from_mask(expected).ranges.tolist()
        assert found.numbers.tolist() == np.flatnonzero(expected).tolist()
        assert len(found) == expected.sum()
