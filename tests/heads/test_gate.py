"""A head lets pictures through that lie as near to what it was taught as the taught ones lie to each other."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.heads.fitting import balanced_weights, fit_head
from bioclip_search.heads.gate import BLOCK_COSINES, LEAST_PICTURES, LEAST_SPREAD, fit_gate, log_let_through, nearness
from bioclip_search.heads.head import HEADS
from tests.heads.test_fitting import clouds


def pairs(cosines) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures a class with these cosines, every class in a plane of its own, and the class of each."""
    vectors = np.zeros((2 * len(cosines), 2 * len(cosines)), np.float32)
    for number, cosine in enumerate(cosines):
        vectors[2 * number, 2 * number] = 1.0
        vectors[2 * number + 1, 2 * number : 2 * number + 2] = cosine, np.sqrt(1 - cosine**2)
    return vectors, np.repeat(np.arange(len(cosines)), 2)


def test_the_middle_lies_two_standard_deviations_under_the_mean_nearness_of_pictures_left_out():
    """Left out of its class a picture is as near as its only fellow: six times .6, four times .8. Their mean is .68, their standard deviation
    √(.6 · .08² + .4 · .12²) = .09798; so the middle is .68 - .19596 = .48404 and the slope π / √3 / .09798 = 18.512."""
    vectors, of = pairs([0.6, 0.6, 0.6, 0.8, 0.8])
    found = fit_gate(vectors, of, 5, np.ones(10), np.arange(10))
    assert found["gate"] == pytest.approx([18.512, 0.48404], abs=1e-3)


def test_centres_are_the_means_of_the_classes_brought_to_length_one():
    """Of (1, 0) and (.6, .8) the mean is (.8, .4), so (.8944, .4472)."""
    vectors, of = pairs([0.6] * 5)
    centres = fit_gate(vectors, of, 5, np.ones(10), np.arange(10))["centres"]
    assert centres[0] == pytest.approx([0.8944, 0.4472, 0, 0, 0, 0, 0, 0, 0, 0], abs=1e-4)
    assert nearness(np.eye(1, 10, dtype=np.float32), centres) == pytest.approx([0.8944], abs=1e-4)


@pytest.mark.parametrize("block_cosines", [BLOCK_COSINES, 7], ids=["one block", "blocks of two pictures"])
def test_it_is_that_of_a_plain_loop(block_cosines):
    vectors, of = clouds(60, k=3)
    weights, groups = np.random.default_rng(1).uniform(0.5, 2, 60), np.arange(60) // 6  # two of every class in a group
    near = []
    for number in range(60):
        others = (groups != groups[number]) | (of != of[number])
        means = [np.average(vectors[others & (of == one)], axis=0, weights=weights[others & (of == one)]) for one in range(3)]
        near.append(max(vectors[number] @ mean / np.linalg.norm(mean) for mean in means))
    mean = np.average(near, weights=weights)
    spread = np.sqrt(np.average((near - mean) ** 2, weights=weights))
    assert fit_gate(vectors, of, 3, weights, groups, block_cosines=block_cosines)["gate"] == pytest.approx([np.pi / np.sqrt(3) / spread, mean - 2 * spread])


def test_a_mirror_image_in_the_group_of_its_picture_brings_nothing_nearer():
    vectors, of = clouds(60, k=3)
    once = fit_gate(vectors, of, 3, np.ones(60), np.arange(60))
    twice = fit_gate(np.tile(vectors, (2, 1)), np.tile(of, 2), 3, np.ones(120), np.tile(np.arange(60), 2))
    for name in once:
        assert twice[name] == pytest.approx(once[name])


@pytest.mark.parametrize(
    ("vectors", "of", "groups"),
    [
        pytest.param(np.eye(20, dtype=np.float32), np.arange(20), None, id="one picture a class"),
        pytest.param(*pairs([0.6] * 12), np.repeat(np.arange(12), 2), id="one burst a class"),
        pytest.param(*pairs([0.6] * (LEAST_PICTURES // 2 - 1)), None, id="eight that can be left out"),
        pytest.param(np.repeat(np.eye(2, dtype=np.float32), 30, axis=0), np.repeat([0, 1], 30), np.arange(60) // 10, id="six bursts of ten"),
    ],
)
def test_where_too_few_can_be_left_out_there_is_no_gate(vectors, of, groups):
    assert fit_gate(vectors, of, int(of.max()) + 1, np.ones(len(of)), groups) == {}


def test_a_head_of_one_picture_a_class_has_no_gate():
    head = fit_head("prototypes", np.eye(12, dtype=np.float32), np.arange(12), 12)
    assert set(head.arrays) == {"mean", "weight", "bias"}
    assert np.exp(head.scores(-np.eye(12, dtype=np.float32))).sum(axis=1) == pytest.approx(np.ones(12))


def test_pictures_all_alike_do_not_shut_the_gate_to_the_next_ones():
    """Nearness 1 for all, without a spread: `LEAST_SPREAD` stands for it, so the middle is 1 - 2 · .02 = .96."""
    vectors = np.repeat(np.eye(2, dtype=np.float32), 6, axis=0)
    found = fit_gate(vectors, np.repeat([0, 1], 6), 2, np.ones(12), np.arange(12))
    assert found["gate"] == pytest.approx([np.pi / np.sqrt(3) / LEAST_SPREAD, 0.96])


def test_a_rare_class_counts_as_much_as_a_common_one_where_classes_are_balanced():
    """Thirty pictures all alike, and two pairs with a cosine of 0: unweighted the rare ones are 4 of 34, balanced two thirds of all."""
    rare, of_rare = pairs([0.0, 0.0])
    vectors = np.concatenate([np.pad(rare, ((0, 0), (0, 1))), np.repeat(np.eye(1, 5, 4, dtype=np.float32), 30, axis=0)])
    of = np.concatenate([of_rare, np.full(30, 2)])
    middles = [fit_gate(vectors, of, 3, weights, np.arange(34))["gate"][1] for weights in (np.ones(34), balanced_weights(of, 3))]
    means, spreads = [30 / 34, 1 / 3], [np.sqrt(30 * 4) / 34, np.sqrt(2) / 3]
    assert middles == pytest.approx([mean - 2 * spread for mean, spread in zip(means, spreads, strict=True)], abs=1e-6)


def test_the_gate_is_half_open_in_the_middle_and_nearly_open_where_most_taught_pictures_lie():
    """Two standard deviations above the middle: 1 / (1 + e**-(2π / √3)) = .9741."""
    gate = np.array([np.pi / np.sqrt(3) / 0.1, 0.5])
    assert np.exp(log_let_through(np.array([0.5, 0.7]), gate)) == pytest.approx([0.5, 0.9741], abs=1e-4)
    assert np.isfinite(log_let_through(np.array([-1.0, 1.0]), np.array([1e6, 0.0]))).all()


@pytest.mark.parametrize("kind", HEADS)
def test_every_kind_of_head_says_little_of_what_was_never_taught(kind):
    """Three clouds are taught, a fourth is asked about: by each kind a taught picture is let through and one of the fourth is not."""
    vectors, of = clouds(200, k=4, spread=0.2)
    is_taught = (of < 3) & (np.arange(200) < 150)
    head = fit_head(kind, vectors[is_taught], of[is_taught], 3)
    through = np.exp(head.scores(vectors[150:])).sum(axis=1)
    assert through[of[150:] < 3].mean() > 0.8
    assert through[of[150:] == 3].mean() < 0.1
