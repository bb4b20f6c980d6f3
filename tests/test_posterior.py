from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.posterior import leaf_probabilities, prefix_mass, roll_up


def test_probabilities_are_the_softmax_of_scaled_cosines():
    # exp(10 * .3) : exp(10 * .1) : exp(10 * 0) = 20.09 : 2.72 : 1 → .844 .114 .042
    scores = np.array([[0.3, 0.1, 0.0]], np.float32)
    assert np.allclose(leaf_probabilities(scores, 10.0), [[0.844, 0.114, 0.042]], atol=5e-4)


def test_a_higher_temperature_flattens():
    hot, cold = (leaf_probabilities(np.array([[0.3, 0.1]], np.float32), 10.0, temperature) for temperature in (5.0, 0.5))
    assert 0.5 < hot[0, 0] < 0.7 < 0.95 < cold[0, 0]


def test_leaves_left_out_get_nothing():
    assert np.allclose(leaf_probabilities(np.array([[0.5, -np.inf, 0.5]], np.float32), 100.0), [[0.5, 0, 0.5]])


def test_extreme_scales_neither_overflow_nor_lose_the_sum():
    probabilities = leaf_probabilities(np.array([[1.0, -1.0, 0.999]], np.float32), 1e6)
    assert np.isfinite(probabilities).all()
    assert probabilities.sum() == pytest.approx(1)


def test_nan_scores_and_empty_rows_are_errors():
    with pytest.raises(ValueError, match="NaN"):
        leaf_probabilities(np.array([[0.1, np.nan]], np.float32), 1.0)
    with pytest.raises(ValueError, match="Every taxon is left out"):
        leaf_probabilities(np.full((1, 3), -np.inf, np.float32), 1.0)


def test_roll_up_is_a_difference_of_prefix_sums():
    # Leaves .5 .2 .2 .1 have the prefix 0 .5 .7 .9 1; the genus [1, 3) has .9 - .5 = .4.
    prefix = prefix_mass(np.array([0.5, 0.2, 0.2, 0.1], np.float32))
    assert roll_up(prefix, np.array([0, 1, 3]), np.array([1, 3, 4])) == pytest.approx([0.5, 0.4, 0.1])


def test_small_masses_survive_a_million_leaves():
    probabilities = np.full(1_000_000, 1e-9, np.float32)
    probabilities[0] = 1 - 1e-3
    prefix = prefix_mass(probabilities)
    assert roll_up(prefix, np.array([999_990]), np.array([1_000_000]))[0] == pytest.approx(1e-8, rel=1e-6)
