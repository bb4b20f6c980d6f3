"""What heads say of pictures left out, beside heads that were taught without them."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.heads import left_out
from bioclip_search.heads.head import centred
from tests.heads.test_fitting import clouds

ALONE, IN_PAIRS, ONE_LARGE = np.arange(20), np.arange(20) // 2, np.minimum(np.arange(20), 7)
"""The groups of twenty pictures: each for itself, two by two, and thirteen together, more than there are numbers in a vector."""


@pytest.mark.parametrize("groups", [ALONE, IN_PAIRS, ONE_LARGE])
def test_scores_of_prototypes_are_those_of_a_plain_loop(groups):
    vectors, of = clouds(20, spread=1.0)
    weights = np.random.default_rng(1).uniform(0.5, 2, 20)
    moved = centred(vectors, np.average(vectors, axis=0, weights=weights), to_length_one=True)
    sums = np.stack([(moved * weights[:, None])[of == c].sum(axis=0) for c in range(3)])
    found = left_out.of_prototypes(moved, of, weights, sums, np.bincount(of, weights), groups)
    for i in range(20):
        stays = (groups != groups[i]) | (of != of[i])
        centres = np.stack([np.average(moved[stays & (of == c)], axis=0, weights=weights[stays & (of == c)]) for c in range(3)])
        assert found[i] == pytest.approx(moved[i] @ centres.T - (centres**2).sum(axis=1) / 2)


def test_a_group_alone_in_its_class_cannot_be_left_out():
    vectors, _ = clouds(6, k=3)
    of = groups = np.arange(6) // 2
    moved = centred(vectors, vectors.mean(axis=0), to_length_one=True)
    found = left_out.of_prototypes(moved, of, np.ones(6), moved.reshape(3, 2, -1).sum(axis=1), np.full(3, 2.0), groups)
    assert np.isnan(found[np.arange(6), of]).all()


@pytest.mark.parametrize("groups", [ALONE, IN_PAIRS, ONE_LARGE])
def test_ridge_foretells_a_picture_as_if_it_were_taught_without_its_group(groups):
    """The closed form against regressions, each of which leaves a group out and finds its own means."""
    vectors, of = clouds(20, d=5, spread=1.0)
    weights, targets = np.random.default_rng(1).uniform(0.5, 2, 20), np.eye(3)[of]
    found = ridge_left_out(vectors, targets, weights, groups, penalty=0.7)
    for i in range(20):
        rest = groups != groups[i]
        x0, y0 = np.average(vectors[rest], axis=0, weights=weights[rest]), np.average(targets[rest], axis=0, weights=weights[rest])
        x, y = (vectors[rest] - x0), targets[rest] - y0
        slope = np.linalg.solve(x.T @ (weights[rest, None] * x) + 0.7 * np.eye(5), x.T @ (weights[rest, None] * y))
        assert found[i] == pytest.approx((vectors[i] - x0) @ slope + y0, abs=1e-6)


def test_ridge_of_one_group_alone_is_no_division_by_nought():
    vectors, of = clouds(20, d=5)
    assert np.isfinite(ridge_left_out(vectors, np.eye(3)[of], np.ones(20), np.zeros(20, int), penalty=0.7)).all()


def ridge_left_out(vectors: np.ndarray, targets: np.ndarray, weights: np.ndarray, groups: np.ndarray, penalty: float) -> np.ndarray:
    mean, base = np.average(vectors, axis=0, weights=weights), np.average(targets, axis=0, weights=weights)
    moved = (vectors - mean) * np.sqrt(weights)[:, None]
    spread, axes = np.linalg.eigh(moved.T @ moved)
    toward = (moved @ axes).T @ ((targets - base) * np.sqrt(weights)[:, None])
    return left_out.of_ridge(moved @ axes, toward, spread + penalty, targets, base, weights, groups)
