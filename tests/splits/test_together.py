"""What belongs together is one group, however it is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.errors import TableError
from bioclip_search.splits.together import groups_of


def test_without_anything_told_every_row_stands_for_itself():
    assert groups_of(3).tolist() == [0, 1, 2]
    assert groups_of(0, bursts=[]).tolist() == []


def test_what_is_not_known_joins_nothing():
    assert groups_of(4, bursts=[None, "dawn", None, "dawn"]).tolist() == [0, 1, 2, 1]


def test_one_thing_told_leads_to_the_next():
    """Rows 0 and 1 are of one burst, 1 and 2 of one picture, 2 and 3 hold the same bytes: all four are one group."""
    groups = groups_of(5, bursts=["a", "a", None, None, None], picture_of_row=np.array([0, 1, 1, 2, 3]), contents=[None, None, "f0", "f0", None])
    assert groups.tolist() == [0, 0, 0, 0, 1]


def test_a_burst_and_a_content_of_one_name_have_nothing_to_do_with_each_other():
    assert groups_of(2, bursts=["x", None], contents=[None, "x"]).tolist() == [0, 1]


def test_bursts_of_numbers_and_of_texts_are_told_apart():
    assert groups_of(3, bursts=np.array([1, "1", 1], object)).tolist() == [0, 1, 0]


def test_too_few_values_are_told():
    with pytest.raises(TableError, match="bursts tells of 2 rows, and there are 3"):
        groups_of(3, bursts=["a", "b"])


def groups_by_walking(n, *keys):
    """A naive reference: start at each row and follow whatever it shares with others."""
    group, found = [-1] * n, 0
    for start in range(n):
        if group[start] < 0:
            ahead = [start]
            while ahead:
                row = ahead.pop()
                group[row] = found
                ahead += [other for other in range(n) for key in keys if group[other] < 0 and key[row] is not None and key[row] == key[other]]
            found += 1
    return group


@given(st.data())
def test_groups_are_those_of_following_every_link(data):
    n = data.draw(st.integers(0, 14))
    key = st.lists(st.one_of(st.none(), st.integers(0, 6)), min_size=n, max_size=n)
    bursts, contents = data.draw(key), data.draw(key)
    pictures = data.draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    groups = groups_of(n, bursts=bursts, picture_of_row=np.array(pictures, int), contents=contents)
    assert groups.tolist() == groups_by_walking(n, bursts, contents, pictures)


def test_a_long_chain_is_one_group():
    """Each row shares its burst with the one before and its content with the one after: 2,000 links."""
    n = 2001
    groups = groups_of(n, bursts=[row // 2 for row in range(n)], contents=[(row + 1) // 2 for row in range(n)])
    assert set(groups.tolist()) == {0}
