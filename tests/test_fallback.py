"""The rules by their numbers, on a tree of seven leaves:

Animalia ─┬─ Carnivora ─┬─ Felidae ─┬─ Panthera ─┬─ leo     0
          │             │           │            └─ uncia   1
          │             │           └─ Felis ───── catus    2
          │             └─ Canidae ─── Vulpes ──── vulpes   3
          └─ Aves ───────── (no family) ─ Turdus ─ merula   4
Plantae ─── Apiales ─────── Apiaceae ─ Oenanthe ─┬ crocata  5
                                                 └ lachenalii 6
"""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.fallback import attempts, decide, decide_among, rule_in_words
from bioclip_search.intervals import Level


def level(rank: str, *spans: tuple[int, int]) -> Level:
    return Level(rank, np.array([start for start, _ in spans]), np.array([stop for _, stop in spans]))


KINGDOM, ORDER, FAMILY, GENUS, SPECIES = range(5)
TREE = (
    level("kingdom", (0, 5), (5, 7)),
    level("order", (0, 4), (4, 5), (5, 7)),
    level("family", (0, 3), (3, 4), (5, 7)),
    level("genus", (0, 2), (2, 3), (3, 4), (4, 5), (5, 7)),
    level("species", *((leaf, leaf + 1) for leaf in range(7))),
)
LIONLIKE = np.array([0.40, 0.30, 0.15, 0.05, 0.04, 0.03, 0.03], np.float32)
# Panthera .70, Felidae .85, Carnivora .90, Animalia .94


@pytest.mark.parametrize(
    ("threshold", "depth", "probability"),
    [
        pytest.param(0.3, SPECIES, 0.40, id="the species itself is sure enough"),
        pytest.param(0.65, GENUS, 0.70, id="two species of one genus: the genus"),
        pytest.param(0.8, FAMILY, 0.85, id="the family"),
        pytest.param(0.92, KINGDOM, 0.94, id="all the way up"),
    ],
)
def test_rule_2_climbs_from_the_best_leaf_to_the_first_taxon_that_passes(threshold, depth, probability):
    decision = decide(LIONLIKE, TREE, threshold=threshold)
    assert (decision.rule, decision.chosen.depth, decision.chosen.number) == (2, depth, 0)
    assert decision.chosen.probability == pytest.approx(probability, abs=1e-6)


def test_rule_3_answers_where_the_best_leaf_stands_alone():
    # crocata (.24) beats every animal, but Animalia holds .16 + .15 + .15 + .15 + .12 = .73 and no order of it .65.
    decision = decide(np.array([0.16, 0.15, 0.15, 0.15, 0.12, 0.24, 0.03], np.float32), TREE, threshold=0.65)
    assert (decision.rule, decision.chosen.depth, decision.chosen.number) == (3, KINGDOM, 0)
    assert decision.chosen.probability == pytest.approx(0.73, abs=1e-6)


def test_rule_4_gives_no_answer_where_no_taxon_passes():
    decision = decide(LIONLIKE, TREE, threshold=0.95)
    assert (decision.rule, decision.chosen) == (4, None)
    assert [(step.depth, step.number) for step in decision.ladder] == [(KINGDOM, 0), (ORDER, 0), (FAMILY, 0), (GENUS, 0), (SPECIES, 0)]


def test_rule_1_answers_at_the_rank_asked_for_however_unsure():
    decision = decide(LIONLIKE, TREE, threshold=0.99, depth=SPECIES)
    assert (decision.rule, decision.chosen.depth, decision.chosen.number) == (1, SPECIES, 0)


def test_rule_1_takes_the_best_taxon_of_the_rank_not_the_best_leafs():
    # The best leaf is vulpes (.3), but Panthera holds .2 + .2 = .4.
    decision = decide(np.array([0.2, 0.2, 0.1, 0.3, 0.1, 0.05, 0.05], np.float32), TREE, depth=GENUS)
    assert (decision.chosen.number, decision.chosen.probability) == (0, pytest.approx(0.4))


def test_rule_1_passes_over_leaves_that_lack_the_rank():
    decision = decide(np.array([0, 0, 0, 0, 1, 0, 0], np.float32), TREE, depth=FAMILY)
    assert (decision.rule, decision.chosen) == (1, None)


