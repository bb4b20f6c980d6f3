"""One answer of several crops: the arithmetic of each method, and how far crops agree."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.bursts.fusion import (
    AVERAGE,
    EMBEDDINGS,
    METHODS,
    PROBABILITIES,
    VOTE,
    ScoreFusion,
    agreement_of,
    fuse_vectors,
    fused_answers,
    vote,
    weights_of,
)
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.question import Asked
from bioclip_search.searcher import Searcher
from tests.standards.runs import answer

HERE = Asked("burst")


@pytest.fixture(scope="module")
def searcher(small_index, encoder):
    from bioclip_search.index import Index

    return Searcher(Index(small_index), encoder)


def vectors_of(encoder, *leaves: int) -> np.ndarray:
    return encoder.encode_prepared(leaves)


def test_a_weight_is_the_confidence_times_what_the_crop_is_too_small_by():
    assert weights_of([0.5, 1.0, 0.9], [400.0, 100.0, 40_000.0], 20).tolist() == pytest.approx([0.5, 0.5, 0.9])


def test_what_is_not_known_counts_as_the_best_and_nothing_counts_as_nothing():
    assert weights_of([None, 0.0], [None, 0.0], 20).tolist() == pytest.approx([1.0, 0.001])


def test_vectors_are_averaged_by_weight_and_brought_to_length_one():
    fused = fuse_vectors(np.eye(2, dtype=np.float32), np.array([3.0, 4.0]))
    assert fused.tolist() == pytest.approx([0.6, 0.8])


def test_vectors_that_cancel_out_leave_the_one_of_most_weight():
    assert fuse_vectors(np.array([[1.0, 0], [-1, 0]], np.float32), np.array([1.0, 1.0])).tolist() == [1.0, 0.0]


def test_probabilities_are_averaged_by_weight():
    """Two leaves: crops of .8 .2 (weight 3) and .4 .6 (weight 1) give .7 .3; the best cosine is 3/4 of one and 1/4 of the other."""
    sharpness = 10.0
    rows = np.log(np.array([[0.8, 0.2], [0.4, 0.6]])) / sharpness
    fusion = ScoreFusion(sharpness)
    for row, weight in zip(rows, (3.0, 1.0), strict=True):
        fusion.add(row, weight)
    fused = fusion.scores()
    assert fused.max() == pytest.approx((3 * rows[0].max() + rows[1].max()) / 4)
    assert leaf_probabilities(fused[None].copy(), sharpness)[0].tolist() == pytest.approx([0.7, 0.3])


def test_a_leaf_that_can_be_no_answer_stays_none():
    fusion = ScoreFusion(10.0)
    for row in np.array([[0.5, -np.inf, 0.1], [0.2, -np.inf, 0.4]], np.float32):
        fusion.add(row, 1.0)
    assert fusion.scores()[1] == -np.inf
    assert np.isfinite(fusion.scores()[[0, 2]]).all()


@pytest.mark.parametrize("method", [PROBABILITIES, EMBEDDINGS, AVERAGE])
def test_one_crop_alone_is_answered_as_it_would_be_by_itself(method, searcher, encoder):
    vectors, question = vectors_of(encoder, 2), searcher.question()
    (alone,) = question.answers(vectors, [HERE])
    (fused,) = fused_answers(question, method, [(vectors, np.array([0.3]))], [HERE])
    assert (fused.taxon, fused.rank, fused.lineage) == (alone.taxon, alone.rank, alone.lineage)
    assert fused.probability == pytest.approx(alone.probability, abs=1e-5)
    assert fused.rule == f"{alone.rule}; 1 crop alone"


@pytest.mark.parametrize("method", [PROBABILITIES, EMBEDDINGS, AVERAGE])
def test_many_bursts_at_once_are_answered_as_one_by_one(method, searcher, encoder):
    question = searcher.question()
    bursts = [(vectors_of(encoder, *leaves), np.linspace(0.2, 1, len(leaves))) for leaves in [(0, 1, 1), (5,), tuple(range(8)) * 5, (3, 3)]]
    at_once = fused_answers(question, method, bursts, [HERE] * len(bursts))
    one_by_one = [fused_answers(question, method, [burst], [HERE])[0] for burst in bursts]
    assert [(one.taxon, one.rule) for one in at_once] == [(one.taxon, one.rule) for one in one_by_one]
    assert [one.probability for one in at_once] == pytest.approx([one.probability for one in one_by_one], abs=1e-5)


def test_two_species_as_probabilities_give_a_taxon_above_both(searcher, encoder):
    """Crops that are sure of a lion and of a snow leopard: half the mass each, so the genus is the lowest to reach .65."""
    (fused,) = fused_answers(
        searcher.question(), PROBABILITIES, [(vectors_of(encoder, *_leaves(searcher, "Panthera leo", "Panthera uncia")), np.ones(2))], [HERE]
    )
    assert (fused.taxon, fused.rank) == ("Panthera", "genus")
    assert fused.rule.endswith("fused over 2 crops by probabilities")


def test_weights_decide_between_two_species(searcher, encoder):
    vectors = vectors_of(encoder, *_leaves(searcher, "Panthera leo", "Turdus merula"))
    for method in (PROBABILITIES, EMBEDDINGS):
        (fused,) = fused_answers(searcher.question(), method, [(vectors, np.array([0.05, 1.0]))], [HERE])
        assert fused.taxon == "Turdus merula"


def test_the_plain_average_counts_no_weights(searcher, encoder):
    vectors, question = vectors_of(encoder, 0, 4), searcher.question()
    (heavy,) = fused_answers(question, AVERAGE, [(vectors, np.array([1.0, 0.01]))], [HERE])
    (even,) = fused_answers(question, EMBEDDINGS, [(vectors, np.ones(2))], [HERE])
    assert (heavy.taxon, heavy.probability) == (even.taxon, even.probability)


def test_filters_hold_for_the_fused_answer(searcher, encoder):
    vectors, question = vectors_of(encoder, *_leaves(searcher, "Panthera leo", "Turdus merula")), searcher.question(within="Aves")
    for method in (PROBABILITIES, EMBEDDINGS, AVERAGE):
        (fused,) = fused_answers(question, method, [(vectors, np.ones(2))], [HERE])
        assert fused.lineage["class"] == "Aves"


def test_no_burst_gives_no_answer(searcher):
    assert [fused_answers(searcher.question(), method, [], []) for method in METHODS if method != VOTE] == [[], [], []]


def test_a_vote_takes_the_lowest_taxon_with_more_than_half_of_the_voices():
    lion, leopard, fox = answer("Panthera leo"), answer("Panthera uncia"), answer("Vulpes vulpes")
    assert vote([lion, lion, fox], HERE).taxon == "Panthera leo"
    voted = vote([lion, lion, leopard, fox], HERE)  # lion 2 of 4, Panthera 3 of 4
    assert (voted.taxon, voted.rank, list(voted.lineage)) == ("Panthera", "genus", ["kingdom", "phylum", "class", "order", "family", "genus"])
    assert voted.rule == "genus, for 3 of 4 voices are for it; fused over 4 crops by vote"


def test_the_probability_of_a_vote_is_the_mean_of_those_for_it():
    voted = vote([answer(probability=0.9), answer(probability=0.7), answer("Vulpes vulpes", probability=0.99)], HERE)
    assert (voted.taxon, voted.probability) == ("Panthera leo", pytest.approx(0.8))


def test_a_vote_without_a_majority_names_nothing():
    voted = vote([answer("Panthera leo"), answer(rank=None)], HERE)
    assert (voted.taxon, voted.rank, voted.lineage) == (None, None, {})
    assert vote([], HERE) is None


@pytest.mark.parametrize(
    ("fused", "crops", "share"),
    [
        pytest.param(answer(), [answer(), answer()], 1.0, id="all alike"),
        pytest.param(answer(), [answer(rank="genus"), answer(rank="class")], 1.0, id="ancestors"),
        pytest.param(answer(rank="genus"), [answer(), answer("Panthera uncia"), answer(rank="genus")], 2 / 3, id="two species below it"),
        pytest.param(answer("Vulpes vulpes"), [answer(), answer()], 0.0, id="none of them"),
        pytest.param(answer(), [answer(), answer(rank=None)], 1.0, id="silence does not count"),
        pytest.param(answer(rank=None), [answer(), answer("Vulpes vulpes")], 0.5, id="no answer of the burst"),
        pytest.param(answer(), [answer(rank=None)], None, id="only silence"),
    ],
)
def test_agreement_is_the_longest_line_through_the_answer(fused, crops, share):
    assert agreement_of(fused, crops) == (None if share is None else pytest.approx(share))


def _leaves(searcher: Searcher, *species: str) -> list[int]:
    return [searcher.names.the_one(name).start for name in species]
