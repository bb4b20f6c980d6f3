from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.classifier.ranking import auc_of, average_precision_of, curves, mean_figure

ONCE = np.ones((1, 4))
WITH_A_TIE = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])


def test_the_area_is_worked_by_hand():
    # Four pairs of a cat and another: 0.9 beats both, 0.8 ties one (half) and beats one: 3.5 of 4.
    assert auc_of(*WITH_A_TIE)(ONCE).tolist() == [3.5 / 4]


def test_average_precision_is_worked_by_hand():
    # The first cat is found at precision 1, the second with the tie at 2/3: their mean.
    assert average_precision_of(*WITH_A_TIE)(ONCE)[0] == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("levels", [5, 1000], ids=["many ties", "hardly a tie"])
def test_the_figures_are_those_of_scikit_learn_with_and_without_weights(levels):
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(levels)
    scores, is_class = random.integers(0, levels, 200) / levels, random.random(200) < 0.3
    weights = random.integers(0, 4, (3, 200)).astype(float)
    expected_auc = [metrics.roc_auc_score(is_class, scores, sample_weight=row) for row in weights]
    expected_ap = [metrics.average_precision_score(is_class, scores, sample_weight=row) for row in weights]
    np.testing.assert_allclose(auc_of(scores, is_class)(weights), expected_auc)
    np.testing.assert_allclose(average_precision_of(scores, is_class)(weights), expected_ap)


def test_the_area_under_the_curve_that_is_drawn_is_the_figure():
    random = np.random.default_rng(3)
    scores, is_class = random.integers(0, 20, 100) / 20, random.random(100) < 0.4
    found = curves(scores, is_class)
    assert np.trapezoid(found.recall, found.false_share) == pytest.approx(auc_of(scores, is_class)(np.ones((1, 100)))[0])
    assert (np.diff(found.recall) * found.precision[1:]).sum() == pytest.approx(average_precision_of(scores, is_class)(np.ones((1, 100)))[0])


def test_draws_without_the_class_say_nothing_and_a_mean_goes_without_them():
    figure = auc_of(*WITH_A_TIE)
    weights = np.array([[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(figure(weights), [np.nan, 1.0])
    np.testing.assert_array_equal(mean_figure([figure, lambda draws: np.array([0.4, 0.5])])(weights), [0.4, 0.75])
