"""Heads are taught as their methods say, each beside a plain loop or a figure worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.evaluation.few_shot import simple_shot
from bioclip_search.heads.fitting import FITTING, _left_out_of_prototypes, _left_out_of_ridge, balanced_weights, fit_head
from bioclip_search.heads.gate import log_let_through, nearness
from bioclip_search.heads.head import HEADS, centred
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


def test_scores_of_prototypes_left_out_are_those_of_a_plain_loop():
    vectors, of = clouds(20, spread=1.0)
    weights = np.random.default_rng(1).uniform(0.5, 2, 20)
    moved = centred(vectors, np.average(vectors, axis=0, weights=weights), to_length_one=True)
    sums = np.stack([(moved * weights[:, None])[of == c].sum(axis=0) for c in range(3)])
    found = _left_out_of_prototypes(moved, of, weights, sums, np.bincount(of, weights))
    for i in range(20):
        rest = np.arange(20) != i
        centres = np.stack([np.average(moved[rest & (of == c)], axis=0, weights=weights[rest & (of == c)]) for c in range(3)])
        assert found[i] == pytest.approx(moved[i] @ centres.T - (centres**2).sum(axis=1) / 2)


def test_a_picture_alone_in_its_class_cannot_be_left_out():
    vectors, _ = clouds(3, k=3)
    moved = centred(vectors, vectors.mean(axis=0), to_length_one=True)
    found = _left_out_of_prototypes(moved, np.arange(3), np.ones(3), moved, np.ones(3))
    assert np.isnan(found[np.arange(3), np.arange(3)]).all()
    assert fit_head("prototypes", vectors, np.arange(3), 3).about["scale"] == SCALE_OF_ONE


def test_ridge_foretells_a_picture_left_out_as_if_it_were_taught_without_it():
    """The closed form against twenty regressions, each of which leaves one picture out and finds its own means."""
    vectors, of = clouds(20, d=5, spread=1.0)
    weights, targets = np.random.default_rng(1).uniform(0.5, 2, 20), np.eye(3)[of]
    mean, base, penalty = np.average(vectors, axis=0, weights=weights), np.average(targets, axis=0, weights=weights), 0.7
    moved = (vectors - mean) * np.sqrt(weights)[:, None]
    spread, axes = np.linalg.eigh(moved.T @ moved)
    toward = (moved @ axes).T @ ((targets - base) * np.sqrt(weights)[:, None])
    found = _left_out_of_ridge(moved @ axes, toward, spread + penalty, targets, base, weights)
    for i in range(20):
        rest = np.arange(20) != i
        x0, y0 = np.average(vectors[rest], axis=0, weights=weights[rest]), np.average(targets[rest], axis=0, weights=weights[rest])
        x, y = (vectors[rest] - x0), targets[rest] - y0
        slope = np.linalg.solve(x.T @ (weights[rest, None] * x) + penalty * np.eye(5), x.T @ (weights[rest, None] * y))
        assert found[i] == pytest.approx((vectors[i] - x0) @ slope + y0, abs=1e-9)


def test_the_scale_is_the_one_of_the_grid_with_the_least_loss():
    """A picture of three is wrong: at scale s the loss is 2 log(1 + e**-s) + log(1 + e**s), least where 1 / (1 + e**-s) = 2 / 3, at log 2 = .69."""
    scores, of = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [np.nan, 0.0]]), np.array([0, 0, 1, 0])
    found = fit_scale(scores, of, np.ones(4))
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
