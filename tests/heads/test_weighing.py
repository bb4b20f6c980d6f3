"""How far a head is believed is what pictures that did not teach it show, against brute force over a grid."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.heads.atoms import atoms_of, joined
from bioclip_search.heads.blending import lifts
from bioclip_search.heads.reach import Reach
from bioclip_search.heads.weighing import SHRINKAGE, Weighed, standard_error, weigh_head

SCALE = 20.0


def world(n: int = 400, leaves: int = 30, k: int = 6, head: float = 2.0, text: float = 0.05, seed: int = 0):
    """Cosines that point a little to the right leaf, and a head that does so by `head` in logits; classes are leaves 0, 5, 10, …"""
    random = np.random.default_rng(seed)
    of = random.integers(0, k, n)
    intervals = np.stack([np.arange(k) * 5, np.arange(k) * 5 + 1], axis=1)
    cosines = (0.1 * random.normal(size=(n, leaves))).astype(np.float32)
    cosines[np.arange(n), intervals[of, 0]] += text
    logits = random.normal(size=(n, k))
    logits[np.arange(n), of] += head
    return cosines, of, Reach(intervals), log_softmax(logits)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def strangers_of(scores: np.ndarray, of: np.ndarray) -> np.ndarray:
    """What is left where each picture's own class was not taught."""
    told = scores.copy()
    told[np.arange(len(of)), of] = np.nan
    return told - np.log(np.nansum(np.exp(told), axis=1, keepdims=True))


def plain_losses(cosines, scores, of, reach, numbers) -> np.ndarray:
    """Rule 1 of `blending` by a loop over pictures, with 1/T, w/T and b/T."""
    losses = []
    for row, told, c in zip(cosines.astype(np.float64), scores, of, strict=True):
        logits = numbers[0] * SCALE * row
        for number, (start, stop) in enumerate(reach.intervals.tolist()):
            if not np.isnan(told[number]):
                logits[start:stop] += numbers[1] * (told[number] + np.log(np.isfinite(told).sum())) + numbers[2]
        mass = np.exp(logits)
        start, stop = reach.intervals[c].tolist()
        losses.append(-np.log(mass[start:stop].sum() / mass.sum()))
    return np.array(losses)


def test_atoms_tell_the_loss_as_all_leaves_do():
    cosines, of, reach, scores = world(50)
    scores[3] = strangers_of(scores, of)[3]
    found = atoms_of(cosines, reach.of(lifts(scores)), reach.leaves, reach.intervals[of], SCALE)
    for numbers in ([1.0, 0.0, 0.0], [0.5, 0.8, 1.0], [2.0, 1.5, -1.0]):
        assert found.losses(np.array(numbers)) == pytest.approx(plain_losses(cosines, scores, of, reach, numbers), abs=2e-3)


def test_atoms_of_a_class_of_many_leaves_are_bins_and_tell_the_same():
    random = np.random.default_rng(1)
    cosines, reach = (0.2 * random.normal(size=(4, 9000))).astype(np.float32), Reach(np.array([[0, 4000], [4000, 8000]]))
    scores, of = np.log([[0.7, 0.3]] * 4), np.array([0, 1, 0, 1])
    found = atoms_of(cosines, reach.of(lifts(scores)), reach.leaves, reach.intervals[of], SCALE)
    assert len(found.counts) < 4 * 1200
    assert found.losses(np.array([1.0, 0.7, 0.5])) == pytest.approx(plain_losses(cosines, scores, of, reach, [1.0, 0.7, 0.5]), abs=2e-3)


def test_a_picture_whose_class_has_no_vector_has_no_atoms():
    cosines = np.array([[0.1, -np.inf], [0.1, -np.inf]], np.float32)
    found = atoms_of(cosines, np.zeros((2, 0)), np.empty(0, np.int64), np.array([[1, 2], [0, 1]]), SCALE)
    assert found.pictures.tolist() == [False, True]
    assert len(found) == 1
    assert len(joined([])) == 0


def test_the_slope_is_that_of_the_loss():
    """By differences of the weighted loss at numbers a ten-thousandth apart."""
    cosines, of, reach, scores = world(30)
    found, weights, at = (
        atoms_of(cosines, reach.of(lifts(scores)), reach.leaves, reach.intervals[of], SCALE),
        np.random.default_rng(2).random(30),
        np.array([0.8, 0.5, 0.2]),
    )
    slope, bend = found.slopes(at, weights)
    for number in range(3):
        step = 1e-4 * np.eye(3)[number]
        assert slope[number] == pytest.approx((weights @ found.losses(at + step) - weights @ found.losses(at - step)) / 2e-4, rel=1e-4, abs=1e-6)
        rise = (found.slopes(at + step, weights)[0] - found.slopes(at - step, weights)[0]) / 2e-4
        assert bend[number] == pytest.approx(rise, rel=1e-3, abs=1e-5)  # one leaf a class: the loss is convex and the bend is all of it


