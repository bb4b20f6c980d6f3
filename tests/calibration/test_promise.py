from __future__ import annotations

from fractions import Fraction
from math import ceil, comb

import numpy as np
import pytest

from bioclip_search.calibration.promise import MIN_ANSWERS, answers_needed, boldest, chance_of_luck


def exact(right: int, answers: int, target: Fraction) -> Fraction:
    """The hypergeometric tail in whole numbers."""
    both = right + ceil(target * answers) - 1
    return Fraction(sum(comb(both, k) * comb(2 * answers - both, answers - k) for k in range(right, min(both, answers) + 1)), comb(2 * answers, answers))


def test_three_of_three_as_worked_by_hand():
    """A further lot of three that misses 0.9 has two right at most: 5 of 6 in all. That the wrong one is not among ours has chance 1/2."""
    assert chance_of_luck(3, 3, 0.9) == pytest.approx(0.5)


@pytest.mark.parametrize("answers", [5, 40, 300])
@pytest.mark.parametrize("target", [Fraction(1, 2), Fraction(4, 5), Fraction(19, 20)])
def test_the_chance_equals_the_sum_in_whole_numbers(answers, target):
    for right in {0, answers // 2, ceil(target * answers), answers - 1, answers}:
        assert chance_of_luck(right, answers, float(target)) == pytest.approx(float(exact(right, answers, target)), rel=1e-6)


def test_no_mixture_of_right_and_wrong_makes_a_broken_promise_more_likely():
    """Of 2 × 20 answers K are right: for every K, a lot of at least r right beside one under the target is no likelier than is told."""
    answers, target = 20, Fraction(4, 5)
    for right in range(answers + 1):
        told = chance_of_luck(right, answers, float(target))
        for both in range(2 * answers + 1):
            counts = range(max(right, both - ceil(target * answers) + 1), min(both, answers) + 1)
            mishap = sum(comb(both, k) * comb(2 * answers - both, answers - k) for k in counts) / comb(2 * answers, answers)
            assert mishap <= told + 1e-9


def test_the_boldest_setting_before_the_first_miss_is_taken():
    right, answers = np.array([99, 190, 240, 399]), np.array([100, 200, 300, 400])
    assert boldest(right, answers, 0.9) == 1  # 240 of 300 misses; 399 of 400 lies behind the miss
    assert boldest(right[2:], answers[2:], 0.9) is None


def test_settings_with_too_few_answers_are_passed_over():
    answers = np.array([0, MIN_ANSWERS - 1, 49, 100])
    assert boldest(np.array([0, 0, 0, 100]), answers, 0.8) == 3  # 49 are fewer than half of 100
    assert boldest(np.array([0, 0, 0, 100]), answers + 2, 0.8) is None  # 51 of 102 are enough, and none is right
    assert boldest(answers[:2], answers[:2], 0.5) is None


def test_the_promise_is_kept_as_often_as_is_said():
    """Rules that are right on .8 + .2 c of their answers at caution c, a thousand times calibrated on one lot and tried on another."""
    random = np.random.default_rng(7)
    shares, n, kept = np.linspace(1, 0.8, 41), 400, 0
    for _ in range(1000):
        right = (random.random((n, 1)) < shares).sum(axis=0)
        further = (random.random((n, 1)) < shares).mean(axis=0)
        kept += further[boldest(right, np.full(41, n), 0.9)] >= 0.9
    assert kept / 1000 >= 0.94  # 0.95 promised; the draw of a thousand has a standard error of 0.007


def test_the_number_of_answers_needed_is_about_the_least_that_does():
    for share, target in ((1.0, 0.8), (1.0, 0.99), (0.97, 0.95)):
        needed = answers_needed(share, target)
        assert chance_of_luck(round(share * needed), needed, target) <= 0.05
        assert chance_of_luck(round(share * needed * 0.9), round(needed * 0.9), target) > 0.03
    assert answers_needed(0.9, 0.9) is None
    assert answers_needed(0.90001, 0.9) is None  # more pictures than anybody has
