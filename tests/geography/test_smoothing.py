from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.geography.smoothing import Counted, leaf_shares
from bioclip_search.prompts import RANKS
from bioclip_search.taxonomy import Taxonomy


def counted(taxonomy, counts):
    """Counts by name as arrays; a name is that of the only taxon that bears it at any rank."""
    found = {}
    for depth, (rank, level) in enumerate(zip(taxonomy.ranks, taxonomy.levels, strict=True)):
        for number in range(len(level)):
            found[taxonomy.taxon(rank, number).name] = (depth, int(level.start[number]), int(level.stop[number]))
    return Counted(*np.array([found[name] for name in counts], np.int64).reshape(-1, 3).T), np.array(list(counts.values()), float)


def shares(taxonomy, *counts, weight):
    names = dict.fromkeys(name for one in counts for name in one)
    taxa, _ = counted(taxonomy, dict.fromkeys(names, 0.0))
    rows = [np.array([one.get(name, 0.0) for name in names]) for one in counts]
    return np.exp(leaf_shares(taxonomy.levels, len(taxonomy), taxa, rows, weight))


CATS = Taxonomy.from_table(
    pa.table({"genus": ["Felis", "Felis", "Panthera", "Panthera"], "species": ["Felis catus", "Felis silvestris", "Panthera leo", "Panthera uncia"]}),
    ["genus", "species"],
)


def test_a_share_is_the_smoothed_one_of_each_parent():
    """Felis has 3 of 4 records, 2 + 1, Panthera 1 + 0; smoothing weighs 2.

    Felis (3 + 2·1/2)/(4 + 2) = 4/6; in it catus (2 + 2·1/2)/(3 + 2) = 3/5, silvestris (1 + 1)/5 = 2/5.
    Panthera (1 + 1)/6 = 2/6; in it leo (1 + 1)/(1 + 2) = 2/3, uncia, never recorded, (0 + 1)/3 = 1/3.
    """
    found = shares(CATS, {"Felis catus": 2, "Felis silvestris": 1, "Panthera leo": 1}, weight=2)
    assert found == pytest.approx([4 / 6 * 3 / 5, 4 / 6 * 2 / 5, 2 / 6 * 2 / 3, 2 / 6 * 1 / 3])


def test_what_is_recorded_of_a_genus_raises_the_genus_and_none_of_its_species():
    """Three records of a Panthera that nobody named: Panthera (3 + 1)/(3 + 2) = 4/5, its two species half of it each."""
    assert shares(CATS, {"Panthera": 3}, weight=2) == pytest.approx([1 / 10, 1 / 10, 4 / 10, 4 / 10])


def test_a_place_is_smoothed_by_what_is_recorded_everywhere():
    """Everywhere: Felis (1 + 1)/(3 + 2) = 2/5, Panthera 3/5, in it leo (2 + 1)/(2 + 2) = 3/4. At the place one uncia:
    Panthera (1 + 2·3/5)/(1 + 2) = 11/15, in it uncia (1 + 2·1/4)/(1 + 2) = 1/2; Felis 4/15, in it catus (0 + 2·2/3)/(0 + 2) = 2/3.
    """
    found = shares(CATS, {"Felis catus": 1, "Panthera leo": 2}, {"Panthera uncia": 1}, weight=2)
    assert found == pytest.approx([4 / 15 * 2 / 3, 4 / 15 * 1 / 3, 11 / 15 * 1 / 2, 11 / 15 * 1 / 2])


def test_without_any_record_all_leaves_are_alike():
    assert shares(CATS, {"Felis catus": 0}, weight=5) == pytest.approx([1 / 4] * 4)


NAMES = st.sampled_from([None, "a", "b", "c"])


@st.composite
def trees(draw):
    """A tree in which any rank may be missing, and the names of all its taxa, each of them one taxon only."""
    rows = draw(st.lists(st.tuples(*[NAMES] * 4), min_size=1, max_size=8).filter(lambda rows: any(any(row) for row in rows)))
    ranks = ["kingdom", "order", "genus", "species"]
    paths = [
        ["".join(f"{rank[0]}{name}" if name else "-" for rank, name in zip(ranks[: n + 1], row, strict=False)) if name else None for n, name in enumerate(row)]
        for row in rows
    ]
    return Taxonomy.from_table(pa.table({rank: pa.array([path[n] for path in paths], pa.string()) for n, rank in enumerate(ranks)}), ranks)


@given(data=st.data(), weight=st.sampled_from([0.5, 2.0, 10.0]))
def test_shares_equal_those_of_a_slow_walk_down_any_tree(data, weight):
    tree = data.draw(trees())
    names = sorted({name for leaf in range(len(tree)) for name in tree.lineage(leaf).values()})
    counts = [data.draw(st.dictionaries(st.sampled_from(names), st.integers(0, 9), max_size=6)) for _ in range(data.draw(st.integers(1, 3)))]
    found = shares(tree, *counts, weight=weight)
    assert found.sum() == pytest.approx(1)
    assert found == pytest.approx(walked(tree, counts, weight))


def walked(tree, counts, weight):
    """The same, child by child: a leaf is a child of its lowest taxon, and what is counted of a taxon with one leaf is counted of the leaf."""
    children, leaves_of = defaultdict(set), defaultdict(set)
    for leaf in range(len(tree)):
        path = ["root", *tree.lineage(leaf).values(), leaf]
        for above, below in pairwise(path):
            children[above].add(below)
        for node in path:
            leaves_of[node].add(leaf)
    own = [defaultdict(float) for _ in counts]
    for mine, one in zip(own, counts, strict=True):
        for name, count in one.items():
            mine[next(iter(leaves_of[name])) if len(leaves_of[name]) == 1 else name] += count

    def total(node, step):
        return own[step][node] + sum(total(child, step) for child in children.get(node, ()))

    def down(node, share, result):
        if node not in children:
            result[node] = share
        for child in children[node]:
            part = len(leaves_of[child]) / len(leaves_of[node])
            for step in range(len(counts)):
                part = (total(child, step) + weight * part) / (sum(total(other, step) for other in children[node]) + weight)
            down(child, share * part, result)
        return result

    result = down("root", 1.0, {})
    return [result[leaf] for leaf in range(len(tree))]


def test_a_deep_tree_of_many_leaves_has_no_vanishing_share():
    tree = Taxonomy.from_table(pa.table({rank: [f"{rank} {number // 10 ** (6 - depth)}" for number in range(5000)] for depth, rank in enumerate(RANKS)}))
    found = shares(tree, {"species 7": 1e12}, weight=5)
    assert found.min() > 0
    assert math.isfinite(np.log(found).sum())
