from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.evaluation.curves import Attempts
from bioclip_search.evaluation.measures import Marks, Matches, summarise
from bioclip_search.evaluation.rows import join_rows, take_rows
from bioclip_search.evaluation.score import figures_of
from bioclip_search.evaluation.sisters import Calls
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG

RANKS = ("family", "genus", "species")


def marks(**changes) -> Marks:
    """Four pictures: a species known, its genus known, a family answered, and no answer.

    The first two are of one species (3, of genus 2), the third of family 1 and no more, the last of species 9.
    """
    rolled = np.array([[RIGHT] * 3, [RIGHT] * 3, [RIGHT, UNDECIDED, UNDECIDED], [WRONG] * 3])
    told = {
        "calls": Calls(
            truth=np.array([[1, 2, 3], [1, 2, 3], [1, -1, -1], [7, 8, 9]]),
            called=np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]]),
            parents=np.array([[-1, 1, 2]] * 4),
            verdicts=rolled,
        ),
        "chances": np.array([[0.9, 0.9, 0.9], [0.9, 0.7, 0.6], [0.8, 0.5, 0.4], [0.6, 0.5, 0.2]]),
        "depth": np.array([2, 1, 0, -1]),
        "answer": np.array([RIGHT, WRONG, UNDECIDED, UNDECIDED]),
        "probability": np.array([0.9, 0.7, 0.8, 1.0]),
        "information": np.array([1.0, 0.6, 0.2, 0.0]),
        "height": np.array([0, 2, -1, -1]),
        "attempts": Attempts(
            reach=np.array([[0.9, 0.95], [0.7, 0.0], [0.8, 0.0], [0.0, 0.0]]),
            verdicts=np.array([[RIGHT, RIGHT], [WRONG, UNDECIDED], [UNDECIDED, UNDECIDED], [UNDECIDED, UNDECIDED]]),
            depths=np.array([[2, 1], [1, -1], [0, -1], [-1, -1]]),
            information=np.array([[1.0, 0.6], [0.6, 0.0], [0.2, 0.0], [0.0, 0.0]]),
        ),
        "matches": Matches(
            top1=np.array([True, False, False, False]),
            top5=np.array([True, True, False, False]),
            at_rank=np.array([True, False, True, False]),
            listed=np.array([True, True, True, False]),
            verdicts=np.array([[RIGHT] * 3, [RIGHT, RIGHT, WRONG], [RIGHT, UNDECIDED, UNDECIDED], [WRONG] * 3]),
            height=np.array([0, 1, 0, 3]),
        ),
    }
    return Marks(**(told | changes))


def test_the_figures_of_four_pictures_worked_by_hand():
    figures = summarise(marks(), RANKS)
    assert (figures["n"], figures["unlisted"]) == (4, 1)
    assert (figures["top1"], figures["top5"], figures["top1_at_rank"]) == (0.25, 0.5, 0.5)
    assert figures["best_family"] == 0.75  # 3 of 4
    assert figures["best_genus"] == 0.6667  # 2 of the 3 labels that name a genus
    assert figures["best_species"] == 0.3333  # 1 of 3
    assert figures["best_species_macro"] == 0.25  # half of species 3, none of species 9
    assert figures["best_severity"] == 2  # of the two mistakes one is a wrong species, one a wrong family: (1 + 3) / 2
    assert figures["rolled_species"] == 0.6667
    assert figures["rolled_species_macro"] == 0.5  # all of species 3, none of species 9
    assert figures["answer_coverage"] == 0.75
    assert figures["answer_undecided"] == 1
    assert figures["answer_accuracy"] == 0.5  # of the two that can be decided one is right
    assert figures["answer_information"] == 0.3333  # 1 for the species, 0 for the wrong genus, 0 for no answer; the undecided does not count
    assert figures["answer_severity"] == 2  # the wrong genus, of the right family
    assert figures["answer_depth"] == 1.5  # (3 + 2 + 1 + 0) / 4
    assert [figures[f"answered_{rank}"] for rank in RANKS] == [0.25, 0.25, 0.25]
    assert figures["answer_brier"] == 0.25  # (0.1² + 0.7²) / 2
    assert figures["answer_ece"] == 0.4  # (|0.9 - 1| + |0.7 - 0|) / 2, each alone in its bin
    assert figures["ece_species"] == pytest.approx((0.1 + 0.4 + 0.2) / 3, abs=1e-4)
    assert figures["species_mistakes_in_genus"] == 0  # the one mistake at species is of another genus


