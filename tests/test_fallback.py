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

from bioclip_search.fallback import AtRank, Climbing, Row, Weighing, decide, decide_among, information, weigh, weights_of
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
CROCATA_ALONE = np.array([0.16, 0.15, 0.15, 0.15, 0.12, 0.24, 0.03], np.float32)


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
    decision = decide(LIONLIKE, TREE, Climbing(threshold))
    assert (decision.rule, decision.chosen.depth, decision.chosen.number) == (2, depth, 0)
    assert decision.chosen.probability == pytest.approx(probability, abs=1e-6)


def test_rule_3_answers_where_the_best_leaf_stands_alone():
    # crocata (.24) beats every animal, but Animalia holds .16 + .15 + .15 + .15 + .12 = .73 and no order of it .65.
    decision = decide(CROCATA_ALONE, TREE, Climbing(0.65))
    assert (decision.rule, decision.chosen.depth, decision.chosen.number) == (3, KINGDOM, 0)
    assert decision.chosen.probability == pytest.approx(0.73, abs=1e-6)


def test_rule_4_gives_no_answer_where_no_taxon_passes():
    decision = decide(LIONLIKE, TREE, Climbing(0.95))
    assert (decision.rule, decision.chosen) == (4, None)
    assert [(step.depth, step.number) for step in decision.ladder] == [(KINGDOM, 0), (ORDER, 0), (FAMILY, 0), (GENUS, 0), (SPECIES, 0)]


def test_rule_1_answers_at_the_rank_asked_for_however_unsure():
    decision = decide(LIONLIKE, TREE, AtRank(SPECIES))
    assert (decision.rule, decision.chosen.depth, decision.chosen.number) == (1, SPECIES, 0)


def test_rule_1_takes_the_best_taxon_of_the_rank_not_the_best_leafs():
    # The best leaf is vulpes (.3), but Panthera holds .2 + .2 = .4.
    decision = decide(np.array([0.2, 0.2, 0.1, 0.3, 0.1, 0.05, 0.05], np.float32), TREE, AtRank(GENUS))
    assert (decision.chosen.number, decision.chosen.probability) == (0, pytest.approx(0.4))


def test_rule_1_passes_over_leaves_that_lack_the_rank():
    decision = decide(np.array([0, 0, 0, 0, 1, 0, 0], np.float32), TREE, AtRank(FAMILY))
    assert (decision.rule, decision.chosen) == (1, None)


def test_a_missing_rank_is_passed_over_when_climbing():
    # merula .6 misses .9; Turdus .6; it has no family; its order .6; Animalia .95.
    decision = decide(np.array([0.1, 0.1, 0.1, 0.05, 0.6, 0.03, 0.02], np.float32), TREE, Climbing(0.9))
    assert decision.chosen.depth == KINGDOM
    assert FAMILY in [step.depth for step in decision.ladder]  # as a descendant of the answer, not as an ancestor


def test_the_ladder_is_the_ancestors_then_the_best_descendant_of_each_rank():
    # Felidae is the answer. Below it Panthera (.45) is the best genus though catus (.4) is the best species.
    decision = decide(np.array([0.23, 0.22, 0.40, 0.05, 0.04, 0.03, 0.03], np.float32), TREE, Climbing(0.8))
    assert [(step.depth, step.number) for step in decision.ladder] == [(KINGDOM, 0), (ORDER, 0), (FAMILY, 0), (GENUS, 0), (SPECIES, 2)]
    assert [round(step.probability, 2) for step in decision.ladder] == [0.94, 0.90, 0.85, 0.45, 0.40]


def test_rivals_are_the_next_taxa_of_the_chosen_rank():
    decision = decide(LIONLIKE, TREE, Climbing(0.8), rivals=5)
    assert [(step.number, round(step.probability, 2)) for step in decision.rivals] == [(2, 0.06), (1, 0.05)]


def test_ties_go_to_the_first_in_depth_first_order():
    flat = np.full(7, 1 / 7, np.float32)
    decision = decide(flat, TREE, AtRank(SPECIES), rivals=3)
    assert decision.chosen.number == 0
    assert [step.number for step in decision.rivals] == [1, 2, 3]


def test_taxa_without_any_mass_are_no_rivals():
    assert decide(np.array([1, 0, 0, 0, 0, 0, 0], np.float32), TREE).rivals == ()


def test_no_rivals_may_be_asked_for():
    assert decide(LIONLIKE, TREE, rivals=0).rivals == ()


