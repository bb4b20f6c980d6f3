from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.evaluation.resample import macro_share, mean_of, ratio, share, with_intervals


def test_the_interval_of_a_share_is_that_of_the_binomial():
    """400 pictures, 300 right: the normal interval is 0.75 ± 1.96 · sqrt(0.75 · 0.25 / 400) = 0.75 ± 0.0424."""
    told = with_intervals({"right": share(np.arange(400) < 300)}, 400)
    assert told["right"] == 0.75
    assert told["right_low"] == pytest.approx(0.7076, abs=0.006)
    assert told["right_high"] == pytest.approx(0.7924, abs=0.006)


def test_where_all_or_none_are_right_the_interval_is_the_exact_one():
    """30 of 30: the lower end p has p³⁰ = .025, so p = .025^(1/30) = .8843; 30 pictures with three crops each are still 30."""
    told = with_intervals({"all": share(np.ones(30, bool)), "none": share(np.zeros(30, bool))}, 30)
    assert [told[f"all{end}"] for end in ("", "_low", "_high")] == [1, 0.8843, 1]
    assert [told[f"none{end}"] for end in ("", "_low", "_high")] == [0, 0, 0.1157]
    assert with_intervals({"all": share(np.ones(90, bool))}, 30, picture_of_row=np.repeat(np.arange(30), 3))["all_low"] == 0.8843
    boxes = np.repeat([3, 0], [30, 10])  # 30 pictures of three boxes, all found; and ten without any, which tell nothing
    assert with_intervals({"all": share(boxes, boxes)}, 40)["all_low"] == 0.8843


def test_the_same_question_gets_the_same_interval_whatever_else_is_asked():
    hits, values = np.arange(50) % 3 == 0, np.arange(50.0)
    alone = with_intervals({"hits": share(hits)}, 50)
    beside = with_intervals({"values": mean_of(values), "hits": share(hits)}, 50)
    assert {name: beside[name] for name in alone} == alone


def test_figures_share_their_draws_so_that_a_difference_of_nothing_stays_nothing():
    hits = np.random.default_rng(1).random(80) < 0.4
    twice = with_intervals({"one": share(hits), "other": share(hits)}, 80)
    assert [twice[f"one{end}"] for end in ("", "_low", "_high")] == [twice[f"other{end}"] for end in ("", "_low", "_high")]


def test_macro_counts_each_taxon_alike_worked_by_hand():
    """Lions: 3 of 4 right. Lynx: 0 of 1. An unlabelled one is not counted: (0.75 + 0) / 2, where micro would be 3 of 5."""
    hits, taxa = np.array([True, True, True, False, False, True]), np.array([7, 7, 7, 7, 9, -1])
    told = with_intervals({"macro": macro_share(hits, taxa), "micro": share(hits, taxa >= 0)}, 6)
    assert (told["macro"], told["micro"]) == (0.375, 0.6)


def test_macro_equals_a_slow_loop_over_taxa():
    random = np.random.default_rng(2)
    hits, taxa = random.random(200) < 0.5, random.integers(-1, 12, 200)
    slow = np.mean([hits[taxa == taxon].mean() for taxon in range(12)])
    assert macro_share(hits, taxa)(np.ones((1, 200)))[0] == pytest.approx(slow)


def test_the_interval_of_macro_does_not_lean_to_common_taxa():
    """One common taxon, always right, and forty of one picture, never right: 1 / 41 = .0244. A mean over the taxa of a draw would be near 1 / 26."""
    hits, taxa = np.arange(100) < 60, np.where(np.arange(100) < 60, 0, np.arange(100))
    told = with_intervals({"macro": macro_share(hits, taxa)}, 100)
    assert told["macro"] == 0.0244
    assert told["macro_low"] < 0.0244 < told["macro_high"] < 1 / 26


def test_an_interval_always_holds_its_figure():
    """The distance of a mean from itself is 0, but no draw has it so."""
    values = np.random.default_rng(4).random(30)
    error = with_intervals({"distance": lambda weights: np.abs(weights @ (values - values.mean()))}, 30)
    assert error["distance_low"] == error["distance"] == 0


def test_figures_over_nothing_are_left_out_and_one_picture_has_no_interval():
    nothing = np.zeros(3, bool)
    assert with_intervals({"none": share(nothing, nothing), "macro": macro_share(nothing, np.full(3, -1))}, 3) == {}
    assert with_intervals({"right": share(np.ones(1, bool))}, 1) == {"right": 1.0}
    assert with_intervals({"right": share(np.empty(0, bool))}, 0) == {}


def test_values_that_are_not_counted_are_not_looked_at():
    assert with_intervals({"mean": ratio(np.array([np.nan, 2.0]), np.array([0, 1]))}, 2)["mean"] == 2


def test_crops_of_one_picture_are_drawn_together():
    """Ten pictures of ten equal crops tell no more than ten pictures."""
    hits = np.arange(10) < 5
    crops = with_intervals({"right": share(np.repeat(hits, 10))}, 10, picture_of_row=np.repeat(np.arange(10), 10))
    assert crops == with_intervals({"right": share(hits)}, 10)


def test_many_pictures_are_drawn_in_blocks_to_the_same_figures():
    hits = np.random.default_rng(3).random(300_000) < 0.3
    told = with_intervals({"right": share(hits)}, len(hits), draws=20)
    assert told["right_low"] <= told["right"] <= told["right_high"] <= told["right_low"] + 0.01