@pytest.mark.parametrize("keeps_temperature", [True, False])
def test_the_best_weights_are_those_of_a_grid(keeps_temperature):
    cosines, of, reach, scores = world(150)
    strangers = strangers_of(scores, of)
    asked = {"stranger_scores": strangers, "strangers": 0.3, "keeps_temperature": keeps_temperature}
    found = weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE, **asked).best

    def value(weight: float, bias: float, per: float) -> float:
        numbers = np.array([per, weight * per, bias * per])
        pull = SHRINKAGE / 300 @ (numbers - [1, 0, 0]) ** 2
        return 0.7 * plain_losses(cosines, scores, of, reach, numbers).mean() + 0.3 * plain_losses(cosines, strangers, of, reach, numbers).mean() + pull

    here = value(found.weight, found.bias, 1 / found.temperature)
    temperatures = (0,) if keeps_temperature else (-0.03, 0, 0.03)
    around = [(dw, db, dt) for dw in (-0.05, 0, 0.05) for db in (-0.1, 0, 0.1) for dt in temperatures if (dw, db, dt) != (0, 0, 0)]
    assert all(value(found.weight + dw, found.bias + db, 1 / found.temperature + dt) > here for dw, db, dt in around)
    coarse = [
        (value(w, b, p), w, b, p)
        for w in (0.0, 0.5, 1.0, 2.0, 4.0)
        for b in (-2.0, 0.0, 2.0, 4.0)
        for p in ((1.0,) if keeps_temperature else (0.25, 0.5, 1.0, 2.0))
    ]
    assert here <= min(coarse)[0]


def test_the_temperature_stays_as_it_was_unless_it_may_move():
    cosines, of, reach, scores = world()
    stays, moves = (
        weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE, stranger_scores=strangers_of(scores, of), temperature=1.5, keeps_temperature=keeps)
        for keeps in (True, False)
    )
    assert (stays.blend.temperature, stays.best.temperature) == (1.5, 1.5)
    assert moves.best.temperature != 1.5
    assert moves.least_loss <= stays.least_loss


def test_a_head_that_knows_more_than_the_text_is_believed_and_one_that_guesses_is_not():
    def weighed(head: float) -> Weighed:
        cosines, of, reach, scores = world(head=head)
        return weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE, stranger_scores=strangers_of(scores, of))

    assert weighed(3.0).blend.weight > 0.3
    assert weighed(3.0).loss < weighed(3.0).loss_of_text - 0.5
    assert weighed(0.0).blend.weight == 0
    assert weighed(0.0).blend.bias == 0


def test_a_head_that_misleads_is_not_heard_and_the_text_stays_as_it_was():
    cosines, of, reach, scores = world(head=-3.0, text=0.3)
    found = weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE, temperature=1.7)
    assert (found.blend.weight, found.blend.bias, found.blend.temperature) == (0.0, 0.0, 1.7)
    assert found.loss == found.loss_of_text == found.least_loss


def test_the_smallest_weight_within_one_standard_error_is_taken():
    cosines, of, reach, scores = world(60, head=1.0)
    found = weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE, stranger_scores=strangers_of(scores, of))
    assert found.blend.weight < found.best.weight
    assert found.least_loss <= found.loss


def test_few_groups_leave_more_to_the_text_than_as_many_pictures_apart():
    cosines, of, reach, scores = world(80, head=1.0)
    apart = weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE)
    together = weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE, groups=np.arange(80) // 20)
    assert together.best == apart.best
    assert together.blend.weight != apart.blend.weight


def test_without_strangers_no_taxon_is_likelier_for_having_been_taught():
    cosines, of, reach, scores = world()
    assert weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE).blend.bias == 0


def test_more_strangers_make_taught_taxa_less_likely():
    cosines, of, reach, scores = world(text=0.3)
    few, many = (
        weigh_head(lambda rows: cosines[rows], scores, of, reach, SCALE, stranger_scores=strangers_of(scores, of), strangers=share).best
        for share in (0.05, 0.5)
    )
    assert few.bias > many.bias


def test_a_standard_error_of_pictures_in_groups_is_that_of_the_groups():
    """Two groups with the sums 1 and 3 of a mean of 1 (four pictures): deviations -.25 and .25, times 2 / 1: sqrt(.25) = .5."""
    values, weights = np.array([0.5, 0.5, 1.5, 1.5]), np.full(4, 0.25)
    assert standard_error(values, weights, np.array([0, 0, 1, 1])) == pytest.approx(0.5)
    assert standard_error(values, weights, np.zeros(4)) == 0


def test_nothing_kept_back_is_refused():
    cosines, of, reach, scores = world(10)
    with pytest.raises(TableError, match="No picture can be kept back"):
        weigh_head(lambda rows: cosines[rows], np.full_like(scores, np.nan), of, reach, SCALE)
