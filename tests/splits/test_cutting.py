"""Rows are cut in two in their order, and groups stay whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.splits.cutting import cut_in_two


@pytest.mark.parametrize(("n", "share", "first"), [(10, 0.4, 4), (11, 0.4, 5), (1, 0.4, 1), (0, 0.4, 0), (3, 0.5, 2)])
def test_without_groups_the_first_share_is_rounded_up(n, share, first):
    rows = np.arange(n)[::-1]
    taught, shown = cut_in_two(rows, share)
    assert (taught.tolist(), shown.tolist()) == (rows[:first].tolist(), rows[first:].tolist())


def test_groups_of_one_are_as_no_groups():
    rows = np.random.default_rng(0).permutation(50)
    alone = cut_in_two(rows, 0.4, np.arange(50))
    assert [side.tolist() for side in alone] == [side.tolist() for side in cut_in_two(rows, 0.4)]


def test_the_cut_is_where_the_share_is_nearest():
    """Groups of 3, 4 and 3 rows: of ten rows five are wanted, three or seven can be had, both two off; the first is taken."""
    groups = np.repeat([0, 1, 2], [3, 4, 3])
    assert len(cut_in_two(np.arange(10), 0.5, groups)[0]) == 3
    assert len(cut_in_two(np.arange(10), 0.6, groups)[0]) == 7


@given(st.lists(st.integers(0, 6), max_size=30), st.floats(0.1, 0.9), st.integers(0, 3))
def test_no_group_lies_on_both_sides_and_no_row_is_lost(groups, share, seed):
    groups = np.array(groups, int)
    rows = np.random.default_rng(seed).permutation(len(groups))
    first, others = cut_in_two(rows, share, groups)
    assert not set(groups[first].tolist()) & set(groups[others].tolist())
    assert sorted([*first.tolist(), *others.tolist()]) == list(range(len(groups)))
    if len(set(groups.tolist())) > 1:
        assert len(first)
        assert len(others)


def test_a_single_group_cannot_be_cut():
    first, others = cut_in_two(np.arange(4), 0.5, np.zeros(4, int))
    assert (len(first), len(others)) == (4, 0)