def test_a_missing_rank_is_passed_over_when_climbing():
    # merula .6 misses .9; Turdus .6; it has no family; its order .6; Animalia .95.
    decision = decide(np.array([0.1, 0.1, 0.1, 0.05, 0.6, 0.03, 0.02], np.float32), TREE, threshold=0.9)
    assert decision.chosen.depth == KINGDOM
    assert FAMILY in [step.depth for step in decision.ladder]  # as a descendant of the answer, not as an ancestor


def test_the_ladder_is_the_ancestors_then_the_best_descendant_of_each_rank():
    # Felidae is the answer. Below it Panthera (.45) is the best genus though catus (.4) is the best species.
    decision = decide(np.array([0.23, 0.22, 0.40, 0.05, 0.04, 0.03, 0.03], np.float32), TREE, threshold=0.8)
    assert [(step.depth, step.number) for step in decision.ladder] == [(KINGDOM, 0), (ORDER, 0), (FAMILY, 0), (GENUS, 0), (SPECIES, 2)]
    assert [round(step.probability, 2) for step in decision.ladder] == [0.94, 0.90, 0.85, 0.45, 0.40]


def test_rivals_are_the_next_taxa_of_the_chosen_rank():
    decision = decide(LIONLIKE, TREE, threshold=0.8, rivals=5)
    assert [(step.number, round(step.probability, 2)) for step in decision.rivals] == [(2, 0.06), (1, 0.05)]


def test_ties_go_to_the_first_in_depth_first_order():
    flat = np.full(7, 1 / 7, np.float32)
    decision = decide(flat, TREE, depth=SPECIES, rivals=3)
    assert decision.chosen.number == 0
    assert [step.number for step in decision.rivals] == [1, 2, 3]


def test_taxa_without_any_mass_are_no_rivals():
    assert decide(np.array([1, 0, 0, 0, 0, 0, 0], np.float32), TREE).rivals == ()


def test_no_rivals_may_be_asked_for():
    assert decide(LIONLIKE, TREE, rivals=0).rivals == ()


@pytest.mark.parametrize(
    ("rule", "rank", "words"),
    [
        (1, "genus", "rule 1: the most probable genus, as asked"),
        (1, None, "rule 1: no taxon in play has the rank asked for"),
        (2, "family", "rule 2: family, the lowest rank above the best match to reach 0.65"),
        (3, "class", "rule 3: class, the lowest to reach 0.65, though the best single match lies outside it"),
        (4, None, "rule 4: no answer, no taxon reached 0.65"),
    ],
)
def test_every_rule_has_plain_words(rule, rank, words):
    assert rule_in_words(rule, rank, 0.65) == words


def test_the_attempts_hold_the_answer_at_every_threshold():
    random = np.random.default_rng(1)
    for row in random.dirichlet(np.full(7, 0.4), 50).astype(np.float32):
        tried = attempts(row, TREE)
        for threshold in np.linspace(0, 1.05, 22):
            first = next((step for step in tried if step.probability >= threshold), None)
            assert decide(row, TREE, threshold=threshold).chosen == first


@pytest.mark.parametrize(
    ("kept", "ruling"),
    [
        pytest.param([0, 1, 2], {"threshold": 0.8}, id="a family is sure enough"),
        pytest.param([0, 2, 5, 6], {"threshold": 0.9}, id="nothing is"),
        pytest.param([3, 4], {"depth": FAMILY}, id="a rank that one of two lacks"),
        pytest.param([4], {"threshold": 0.5}, id="one leaf"),
        pytest.param(list(range(7)), {"threshold": 0.3}, id="all leaves"),
    ],
)
def test_leaves_of_no_probability_may_as_well_be_left_out(kept, ruling):
    probabilities = np.zeros(7, np.float32)
    probabilities[kept] = LIONLIKE[kept] / LIONLIKE[kept].sum()
    whole, part = decide(probabilities, TREE, **ruling), decide_among(np.array(kept), probabilities[kept], TREE, **ruling)
    assert (part.rule, part.chosen, part.rivals) == (whole.rule, whole.chosen, whole.rivals)
    assert part.ladder == tuple(step for step in whole.ladder if step.probability > 0)


def test_no_taxon_is_more_than_certain_though_float32_sums_to_more_than_one():
    """Seven times the float32 nearest to a seventh is 1.00000004."""
    even = np.full(7, 1 / 7, np.float32)
    assert even.sum(dtype=np.float64) > 1
    decision = decide(even, [level("kingdom", (0, 7)), *TREE[1:]])
    assert (decision.chosen.probability, decision.ladder[0].probability) == (1.0, 1.0)
