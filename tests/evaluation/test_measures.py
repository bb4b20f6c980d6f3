from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.evaluation.measures import Marks, brier_score_loss, expected_calibration_error, join_marks, summarise
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG

RANKS = ("family", "genus", "species")


def marks(**changes) -> Marks:
    """Four pictures: a species known, its genus known, a family answered, and no answer."""
    told = {
        "top1": [True, False, False, False],
        "top5": [True, True, False, False],
        "at_rank": [True, False, True, False],
        "listed": [True, True, True, False],
        "best": [[RIGHT] * 3, [RIGHT, RIGHT, WRONG], [RIGHT, UNDECIDED, UNDECIDED], [WRONG] * 3],
        "rolled": [[RIGHT] * 3, [RIGHT] * 3, [RIGHT, UNDECIDED, UNDECIDED], [WRONG] * 3],
        "depth": [2, 1, 0, -1],
        "answer": [RIGHT, WRONG, UNDECIDED, UNDECIDED],
        "probability": [0.9, 0.7, 0.8, 1.0],
    }
    return Marks(**{name: np.array(values) for name, values in (told | changes).items()})


def test_the_figures_of_four_pictures_worked_by_hand():
    figures = summarise(marks(), RANKS)
    assert (figures["n"], figures["unlisted"]) == (4, 1)
    assert (figures["top1"], figures["top5"], figures["top1_at_rank"]) == (0.25, 0.5, 0.5)
    assert figures["best_family"] == 0.75  # 3 of 4
    assert figures["best_genus"] == 0.6667  # 2 of the 3 labels that name a genus
    assert figures["best_species"] == 0.3333  # 1 of 3
    assert figures["rolled_species"] == 0.6667
    assert figures["answer_coverage"] == 0.75
    assert figures["answer_undecided"] == 1
    assert figures["answer_accuracy"] == 0.5  # of the two that can be decided one is right
    assert figures["answer_depth"] == 1.5  # (3 + 2 + 1 + 0) / 4
    assert [figures[f"answered_{rank}"] for rank in RANKS] == [0.25, 0.25, 0.25]
    assert figures["answer_brier"] == 0.25  # (0.1² + 0.7²) / 2
    assert figures["answer_ece"] == 0.4  # (|0.9 - 1| + |0.7 - 0|) / 2, each alone in its bin


def test_figures_over_nothing_are_left_out():
    nothing = marks().take(np.array([], int))
    assert summarise(nothing, RANKS) == {"n": 0, "unlisted": 0}
    silent = summarise(marks(depth=[-1] * 4), RANKS)
    assert silent["answer_coverage"] == 0
    assert not {"answer_accuracy", "answer_ece", "answer_brier"} & set(silent)
    assert "best_genus" not in summarise(marks().take(np.array([2])), RANKS)


def test_marks_are_joined_in_order():
    first, last = marks().take(np.array([0, 1])), marks().take(np.array([2, 3]))
    assert summarise(join_marks([first, last]), RANKS) == summarise(marks(), RANKS)


def test_calibration_error_is_zero_where_the_share_right_is_the_probability():
    assert expected_calibration_error(np.array([0.75] * 4), np.array([True, True, True, False])) == pytest.approx(0)
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == pytest.approx(0)


def test_calibration_error_equals_a_slow_loop_over_the_bins():
    random = np.random.default_rng(0)
    probability, is_right = random.random(500), random.random(500) < 0.6
    slow = 0.0
    for bin in range(15):
        inside = [i for i, p in enumerate(probability) if bin / 15 < p <= (bin + 1) / 15]
        if inside:
            slow += len(inside) / 500 * abs(np.mean([probability[i] for i in inside]) - np.mean([is_right[i] for i in inside]))
    assert expected_calibration_error(probability, is_right) == pytest.approx(slow)


def test_errors_within_a_bin_cancel_but_the_brier_score_sees_them():
    probability, is_right = np.array([0.5, 0.5]), np.array([True, False])
    assert expected_calibration_error(probability, is_right) == pytest.approx(0)
    assert brier_score_loss(probability, is_right) == 0.25
