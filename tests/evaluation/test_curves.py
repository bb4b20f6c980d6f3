"""The curves, beside a slow walk over all thresholds and pictures, and by hand on a tree of seven leaves."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioclip_search.evaluation.curves import Attempts, Sweep, curve_figures, haurc, information_at, thinned
from bioclip_search.evaluation.resample import with_intervals
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG
from bioclip_search.fallback import information

ONCE = np.ones((1, 3))

SEVEN = [("A", "a", "1"), ("A", "a", "2"), ("A", "b", "3"), ("A", "b", "4"), ("B", "c", "5"), ("B", "d", "6"), ("B", "d", "7")]
"""Families A (genera a, b) and B (genera c, d); seven species."""


def seven() -> Attempts:
    """Three pictures climbing from their best leaf: species, genus, family.

    1. of species 1: 1 (.6), a (.8), A (.9): right at every rank.
    2. of species 2: 1 (.5), a (.7), A (.95): wrong, then right.
    3. of species 5: 6 (.4), d (.5), B (.85): wrong, wrong, right.
    """
    reach = np.array([[0.6, 0.8, 0.9], [0.5, 0.7, 0.95], [0.4, 0.5, 0.85]])
    verdicts = np.array([[RIGHT] * 3, [WRONG, RIGHT, RIGHT], [WRONG, WRONG, RIGHT]])
    leaves = np.array([[1, 2, 4], [1, 2, 4], [1, 2, 3]])
    return Attempts(reach, verdicts, np.tile([2, 1, 0], (3, 1)), information(leaves, 7))


def test_the_curves_of_the_seven_leaved_tree_worked_by_hand():
    """log2 7 = 2.8074. A species has information 1, a genus of two 1 - 1 / 2.8074 = .6438, A (four) 1 - 2 / 2.8074 = .2876,
    B (three) 1 - 1.5850 / 2.8074 = .4354. The threshold falls:

        above .95   no answer                                      information 0        wrong 0
        .95         2: A                                           .2876                0
        .90         1: A                                           .5752                0
        .85         3: B                                           1.0106               0
        .80         1: a for A           + .6438 - .2876 = .3562   1.3668               0
        .70         2: a for A           + .3562                   1.7230               0
        .60         1: species 1 for a   + .3562                   2.0792               0
        .50         2: species 1 for a   + .3562
                    3: d for B           + .6438 - .4354 = .2084   2.6438               2
        .40         3: species 6 for d   + .3562                   3                    2

    Coverage and risk are a third of these. hAURC: from .60 to .50 (2.6438 - 2.0792) / 3 · (0 + 2/3) / 2 = .0627, from .50
    to .40 (3 - 2.6438) / 3 · 2/3 = .0792, together .1419. Right answers gain most at .60: 2.0792 / 3 = .6931, all right;
    below it only picture 1 is right, one answer in three, and gains 1 / 3.
    """
    sweep = Sweep(seven())
    points = sweep.points(ONCE)
    assert points.thresholds.tolist() == [np.inf, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert (points.coverage[0] * 3).round(4).tolist() == [0, 0.2876, 0.5752, 1.0106, 1.3668, 1.723, 2.0792, 2.6438, 3]
    assert (points.risk[0] * 3).round(4).tolist() == [0, 0, 0, 0, 0, 0, 0, 2, 2]
    assert (points.answered[0] * 3).round(4).tolist() == [0, 1, 2, 3, 3, 3, 3, 3, 3]
    assert np.isnan(points.accuracy[0, 0])
    assert points.accuracy[0, 1:].round(4).tolist() == [1, 1, 1, 1, 1, 1, 0.3333, 0.3333]
    assert points.gained[0].round(4).tolist() == [0, 0.0959, 0.1917, 0.3369, 0.4556, 0.5743, 0.6931, 0.3333, 0.3333]
    assert haurc(points).round(4).tolist() == [0.1419]
    assert information_at(points, 0.9).round(4).tolist() == [0.6931]
    assert information_at(points, 0.3).round(4).tolist() == [0.6931]
    told = with_intervals(curve_figures(sweep), 3)
    assert (told["haurc"], told["information_at_80"], told["information_at_95"]) == (0.1419, 0.6931, 0.6931)
    assert told["haurc_low"] == 0  # a draw of picture 1 alone


# ---- an independent, slow implementation


def slow_answer(row: int, threshold: float, attempts: Attempts) -> int | None:
    for column in range(attempts.reach.shape[1]):
        if attempts.reach[row, column] > 0 and attempts.reach[row, column] >= threshold:
            return column
    return None


def slow_points(attempts: Attempts, pictures: list[int]) -> list[dict[str, float]]:
    """Every picture asked anew at every threshold that changes an answer; a picture drawn twice stands in the list twice."""
    thresholds = sorted({float(r) for r in attempts.reach.ravel() if r > 0}, reverse=True)
    points, before = [], None
    for threshold in [math.inf, *thresholds]:
        answers = [slow_answer(row, threshold, attempts) for row in range(len(attempts))]
        if answers == before:
            continue
        before = answers
        right = wrong = undecided = answered = 0
        information = gained = 0.0
        for row in pictures:
            column = answers[row]
            if column is None:
                continue
            answered += 1
            information += attempts.information[row, column]
            verdict = attempts.verdicts[row, column]
            right += verdict == RIGHT
            wrong += verdict == WRONG
            undecided += verdict == UNDECIDED
            gained += attempts.information[row, column] if verdict == RIGHT else 0
        decidable = len(pictures) - undecided
        points.append(
            {
                "coverage": information / len(pictures),
                "risk": wrong / decidable if decidable else 0,
                "accuracy": right / (right + wrong) if right + wrong else math.nan,
                "gained": gained / decidable if decidable else 0,
                "answered": answered / len(pictures),
            }
        )
    return points


def slow_haurc(points: list[dict[str, float]]) -> float:
    return sum((right["coverage"] - left["coverage"]) * (left["risk"] + right["risk"]) / 2 for left, right in pairwise(points))


def assert_equal_to_the_slow_walk(attempts: Attempts, counts: list[int]) -> None:
    sweep = Sweep(attempts)
    points = sweep.points(np.array([counts], float))
    slow = slow_points(attempts, [row for row, count in enumerate(counts) for _ in range(count)])
    for name in ("coverage", "risk", "accuracy", "gained", "answered"):
        assert getattr(points, name)[0] == pytest.approx([point[name] for point in slow], abs=1e-9, nan_ok=True), name
    assert haurc(points)[0] == pytest.approx(slow_haurc(slow), abs=1e-9)
    for target in (0.5, 0.9):
        best = max(point["gained"] if point["accuracy"] >= target - 1e-9 else 0 for point in slow)
        assert information_at(points, target)[0] == pytest.approx(best, abs=1e-9)


def climb(tree: list[tuple[str, ...]], probabilities: np.ndarray, truth: int) -> list[tuple[float, int, int, int]]:
    """(reach, verdict, depth, leaves below) of every taxon above the most probable leaf, found by name, leaf by leaf."""
    best = int(np.argmax(probabilities))
    steps = []
    for depth in reversed(range(len(tree[0]))):
        below = [leaf for leaf, path in enumerate(tree) if path[: depth + 1] == tree[best][: depth + 1]]
        steps.append((round(min(1.0, sum(probabilities[leaf] for leaf in below)), 3), RIGHT if truth in below else WRONG, depth, len(below)))
    return steps


@st.composite
def climbers(draw: st.DrawFn) -> Attempts:
    """Pictures that climb a random tree of up to a dozen leaves and four ranks."""
    ranks = draw(st.integers(1, 4))
    paths = draw(st.lists(st.tuples(*[st.integers(0, 2)] * ranks), min_size=1, max_size=12, unique=True))
    tree = [tuple("/".join(map(str, path[: depth + 1])) for depth in range(ranks)) for path in sorted(paths)]
    rows = []
    for _ in range(draw(st.integers(1, 8))):
        masses = np.array(draw(st.lists(st.integers(1, 20), min_size=len(tree), max_size=len(tree))), float)
        rows.append(climb(tree, masses / masses.sum(), draw(st.integers(0, len(tree) - 1))))
    reach, verdicts, depths, below = (np.array([[step[part] for step in row] for row in rows]) for part in range(4))
    return Attempts(reach, verdicts, depths, information(below, len(tree)))


@st.composite
def anything(draw: st.DrawFn) -> Attempts:
    """Attempts in any order, with gaps, ties and answers that no label decides."""
    shape = (draw(st.integers(1, 7)), draw(st.integers(1, 5)))
    cells = st.tuples(st.sampled_from([0, 0, 0.2, 0.4, 0.5, 0.5, 0.9, 1]), st.sampled_from([RIGHT, WRONG, UNDECIDED]), st.sampled_from([0, 0.1, 0.5, 1]))
    drawn = draw(st.lists(cells, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    reach, verdicts, told = (np.array(column).reshape(shape) for column in zip(*drawn, strict=True))
    return Attempts(reach, verdicts, np.zeros(shape, int), told)


@settings(max_examples=60)
@given(st.one_of(climbers(), anything()), st.data())
def test_every_point_and_area_equals_a_slow_walk_over_all_thresholds_and_pictures(attempts, data):
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(attempts), max_size=len(attempts)))
    assert_equal_to_the_slow_walk(attempts, counts if sum(counts) else [1] * len(attempts))


@settings(max_examples=40)
@given(climbers())
def test_climbing_only_loses_coverage_as_the_threshold_rises_so_the_area_is_that_of_the_sorted_points(attempts):
    points = Sweep(attempts).points(np.ones((1, len(attempts))))
    assert (np.diff(points.coverage[0]) >= -1e-12).all()
    order = np.argsort(points.coverage[0], kind="stable")
    assert haurc(points)[0] == pytest.approx(np.trapezoid(points.risk[0][order], points.coverage[0][order]))


# ---- bad input


def of(reach, verdict, told=1.0) -> Attempts:
    shape = np.shape(reach)
    return Attempts(np.array(reach, float), np.full(shape, verdict), np.zeros(shape, int), np.full(shape, told))


def test_all_wrong_has_the_whole_area_that_its_coverage_gives_and_gains_nothing():
    points = Sweep(of([[0.9], [0.9]], WRONG)).points(np.ones((1, 2)))
    assert (points.coverage[0].tolist(), points.risk[0].tolist()) == ([0, 1], [0, 1])
    assert haurc(points).tolist() == [0.5]  # the straight line from no answer to all answers
    assert information_at(points, 0.8).tolist() == [0]


def test_a_tree_of_one_class_can_only_be_right_and_risks_nothing():
    assert information(np.array([1, 1]), 1).tolist() == [1, 1]
    points = Sweep(of([[0.9], [0.8]], RIGHT)).points(np.ones((1, 2)))
    assert haurc(points).tolist() == [0]
    assert information_at(points, 0.95).tolist() == [1]


def test_scores_that_are_nan_are_refused():
    with pytest.raises(ValueError, match="hold NaN"):
        of([[0.9], [np.nan]], RIGHT)
    with pytest.raises(ValueError, match="hold NaN"):
        of([[0.9]], RIGHT, told=np.nan)


def test_pictures_without_any_attempt_never_have_an_answer():
    points = Sweep(of([[0.0], [0.7]], RIGHT)).points(np.ones((1, 2)))
    assert (points.thresholds.tolist(), points.answered[0].tolist()) == ([np.inf, 0.7], [0, 0.5])
    silent = Sweep(of([[0.0]], RIGHT)).points(np.ones((1, 1)))
    assert (silent.thresholds.tolist(), haurc(silent).tolist()) == ([np.inf], [0])


def test_answers_that_nothing_decides_leave_no_risk_and_no_accuracy():
    points = Sweep(of([[0.9], [0.8]], UNDECIDED)).points(np.ones((1, 2)))
    assert points.risk[0].tolist() == [0, 0, 0]
    assert np.isnan(points.accuracy).all()
    assert points.coverage[0].tolist() == [0, 0.5, 1]


def test_few_points_are_enough_to_draw_a_curve_of_many():
    random = np.random.default_rng(0)
    points = Sweep(of(np.sort(random.random((900, 4)), axis=1), RIGHT, told=0.5)).points(np.ones((1, 900)))
    kept = thinned(points, 100)
    assert len(kept) <= 100
    assert (kept[0], kept[-1]) == (0, len(points.thresholds) - 1)
    assert np.diff(points.coverage[0][kept]).max() < 0.02
    assert thinned(Sweep(seven()).points(ONCE)).tolist() == list(range(9))