def test_the_curves_of_four_pictures_worked_by_hand():
    """The threshold falls: .95 the genus of 1 (.6, right); .9 its species (1); .8 the family of 3 (.2, undecided); .7 the genus of 2 (.6, wrong).

    Coverage 0, .15, .25, .3, .45; risk 0 but for the last: 1 of the 3 that can be decided. Area (.45 - .3) · (1/3) / 2 = .025.
    Information gained with all right: at .8, 1 of the three that can be decided: .3333.
    """
    figures = summarise(marks(), RANKS)
    assert figures["haurc"] == 0.025
    assert figures["information_at_95"] == 0.3333


def test_every_share_stands_between_the_ends_of_its_interval():
    figures = summarise(marks(), RANKS)
    counts = {"n", "unlisted", "answer_undecided"}
    for name, value in figures_of(figures).items():
        if name not in counts:
            assert figures[f"{name}_low"] <= value <= figures[f"{name}_high"], name


def test_figures_over_nothing_are_left_out():
    nothing = marks().take(np.array([], int))
    assert summarise(nothing, RANKS) == {"n": 0, "unlisted": 0}
    silent = summarise(marks(depth=np.full(4, -1), height=np.full(4, -1)), RANKS)
    assert silent["answer_coverage"] == 0
    assert not {"answer_accuracy", "answer_ece", "answer_brier", "answer_severity"} & set(silent)
    assert "best_genus" not in summarise(marks().take(np.array([2])), RANKS)


def test_where_the_best_match_is_not_known_its_figures_are_left_out():
    figures = summarise(marks(matches=None), RANKS)
    assert not {"top1", "unlisted", "best_species"} & set(figures)
    assert figures["rolled_species"] == 0.6667


def test_one_class_has_one_macro_share_and_it_is_the_micro_one():
    figures = summarise(marks().take(np.array([0, 1])), RANKS)
    assert figures["best_species"] == figures["best_species_macro"] == 0.5


def test_all_wrong_is_told_as_such():
    wrong = marks().take(np.array([1, 1, 1]))
    figures = summarise(wrong, RANKS)
    assert (figures["answer_accuracy"], figures["answer_information"], figures["answer_severity"]) == (0, 0, 2)
    assert (figures["information_at_80"], figures["haurc"]) == (0, 0.3)  # coverage .6, risk 1: a triangle
    assert (figures["answer_accuracy_low"], figures["answer_accuracy_high"]) == (0, 0.7076)  # 1 - .025^(1/3)


def test_probabilities_that_are_nan_are_refused():
    with pytest.raises(ValueError, match="hold NaN"):
        summarise(marks(probability=np.array([0.9, np.nan, 0.8, 1.0])), RANKS)


def test_crops_of_one_picture_count_as_one_picture_in_the_intervals():
    one = summarise(marks().take(np.array([0, 0, 0])), RANKS, picture_of_row=np.array([5, 5, 5]))
    assert one["n"] == 3
    assert "top1_low" not in one


def test_marks_are_joined_in_order():
    first, last = marks().take(np.array([0, 1])), marks().take(np.array([2, 3]))
    assert summarise(join_rows([first, last]), RANKS) == summarise(marks(), RANKS)
    assert take_rows(join_rows([last, first]), np.array([True, False, False, True])).depth.tolist() == [0, 1]
    assert join_rows([marks(matches=None)] * 2).matches is None
