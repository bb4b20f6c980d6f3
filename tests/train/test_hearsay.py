import numpy as np

from bioclip_search.train.hearsay import _best_length, _shifts


def test_the_shift_between_two_classes_is_the_way_from_mean_to_mean():
    """Spread S = diag(1, 4); means (0, 0), (2, 0) and (0, 8): weights S⁻¹ m = (0, 0), (2, 0) and (0, 2)."""
    seen = np.random.default_rng(0).normal(0, (1, 2), (200_000, 2)).astype(np.float32)
    shifts = _shifts(seen, seen, np.array([[0, 0], [2, 0], [0, 2]], np.float32))
    assert np.allclose(shifts[1] - shifts[0], (2, 0), atol=0.05)
    assert np.allclose(shifts[2] - shifts[0], (0, 8), atol=0.1)


def test_features_that_go_along_with_the_teachers_move_too():
    """The second feature is always three times the teacher's, so it moves three times as far."""
    own = np.random.default_rng(0).normal(0, 1, (50_000, 1)).astype(np.float32)
    shifts = _shifts(np.concatenate([own, 3 * own], axis=1), own, np.array([[0], [1]], np.float32))
    assert np.allclose(shifts[1] - shifts[0], (1, 3), atol=0.05)


def test_the_length_is_the_slope_of_what_is_seen_on_what_is_expected():
    """Pictures of class 1 lie at (4, 2) where (2, 1) is expected: (4·2 + 2·1) / (2² + 1²) = 2; the picture of no known class counts for nothing."""
    actual, shifts = np.array([[4.0, 2.0], [9.0, 9.0]]), np.array([[0.0, 0.0], [2.0, 1.0]])
    assert _best_length(actual, shifts, np.array([1, -1])) == 2.0
    assert _best_length(actual, shifts, np.array([-1, -1])) == 1.0
