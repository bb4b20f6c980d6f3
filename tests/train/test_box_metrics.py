"""Average precision and recall of boxes, worked by hand."""

import math

import pytest

from bioclip_search.detectors.boxes import Detection
from bioclip_search.train.box_metrics import average_precision_score, recall_score

A, B, FAR = (0, 0, 10, 10), (20, 20, 30, 30), (50, 50, 60, 60)


def seen(*pairs):
    return [Detection(box, confidence, "organism") for box, confidence in pairs]


def test_all_found_and_nothing_else_is_one():
    assert average_precision_score([seen((A, 0.9)), seen((B, 0.3))], [[A], [B]], 0.5) == 1.0


def test_worked_by_hand():
    # By confidence: hit (1/1), miss (1/2), hit (2/3); of three true boxes one is never found.
    found = [seen((A, 0.9), (FAR, 0.8)), seen((B, 0.7)), []]
    assert average_precision_score(found, [[A], [B], [A]], 0.5) == pytest.approx((1 + 2 / 3) / 3)


def test_precision_counts_as_the_best_at_that_recall_or_a_higher_one():
    # Miss (0), hit (1/2), hit (2/3): the first recall is also served by 2/3.
    found = [seen((FAR, 0.9), (A, 0.8), (B, 0.7))]
    assert average_precision_score(found, [[A, B]], 0.5) == pytest.approx(2 / 3)


def test_a_second_box_on_the_same_organism_is_a_miss():
    assert average_precision_score([seen((A, 0.9), (A, 0.8), (B, 0.7))], [[A, B]], 0.5) == pytest.approx((1 + 2 / 3) / 2)


def test_a_box_of_another_picture_hits_nothing():
    assert average_precision_score([seen((A, 0.9)), []], [[], [A]], 0.5) == 0.0


@pytest.mark.parametrize(("min_iou", "score"), [(0.5, 1.0), (0.6, 1.0), (0.61, 0.0)])
def test_the_overlap_asked_for_decides(min_iou, score):
    assert average_precision_score([seen(((0, 0, 10, 6), 0.9))], [[A]], min_iou) == score  # 60 of 100


def test_each_detection_takes_the_true_box_it_overlaps_most():
    wide = (0, 0, 10, 12)  # 100 / 120 with A
    found = [seen((A, 0.9), (wide, 0.8))]
    assert average_precision_score(found, [[wide, A]], 0.8) == 1.0


def test_nothing_found_is_nought_and_nothing_to_find_no_number():
    assert average_precision_score([[]], [[A]], 0.5) == 0.0
    assert math.isnan(average_precision_score([seen((A, 0.5))], [[]], 0.5))
    assert math.isnan(average_precision_score([], [], 0.5))
    assert math.isnan(recall_score([[]], [[]], 0.5))


def test_recall_is_the_share_of_true_boxes_hit():
    assert recall_score([seen((A, 0.9), (A, 0.8)), seen((FAR, 0.7))], [[A, B], [A]], 0.5) == pytest.approx(1 / 3)
