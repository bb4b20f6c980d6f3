from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.evaluation.reliability import calibration_error, expected_calibration_error, reliability


def test_the_bins_of_a_diagram_worked_by_hand():
    """Fifths: .1 and .2 fall into the first (an edge belongs to the bin below it), .5 into the third, .9 and 1 into the last."""
    found = reliability(np.array([0.1, 0.2, 0.5, 0.9, 1.0]), np.array([False, True, True, True, True]), bins=5)
    assert found.pictures.tolist() == [2, 0, 1, 0, 2]
    assert found.stated[[0, 2, 4]].tolist() == pytest.approx([0.15, 0.5, 0.95])
    assert found.right[[0, 2, 4]].tolist() == [0.5, 1, 1]
    assert np.isnan(found.right[[1, 3]]).all()


def test_calibration_error_is_zero_where_the_share_right_is_the_probability():
    assert expected_calibration_error(np.array([0.75] * 4), np.array([True, True, True, False])) == pytest.approx(0)
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == pytest.approx(0)


def test_calibration_error_equals_a_slow_loop_over_the_bins_for_any_draw():
    random = np.random.default_rng(0)
    probability, is_right, weights = random.random(500), random.random(500) < 0.6, random.integers(0, 3, (3, 500)).astype(float)
    for row, found in zip(weights, calibration_error(probability, is_right)(weights), strict=True):
        slow = 0.0
        for bin in range(15):
            inside = [i for i, p in enumerate(probability) if bin / 15 < p <= (bin + 1) / 15]
            slow += abs(sum(row[i] * (probability[i] - is_right[i]) for i in inside)) / row.sum()
        assert found == pytest.approx(slow)


def test_errors_within_a_bin_cancel():
    assert expected_calibration_error(np.array([0.5, 0.5]), np.array([True, False])) == pytest.approx(0)


def test_probabilities_that_are_nan_are_refused():
    with pytest.raises(ValueError, match="hold NaN"):
        reliability(np.array([0.5, np.nan]), np.array([True, False]))
