"""Given boxes: hand-worked places, and what no picture can hold."""

from __future__ import annotations

import math

import pytest

from bioclip_search.detect import Detection, is_wildlife
from bioclip_search.detectors.given import category_of, detections_of, is_usable
from bioclip_search.media import GivenBox

SIZE_WH = (200, 100)


def given(box=(0.1, 0.2, 0.3, 0.4), confidence=0.8, category="animal"):
    return GivenBox(box, confidence, category)


def test_a_box_stands_in_pixels_of_the_picture():
    (found,) = detections_of([given((0.1, 0.25, 0.5, 0.5))], SIZE_WH, 0.2)
    assert found == Detection((20.0, 25.0, 120.0, 75.0), 0.8, "animal")


@pytest.mark.parametrize(
    ("box", "expected", "case"),
    [
        ((-0.1, -0.1, 0.3, 0.3), (0, 0, 40, 20), "hangs out at the upper left"),
        ((0.75, 0.5, 0.5, 1.0), (150, 50, 200, 100), "hangs out at the lower right"),
        ((0.0, 0.0, 1.0, 1.0), (0, 0, 200, 100), "the whole picture"),
    ],
)
def test_boxes_are_clipped_to_the_picture(box, expected, case):
    assert detections_of([given(box)], SIZE_WH, 0.0)[0].box_xyxy == pytest.approx(expected), case


@pytest.mark.parametrize(
    ("box", "case"),
    [
        (given((math.nan, 0, 0.1, 0.1)), "a place that is no number"),
        (given((0, 0, math.inf, 0.1)), "an endless width"),
        (given((0.1, 0.1, 0.0, 0.4)), "no width"),
        (given((0.1, 0.1, 0.4, -0.2)), "upside down"),
        (given((1.0, 0.1, 0.4, 0.2)), "beside the picture"),
        (given((-0.5, 0.1, 0.4, 0.2)), "beside it on the left"),
        (given(confidence=math.nan), "a confidence that is no number"),
        (given(confidence=1.5), "a confidence above 1"),
        (given(confidence=-0.8), "negative: set aside by MegaDetector's own repeat detection elimination"),
        (given(category="  "), "no category"),
    ],
)
def test_boxes_that_no_picture_holds_are_passed_over(box, case):
    assert not is_usable(box), case
    assert detections_of([box, given()], SIZE_WH, 0.0) == detections_of([given()], SIZE_WH, 0.0), case


def test_the_most_confident_is_first_and_ties_go_by_box():
    boxes = [given((0.5, 0, 0.1, 0.1), 0.5), given((0.2, 0, 0.1, 0.1), 0.5), given(confidence=0.9), given(confidence=0.19)]
    found = detections_of(boxes, SIZE_WH, 0.2)
    assert [(one.confidence, one.box_xyxy[0]) for one in found] == [(0.9, 20.0), (0.5, 40.0), (0.5, 100.0)]


def test_no_boxes_are_nothing_found():
    assert detections_of([], SIZE_WH, 0.2) == []


@pytest.mark.parametrize("word", ["person", "Human", " PERSON ", "people"])
def test_people_by_any_name_are_kept_from_the_index(word):
    (found,) = detections_of([given(category=word)], SIZE_WH, 0.2)
    assert found.category == "person"
    assert not is_wildlife(found.category)


def test_a_species_as_a_category_keeps_its_spelling():
    assert category_of("Procyon lotor") == "Procyon lotor"
