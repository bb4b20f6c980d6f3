"""Heads are taught as their methods say, each beside a plain loop or a figure worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.evaluation.few_shot import simple_shot
from bioclip_search.heads.fitting import FITTING, balanced_weights, fit_head, held_back
from bioclip_search.heads.gate import log_let_through, nearness
from bioclip_search.heads.head import HEADS
from bioclip_search.heads.scaling import SCALE_OF_ONE, SCALES, fit_scale


def clouds(n: int = 60, k: int = 3, d: int = 8, seed: int = 0, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around k directions, and the class of each."""
    random = np.random.default_rng(seed)
    of = np.arange(n) % k
    vectors = np.eye(k, d)[of] + spread * random.normal(size=(n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_tells_pictures_that_did_not_teach_it(kind):
    """Three clouds of which a nearest-mean rule finds nearly all: chance would be a third."""
    vectors, of = clouds(150)
    head = fit_head(kind, vectors[:90], of[:90], 3)
    scores = head.scores(vectors[90:])
    assert scores.shape == (60, 3)
    assert scores.dtype == np.float64
    assert np.exp(scores).sum(axis=1) == pytest.approx(np.exp(log_let_through(nearness(vectors[90:], head.arrays["centres"]), head.arrays["gate"])))
    assert np.mean(scores.argmax(axis=1) == of[90:]) > 0.8
    assert np.mean(scores[np.arange(60), of[90:]]) > -0.7  # guessing would give -1.1, and less beside the gate


@pytest.mark.parametrize("kind", HEADS)
def test_the_same_pictures_and_seed_teach_the_same_head(kind):
    vectors, of = clouds()
    assert fit_head(kind, vectors, of, 3, seed=7).fingerprint == fit_head(kind, vectors, of, 3, seed=7).fingerprint


@pytest.mark.parametrize("kind", HEADS)
def test_two_classes_and_a_class_of_one_picture_can_be_taught(kind):
    vectors, _ = clouds(8, k=2)
    scores = fit_head(kind, vectors[:5], np.array([0, 0, 0, 0, 1]), 2).scores(vectors)
    assert scores.shape == (8, 2)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("kind", HEADS)
def test_weights_move_the_head_towards_the_heavier_class(kind):
    vectors, of = clouds(90, spread=1.0)
    light = fit_head(kind, vectors, of, 3).scores(vectors)[:, 0].mean()
    heavy = fit_head(kind, vectors, of, 3, weights=np.where(of == 0, 20.0, 1.0)).scores(vectors)[:, 0].mean()
    if kind == "prototypes":  # a mean of one class knows nothing of the number of its pictures but by the mean of all
        assert heavy != light
    else:
        assert heavy > light + 0.1


def test_prototypes_choose_as_simple_shot_does():
    vectors, of = clouds(90, spread=1.0)
    head = fit_head("prototypes", vectors[:45], of[:45], 3)
    assert head.logits(vectors[45:]).argmax(axis=1).tolist() == simple_shot(vectors[:45], of[:45], vectors[45:]).tolist()


def test_where_no_class_has_two_pictures_the_scale_is_the_usual_one():
    vectors, _ = clouds(3, k=3)
    assert fit_head("prototypes", vectors, np.arange(3), 3).about["scale"] == SCALE_OF_ONE


@pytest.mark.parametrize("kind", ["prototypes", "ridge"])
def test_a_picture_taught_twice_is_left_out_with_its_double(kind):
    """Else its double foretells it, and the head believes itself too much."""
    vectors, of = clouds(30, d=64)
    once, doubled = (vectors, of), (np.tile(vectors, (2, 1)), np.tile(of, 2))
    alone = fit_head(kind, *once, 3).about
    assert fit_head(kind, *doubled, 3, groups=np.tile(np.arange(30), 2)).about["scale"] == pytest.approx(alone["scale"], rel=0.2)
    assert fit_head(kind, *doubled, 3).about["scale"] > 1.3 * alone["scale"]


def test_pictures_of_a_group_choose_the_strength_together():
    groups = np.repeat(np.arange(40), 3)
    held = held_back(groups, seed=0)
    assert held.sum() == 30
    assert (held.reshape(40, 3).all(axis=1) | ~held.reshape(40, 3).any(axis=1)).all()


def test_the_scale_is_the_one_of_the_grid_with_the_least_loss():
    """A picture of three is wrong: at scale s the loss is 2 log(1 + e**-s) + log(1 + e**s), least where 1 / (1 + e**-s) = 2 / 3, at log 2 = .69."""
    scores, of = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [np.nan, 0.0]]), np.array([0, 0, 1, 0])
    found, loss = fit_scale(scores, of, np.ones(4))
    assert loss == pytest.approx((2 * np.log1p(np.exp(-found)) + np.log1p(np.exp(found))) / 3)
    assert found == min(SCALES, key=lambda s: 2 * np.log1p(np.exp(-s)) + np.log1p(np.exp(s)))
    assert found == pytest.approx(np.log(2), rel=0.1)


def test_balanced_weights_let_all_classes_count_alike():
    of = np.array([0, 0, 0, 1, 2, 2])
    weights = balanced_weights(of, 3)
    assert np.bincount(of, weights) == pytest.approx([2, 2, 2])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"k": 1}, "two or more, not 1", id="one class"),
        pytest.param({"k": 4}, "1 of 4 classes have no picture \\(the first is number 3\\)", id="an empty class"),
        pytest.param({"of": np.full(60, 7)}, "numbered from 0 to 2; 7 to 7", id="a class too high"),
        pytest.param({"of": np.zeros(3, int)}, "\\(3,\\)", id="too few classes given"),
        pytest.param({"vectors": np.full((60, 8), np.nan)}, "no finite number", id="NaN"),
        pytest.param({"weights": np.zeros(60)}, "not above 0", id="weights of nought"),
        pytest.param({"kind": "tree"}, "logistic, prototypes, ridge, mlp", id="an unknown kind"),
    ],
)
def test_what_cannot_teach_is_refused(changes, told):
    vectors, of = clouds()
    asked = {"kind": "prototypes", "vectors": vectors, "of": of, "k": 3} | changes
    with pytest.raises(TableError, match=told), np.errstate(all="ignore"):
        fit_head(asked.pop("kind"), asked.pop("vectors"), asked.pop("of"), asked.pop("k"), **asked)


def test_every_kind_can_be_taught():
    assert tuple(FITTING) == HEADS