@pytest.mark.parametrize(
    ("row", "rules", "words"),
    [
        pytest.param(LIONLIKE, AtRank(GENUS), "rule 1: the most probable genus, as asked", id="1"),
        pytest.param(np.eye(7, dtype=np.float32)[4], AtRank(FAMILY), "rule 1: no taxon in play has the rank asked for, family", id="1, none"),
        pytest.param(LIONLIKE, Climbing(0.3), "rule 2: species, for it reached 0.30", id="2, at once"),
        pytest.param(LIONLIKE, Climbing(0.8), "rule 2: family, for the genus of the best match did not reach 0.80", id="2, climbed"),
        pytest.param(CROCATA_ALONE, Climbing(0.65), "rule 3: kingdom, the lowest to reach 0.65, though the best single match lies outside it", id="3"),
        pytest.param(LIONLIKE, Climbing(0.95), "rule 4: no answer, for no taxon reached 0.95", id="4"),
    ],
)
def test_every_rule_says_in_words_why(row, rules, words):
    assert decide(row, TREE, rules).why == words


# Of the seven leaves log2 7 = 2.807: Animalia (5 leaves) tells 1 - 2.322 / 2.807 = .173, Carnivora (4) .288, Felidae (3) .435,
# Panthera (2) .644, leo 1. Times the probabilities .94 .90 .85 .70 .40 that is .162 .259 .370 .451 .400.


@pytest.mark.parametrize(
    ("caution", "depth", "words"),
    [
        # caution 0: .451 of Panthera is the most; leo would need .451.
        pytest.param(0.0, GENUS, "rule 5: genus, for no species reached 0.45", id="only what is told counts"),
        # caution .5, (I + 1) / 2: .551 .580 .610 .575 .400; Panthera would need .610 / .822 = .74.
        pytest.param(0.5, FAMILY, "rule 5: family, for no genus reached 0.74", id="half and half"),
        # caution .9, .1 I + .9: .9173 × .94 = .862, .9288 × .90 = .836 …; .9 × .9 = .81 is asked; Carnivora would need .862 / .9288 = .93.
        pytest.param(0.9, KINGDOM, "rule 5: kingdom, for no order reached 0.93", id="being right counts most"),
    ],
)
def test_rule_5_weighs_what_an_answer_tells_with_its_chance(caution, depth, words):
    decision = decide(LIONLIKE, TREE, Weighing(caution, 0.9))
    assert (decision.rule, decision.chosen.depth, decision.why) == (5, depth, words)


def test_rule_5_says_what_the_lowest_rank_had_to_reach():
    # leo .9: 1 × .9 against Panthera .92 × (.644 + 1) / 2 = .756 and .5 × .9 = .45.
    decision = decide(np.array([0.90, 0.02, 0.02, 0.02, 0.02, 0.01, 0.01], np.float32), TREE, Weighing(0.5, 0.9))
    assert (decision.chosen.depth, decision.why) == (SPECIES, "rule 5: species, for it reached 0.76")


def test_rule_5_takes_the_lowest_of_taxa_that_hold_the_same_leaves():
    """Aves, Turdus and merula are one leaf here: .9 of it is worth .9, and Animalia's .94 × (.173 + 1) / 2 = .551."""
    decision = decide(np.array([0.02, 0.01, 0.01, 0, 0.9, 0.03, 0.03], np.float32), TREE, Weighing(0.5, 0.9))
    assert (decision.chosen.depth, decision.chosen.number) == (SPECIES, 4)


def test_rule_5_says_where_the_taxon_below_would_tell_less():
    # The best family is Canidae, .45 and one leaf; the best genus Oenanthe, .40 and two leaves, which tell .644.
    # At caution 0 it would need .45 / .644 = .70. At .5 and chances of .9 it would need .9 / .822 = 1.09.
    row = np.array([0.05, 0.02, 0.03, 0.45, 0.05, 0.25, 0.15], np.float32)
    tree = (TREE[FAMILY], level("genus", (0, 2), (2, 3), (5, 7)))
    assert decide(row, tree, Weighing(0.0, 0.9)).why == "rule 5: family, for no genus reached 0.70"
    sure = Weighing(0.5, 0.9, lambda probability, information, best_score: np.full(probability.shape, 0.9))
    assert decide(row, tree, sure).why == "rule 5: family, for the most probable genus would tell less"


def test_a_judge_may_think_otherwise_of_the_chances():
    """It sees the best taxon of every rank, what each tells, and the best cosine; here it trusts the cosine alone."""

    def by_cosine(probability, information, best_score):
        assert probability[0].tolist() == pytest.approx([0.94, 0.90, 0.85, 0.70, 0.40], abs=1e-6)
        assert information[0].tolist() == pytest.approx([0.173, 0.288, 0.435, 0.644, 1], abs=1e-3)
        return np.tile(best_score[:, None], probability.shape)

    sure, unsure = (decide(LIONLIKE, TREE, Weighing(0.5, 0.9, by_cosine), best_score=score) for score in (0.8, 0.4))
    assert (sure.chosen.depth, sure.chosen.probability, sure.chance) == (SPECIES, pytest.approx(0.40), 0.8)
    assert (unsure.chosen, unsure.chance) == (None, None)


