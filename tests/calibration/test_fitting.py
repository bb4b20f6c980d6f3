from __future__ import annotations

import numpy as np
import pytest
from bioclip_search.calibrate import MIN_ANSWERS, calibrate, fit_temperature, fit_threshold, lower_bound

from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG
from bioclip_search.index import Index
from bioclip_search.prompts import RANKS
from bioclip_search.searcher import Searcher
from tests.conftest import small_table
from tests.evaluation.test_labelled import write_parquet


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


def staircases() -> tuple[np.ndarray, np.ndarray]:
    """A hundred pictures that try a species and then an order: at .9 the species are right, at .6 only half of them are.

    Fifty have a species at .9 that is right; fifty one at .6, of which twenty-five are wrong. All orders stand at .99, right.
    """
    chances = np.array([[0.9, 0.99]] * 50 + [[0.6, 0.99]] * 50)
    verdicts = np.array([[RIGHT, RIGHT]] * 75 + [[WRONG, RIGHT]] * 25)
    return chances, verdicts


@pytest.mark.parametrize(
    ("target", "threshold", "right"),
    [
        pytest.param(0.7, 0.205, 75, id="75 of 100 are right at the lowest threshold tried"),
        pytest.param(0.76, 0.605, 100, id="just above the doubtful species, whose orders are given instead"),
    ],
)
def test_the_threshold_is_the_lowest_that_reaches_the_target(target, threshold, right):
    found = fit_threshold(*staircases(), target, confidence=None)
    assert (found.threshold, found.answers, found.right) == (threshold, 100, right)


def test_with_a_confidence_the_lower_bound_must_reach_the_target():
    # 95 %: of 100 right the bound is .05^(1/100) = .9705; of 75 right about .67
    assert fit_threshold(*staircases(), 0.7).threshold == 0.605
    assert fit_threshold(*staircases(), 0.97).threshold == 0.605
    assert fit_threshold(*staircases(), 0.98).threshold is None


def test_the_way_down_ends_at_the_first_miss_and_luck_below_is_not_taken():
    chances = np.array([[0.9]] * 50 + [[0.5]] * 500)
    verdicts = np.array([[WRONG]] * 50 + [[RIGHT]] * 500)  # at .9 all are wrong; at .5, 500 of 550 are right
    assert fit_threshold(chances, verdicts, 0.9, confidence=None).threshold is None


def test_the_undecided_and_too_few_answers_do_not_count():
    chances, verdicts = np.full((MIN_ANSWERS + 9, 1), 0.9), np.full((MIN_ANSWERS + 9, 1), RIGHT)
    verdicts[:10] = UNDECIDED
    assert fit_threshold(chances, verdicts, 0.5, confidence=None).threshold is None
    verdicts[9] = RIGHT
    assert fit_threshold(chances, verdicts, 0.5, confidence=None).answers == MIN_ANSWERS


def test_the_lower_bound_equals_the_beta_quantile():
    beta = pytest.importorskip("scipy.stats").beta
    for right, n in [(1, 1), (9, 10), (27, 30), (450, 500), (1900, 2000), (1, 1000)]:
        assert lower_bound(right, n, 0.95) == pytest.approx(beta.ppf(0.05, right, n - right + 1), abs=1e-9)
    assert lower_bound(0, 10, 0.95) == 0


def test_an_index_is_calibrated_over_all_its_taxa(small_index, encoder, taxonomy, tmp_path):
    """Forty pictures of known leaves: all answers are right, so the temperature is low and every target is reached."""
    rows = {row["common_name"]: row for row in small_table().to_pylist()}
    shown = [number % 9 for number in range(40)]
    labels = [rows[taxonomy.leaves["common_name"][leaf].as_py()] for leaf in shown]
    write_parquet(tmp_path / "set/a.parquet", shown, **{rank: [label[rank] for label in labels] for rank in RANKS}, split=["val"] * 40)
    searcher = Searcher(Index(small_index), encoder)
    ticks: list[int] = []
    fit = calibrate(searcher, find_sets([tmp_path / "set"]), targets=(0.9, 0.99), progress=ticks.append)
    assert fit.pictures == ticks[-1] == 40
    assert fit.temperature < 1
    assert fit.mean_loss <= fit.mean_loss_at_1
    assert fit.thresholds[0].right == fit.thresholds[0].answers == 40
    card = fit.for_card("a test")
    assert set(card.thresholds) == {"0.9"}  # 40 of 40 right is not enough to promise 99 %
    assert card.temperature == fit.temperature
    with pytest.raises(TableError, match="no labelled picture to calibrate with"):
        calibrate(searcher, find_sets([tmp_path / "set"]), parts=["train"])
