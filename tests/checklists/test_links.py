from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bioclip_search.checklists.links import ancestors, circles, follow


@st.composite
def pointers(draw):
    n = draw(st.integers(1, 40))
    return np.array(draw(st.lists(st.integers(-1, n - 1), min_size=n, max_size=n))), np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))


def naive_end(target, is_end, row):
    seen = set()
    while row >= 0 and not is_end[row]:
        if row in seen:
            return -1
        seen.add(row)
        row = target[row]
    return row


def is_on_circle(target, is_end, start):
    row = target[start] if not is_end[start] else -1
    for _ in range(len(target)):
        if row < 0 or is_end[row]:
            return False
        if row == start:
            return True
        row = target[row]
    return False


@settings(max_examples=300)
@given(pointers())
def test_chains_end_where_a_walk_ends_and_circles_are_those_of_a_walk(drawn):
    target, is_end = drawn
    end, on_circle = follow(target, is_end)
    rows = range(len(target))
    assert end.tolist() == [naive_end(target, is_end, row) for row in rows]
    assert on_circle.tolist() == [is_on_circle(target, is_end, row) for row in rows]
    told = circles(target, on_circle, most=100, longest=100)
    assert sorted(row for circle in told for row in circle) == np.flatnonzero(on_circle).tolist()
    assert all(target[row] == after for circle in told for row, after in zip(circle, circle[1:] + circle[:1], strict=True))


@settings(max_examples=300)
@given(st.data())
def test_lineages_are_those_of_a_dictionary_and_a_loop(data):
    n = data.draw(st.integers(1, 40))
    parent = {row: data.draw(st.integers(-1, row - 1)) for row in range(n)}  # a row's parent stands before it: no circles
    shuffled = data.draw(st.permutations(range(n)))  # and then anywhere
    rank = {shuffled[row]: data.draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 10, 20, -1])) for row in range(n)}
    above = {shuffled[row]: shuffled[parent[row]] if parent[row] >= 0 else -1 for row in range(n)}
    found = ancestors(np.array([above[row] for row in range(n)]), np.array([rank[row] for row in range(n)]), 7)
    for row in range(n):
        lineage, at = {}, row
        while at >= 0:
            lineage.setdefault(rank[at], at)
            at = above[at]
        assert found[:, row].tolist() == [lineage.get(number, -1) for number in range(7)]


def test_a_chain_of_a_million_takes_no_loop():
    n = 1_000_000
    end, on_circle = follow(np.arange(-1, n - 1), np.arange(n) == 0)
    assert (end == 0).all()
    assert not on_circle.any()


def test_nothing_gives_nothing():
    nothing = np.empty(0, np.int64)
    assert follow(nothing, np.empty(0, bool))[0].shape == (0,)
    assert ancestors(nothing, nothing, 7).shape == (7, 0)