def test_rule_6_is_silent_where_no_taxon_is_worth_its_risk():
    # Even chances: Animalia 5/7 = .714 × .9173 = .655 is the best at caution .9; .9 × .9 = .81 is asked, that is .81 / .9173 = .88 of it.
    decision = decide(np.full(7, 1 / 7, np.float32), TREE, Weighing(0.9, 0.9))
    assert (decision.rule, decision.chosen, decision.why) == (6, None, "rule 6: no answer, for no kingdom reached 0.88")
    assert [step.depth for step in decision.ladder] == [KINGDOM, ORDER, FAMILY, GENUS, SPECIES]


def test_ranks_that_may_not_be_answered_at_are_passed_over():
    assert decide(LIONLIKE, TREE, Weighing(0.5, 0.9), depths=range(KINGDOM, ORDER + 1)).chosen.depth == ORDER
    assert decide(LIONLIKE, TREE, Climbing(0.3), depths=range(KINGDOM, FAMILY + 1)).chosen.depth == FAMILY
    assert decide(LIONLIKE, TREE, Climbing(0.92), depths=range(FAMILY, SPECIES + 1)).chosen is None
    assert decide(np.eye(7, dtype=np.float32)[4], TREE, Weighing(0.5, 0.9), depths=[FAMILY]).why == (
        "rule 6: no answer, for no taxon in play has a rank that may be answered at"
    )


def test_weighing_tells_the_most_of_all_ways_to_be_right_often_enough():
    """Ten pictures of two ranks, all 3 ** 10 ways to answer them: none that expects the same share right expects to tell more."""
    random = np.random.default_rng(5)
    telling = np.array([0.4, 1.0])
    high = random.uniform(0.5, 1, 10)
    chances = np.stack([high, high * random.uniform(0.2, 1, 10)], axis=1)  # (10, 2)
    ways = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 10, indexing="ij"), axis=-1).reshape(-1, 10)  # (3 ** 10, 10)
    taken = np.take_along_axis(np.broadcast_to(np.pad(chances, ((0, 0), (0, 1))), (len(ways), 10, 3)), ways[:, :, None], axis=2)[:, :, 0]
    told, right, answers = (taken * np.pad(telling, (0, 1))[ways]).sum(1), taken.sum(1), (ways >= 0).sum(1)
    for caution in (0.2, 0.5, 0.8):
        chosen = weigh(chances, weights_of(np.broadcast_to(telling, chances.shape), caution), caution * 0.85)
        mine = np.flatnonzero((ways == chosen).all(1))[0]
        surplus = right - 0.85 * answers
        assert told[surplus >= surplus[mine] - 1e-9].max() <= told[mine] + 1e-9


def test_information_counts_leaves_and_a_tree_of_one_leaf_is_known():
    assert information(np.array([7, 1]), 7).tolist() == pytest.approx([0.0, 1.0])
    assert information(1, 1) == 1.0


def test_the_attempts_hold_the_answer_at_every_threshold():
    random = np.random.default_rng(1)
    for row in random.dirichlet(np.full(7, 0.4), 50).astype(np.float32):
        tried = [step for _, step in Row(row, TREE).attempts(range(len(TREE)))]
        for threshold in np.linspace(0, 1.05, 22):
            first = next((step for step in tried if step.probability >= threshold), None)
            assert decide(row, TREE, Climbing(threshold)).chosen == first


@pytest.mark.parametrize(
    ("kept", "rules"),
    [
        pytest.param([0, 1, 2], Climbing(0.8), id="a family is sure enough"),
        pytest.param([0, 2, 5, 6], Climbing(0.9), id="nothing is"),
        pytest.param([3, 4], AtRank(FAMILY), id="a rank that one of two lacks"),
        pytest.param([4], Climbing(0.5), id="one leaf"),
        pytest.param(list(range(7)), Climbing(0.3), id="all leaves"),
        pytest.param([0, 1, 2, 6], Weighing(0.5, 0.9), id="what a taxon tells is reckoned in the whole tree"),
    ],
)
def test_leaves_of_no_probability_may_as_well_be_left_out(kept, rules):
    probabilities = np.zeros(7, np.float32)
    probabilities[kept] = LIONLIKE[kept] / LIONLIKE[kept].sum()
    whole, part = decide(probabilities, TREE, rules), decide_among(np.array(kept), probabilities[kept], TREE, rules)
    assert (part.rule, part.chosen, part.rivals) == (whole.rule, whole.chosen, whole.rivals)
    assert part.ladder == tuple(step for step in whole.ladder if step.probability > 0)


def test_no_taxon_is_more_than_certain_though_float32_sums_to_more_than_one():
    """Seven times the float32 nearest to a seventh is 1.00000004."""
    even = np.full(7, 1 / 7, np.float32)
    assert even.sum(dtype=np.float64) > 1
    decision = decide(even, [level("kingdom", (0, 7)), *TREE[1:]])
    assert (decision.chosen.probability, decision.ladder[0].probability) == (1.0, 1.0)
