from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.index import Index
from bioclip_search.mass import LEAST_SHARE, mass_tree
from bioclip_search.question import Asked
from bioclip_search.searcher import Searcher
from tests.conftest import picture_of

# The nine leaves in depth-first order: carp (no class), wheatear, blackbird, fox, cat, lion, snow leopard, carrot family, dropwort.
EVERYTHING = np.arange(9)


def told(taxonomy, leaves, probabilities, least=LEAST_SHARE):
    """The tree as (name of the node above, name, probability), remainders by the sign +n."""
    nodes = mass_tree(taxonomy, np.asarray(leaves), np.asarray(probabilities, np.float32), least)

    def name(node):
        return node.taxon.name if node.taxon else f"+{node.others}" if node.others else "all"

    return [(None if node.parent is None else name(nodes[node.parent]), name(node), round(node.probability, 4)) for node in nodes]


def test_a_worked_example(taxonomy):
    names = [list(taxonomy.lineage(leaf).values())[-1] for leaf in range(9)]
    chances = {"Panthera leo": 0.5, "Panthera uncia": 0.3, "Felis catus": 0.15, "Vulpes vulpes": 0.05}
    tree = told(taxonomy, EVERYTHING, [chances.get(name, 0.0) for name in names], least=0.1)
    assert tree == [
        (None, "all", 1.0),
        ("all", "Animalia", 1.0),
        ("Animalia", "Chordata", 1.0),
        ("Chordata", "Mammalia", 1.0),
        ("Mammalia", "Carnivora", 1.0),
        ("Carnivora", "Felidae", 0.95),  # .5 + .3 + .15; the dog's family has .05, which is less than .1, and so has the rest
        ("Felidae", "Felis", 0.15),
        ("Felidae", "Panthera", 0.8),
        ("Felis", "Felis catus", 0.15),
        ("Panthera", "Panthera leo", 0.5),
        ("Panthera", "Panthera uncia", 0.3),
    ]


def test_what_the_children_leave_over_is_told_with_how_many_share_it(taxonomy):
    tree = told(taxonomy, EVERYTHING, np.full(9, 1 / 9), least=0.3)
    assert ("all", "Animalia", 0.7778) in tree
    assert ("all", "+1", 0.2222) not in tree  # plants have 2/9, less than .3
    assert ("Chordata", "Mammalia", 0.4444) in tree
    assert ("Chordata", "+1", 0.3333) in tree  # 7/9 - 4/9: the birds' class, and the carp, which has none
    assert ("Carnivora", "Felidae", 0.3333) in tree
    assert not [row for row in tree if row[0] == "Felidae"]  # nothing below reaches .3, so nothing is left over either


def test_a_rank_that_is_missing_is_passed_over(taxonomy):
    carp = next(leaf for leaf in range(9) if "Cyprinus carpio" in taxonomy.lineage(leaf).values())
    tree = told(taxonomy, [carp], [1.0])
    assert ("Chordata", "Cypriniformes", 1.0) in tree


def test_a_leaf_above_species_ends_its_branch(taxonomy):
    carrots = next(leaf for leaf in range(9) if list(taxonomy.lineage(leaf))[-1] == "family")
    assert told(taxonomy, [carrots], [1.0])[-1] == ("Apiales", "Apiaceae", 1.0)


def test_no_leaves_give_the_root_alone(taxonomy):
    assert told(taxonomy, [], []) == [(None, "all", 1.0)]


@given(weights=st.lists(st.floats(0, 1), min_size=9, max_size=9), least=st.sampled_from([0.01, 0.1, 0.35]))
def test_the_tree_is_that_of_a_naive_loop(taxonomy, weights, least):
    if not sum(weights):
        return
    probabilities = np.array(weights) / sum(weights)
    nodes = mass_tree(taxonomy, EVERYTHING, probabilities.astype(np.float32), least)
    found = {(node.taxon.rank, tuple(taxonomy.lineage(node.taxon.start, down_to=node.taxon.rank).values())): node.probability for node in nodes if node.taxon}
    expected: dict[tuple, float] = {}
    for leaf in range(9):
        lineage = list(taxonomy.lineage(leaf).items())
        for depth, (rank, _) in enumerate(lineage):
            path = (rank, tuple(name for _, name in lineage[: depth + 1]))
            expected[path] = expected.get(path, 0.0) + probabilities[leaf]
    clear = {path for path, mass in expected.items() if mass > least + 1e-6}
    assert clear <= set(found) <= {path for path, mass in expected.items() if mass > least - 1e-6}
    assert all(found[path] == pytest.approx(expected[path], abs=1e-6) for path in found)
    for number, node in enumerate(nodes):
        below = [child.probability for child in nodes if child.parent == number]
        assert sum(below) <= node.probability + 1e-6
        assert node.parent is None or node.parent < number


@pytest.fixture(scope="module")
def searcher(small_index, encoder):
    return Searcher(Index(small_index), encoder)


@pytest.fixture
def fence(tmp_path):
    (tmp_path / "fence.json").write_text(json.dumps({"mammalia;carnivora;felidae;panthera;leo": {"allow": {"KEN": []}}}))
    return tmp_path / "fence.json"


@pytest.fixture
def seen(tmp_path):
    (tmp_path / "seen.csv").write_text("species,country\n" + "Vulpes vulpes,NO\n" * 20 + "Panthera uncia,NO\n" * 20)
    return tmp_path / "seen.csv"


@pytest.mark.parametrize("files", [pytest.param((), id="nowhere"), ("geofence",), ("occurrences",), ("geofence", "occurrences")])
@pytest.mark.parametrize("asked", [{}, {"within": "Felidae"}, {"exclude": "Panthera uncia"}])
def test_a_question_tells_the_probabilities_that_its_answer_is_chosen_by(searcher, encoder, fence, seen, asked, files):
    of_place = {name: {"geofence": fence, "occurrences": seen}[name] for name in files} | ({"country": "NOR"} if files else {})
    vector = encoder.encode_images([picture_of(5)])[0]
    question = searcher.question(rank="species", **asked, **of_place)
    leaves, probabilities = question.probabilities(vector)
    (answer,) = question.answers(vector[None], [Asked("a")])
    best = int(np.argmax(probabilities))
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert searcher.taxonomy.lineage(int(leaves[best]))["species"] == answer.taxon
    assert float(probabilities[best]) == pytest.approx(answer.probability, abs=1e-6)
    kept = question.restriction.leaves
    assert set(leaves.tolist()) <= set(range(9) if kept is None else kept.numbers.tolist())
