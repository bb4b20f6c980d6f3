from __future__ import annotations

import pytest

from bioclip_search.boxed.boxed_set import TrueBox
from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.survey.suspects import CUT, DOUBLED, TINY, UNLABELLED, WHOLE, suspects_in, unlabelled_in
from bioclip_search.detect import Detection
from tests.boxed.small_boxes import boxes, small_set


class RedFinder:
    """Finds in every picture one organism at a fixed place, as sure as the red of the first pixel tells in tenths, and a person."""

    name, fingerprint = "red", "1"

    def detect(self, pictures, min_confidence):
        sure = [picture.getpixel((0, 0))[0] / 10 for picture in pictures]
        return [[Detection((10, 10, 20, 20), one, "animal"), Detection((0, 0, 40, 30), 0.99, "person")] if one >= min_confidence else [] for one in sure]


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        pytest.param([(5, 5, 20, 20)], [], id="a box like any other"),
        pytest.param([(5, 5, 20, 20), (5, 5, 20, 19)], [DOUBLED], id="two that share 14 of 15 rows"),
        pytest.param([(5, 5, 20, 20), (5, 5, 20, 18)], [], id="two that share 13 of 15 rows, 0.87"),
        pytest.param([(0, 0, 40, 29)], [WHOLE], id="nearly the whole picture, which is at its edge, too"),
        pytest.param([(5, 5, 20, 12)], [TINY], id="seven pixels high"),
        pytest.param([(0.5, 5, 20, 20)], [CUT], id="at the left"),
        pytest.param([(5, 5, 20, 29.5)], [CUT], id="at the bottom"),
        pytest.param([(5, 5, 20, 20), (6, 20, 14, 22), (0, 0, 9, 9)], [TINY, CUT], id="several, by kind"),
    ],
)
def test_a_box_is_suspect_by_the_rules(tmp_path, told, kinds):
    sets, _ = examine([small_set(tmp_path, [boxes(*told)])])
    assert [one.kind for one in suspects_in(sets)] == kinds


def test_boxes_of_two_categories_on_one_another_are_told_with_both(tmp_path):
    pair = (TrueBox((5, 5, 20, 20), "Puma concolor"), TrueBox((5, 5, 20, 20), "Lynx lynx"))
    (found,) = suspects_in(examine([small_set(tmp_path, [pair])])[0])
    assert (found.kind, found.categories, found.worth, len(found.boxes_xyxy)) == (DOUBLED, ("Puma concolor", "Lynx lynx"), 1.0, 2)


def test_organisms_without_a_box_are_found_and_those_in_pictures_without_any_box_come_first(tmp_path):
    """Pictures 0 to 9 are sure by 0.0 to 0.9; a box of 10..20 takes the find, one of 0..9 does not, one of 19..40 shares 1 px of 100 with it."""
    several = [()] * 7 + [boxes((0, 0, 9, 9)), boxes((10, 10, 20, 20)), boxes((19, 19, 40, 30))]
    sets, _ = examine([small_set(tmp_path, several)])
    steps = []
    found = unlabelled_in(sets, RedFinder(), 0.5, lambda done, total: steps.append((done, total)))
    assert [(one.kind, one.row) for one in found] == [(UNLABELLED, row) for row in (6, 5, 9, 7)]
    assert steps[-1] == (10, 10)
    assert found[0].categories == ("animal",)


def test_a_crowd_takes_finds_and_is_no_suspect(tmp_path):
    crowd = (TrueBox((0, 0, 40, 30), "Puma concolor", True),)
    sets, _ = examine([small_set(tmp_path, [crowd] * 10)])
    assert suspects_in(sets) == unlabelled_in(sets, RedFinder(), 0.5) == []
