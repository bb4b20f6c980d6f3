from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.calibration.temperature import TEMPERATURES, best_temperature, fit_temperature
from bioclip_search.errors import TableError


def intervals(*spans: tuple[int, int]) -> np.ndarray:
    return np.array([spans])  # (1, ranks, 2)


def test_the_loss_is_summed_over_ranks_as_worked_by_hand():
    """Leaves with chances .5 .2 .2 .1; the true species is leaf 1, its genus leaves 1 and 2: -ln .2 - ln .4 = 2.5257."""
    scores = np.log(np.array([[0.5, 0.2, 0.2, 0.1]], np.float32))
    _, losses = fit_temperature([(scores, intervals((1, 3), (1, 2)))], 1.0, np.array([1.0]))
    assert losses.tolist() == pytest.approx([-np.log(0.2) - np.log(0.4)])
    _, silent = fit_temperature([(scores, intervals((1, 3), (0, 0)))], 1.0, np.array([1.0]))
    assert silent.tolist() == pytest.approx([-np.log(0.4)])  # a rank that is not named does not count


def test_labels_drawn_from_a_tempered_softmax_give_its_temperature_back():
    random = np.random.default_rng(3)
    scores = random.standard_normal((3000, 6)).astype(np.float32)
    logits = scores.astype(np.float64) * 10 / 2.5
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    labels = [random.choice(6, p=row / row.sum()) for row in chances]
    truths = np.array([[(label, label + 1)] for label in labels])
    found, losses = fit_temperature([(scores[:1000], truths[:1000]), (scores[1000:], truths[1000:])], 10.0)
    assert found == pytest.approx(2.5, rel=0.1)
    assert fit_temperature([(scores, truths)], 10.0)[0] == found  # whatever the blocks
    assert losses.min() < losses[0]


def test_a_few_pictures_that_are_all_right_do_not_take_all_doubt_away():
    """Each loses ln(1 + e^(-4 / T)), so that their losses alone would have the lowest temperature there is."""
    right = (np.tile(np.array([[4.0, 0.0]], np.float32), (12, 1)), np.tile(intervals((0, 1)), (12, 1, 1)))
    few, _ = fit_temperature([right], 1.0)
    many, losses = fit_temperature([right] * 100, 1.0)
    assert losses.argmin() == 0
    assert 0.5 < few < 1
    assert many < few


def test_pictures_that_tell_nothing_leave_the_temperature_at_one():
    assert best_temperature(np.zeros(len(TEMPERATURES))) == pytest.approx(1, rel=0.05)


def test_a_leaf_that_is_left_out_takes_no_mass_and_certain_error_is_a_finite_loss():
    scores = np.array([[0.0, 0.0, -np.inf]], np.float32)
    _, losses = fit_temperature([(scores, intervals((0, 1)))], 1.0, np.array([1.0]))
    assert losses.tolist() == pytest.approx([np.log(2)])
    assert np.isfinite(fit_temperature([(scores, intervals((2, 3)))], 1.0)[1]).all()


def test_no_true_taxon_in_the_tree_is_refused():
    with pytest.raises(TableError, match="No label names a taxon of the tree"):
        fit_temperature([(np.zeros((1, 2), np.float32), intervals((0, 0)))], 1.0)
    with pytest.raises(TableError, match="No label"):
        fit_temperature([], 1.0)
