from __future__ import annotations

import pytest

from bioclip_search.detectors.boxes import Detection
from bioclip_search.silver.judging import DISAGREE, DOUBTFUL, NOTHING_SURE, TAKEN, TOO_SMALL, SilverRule, judge_picture

A, NEAR_A, FAR = (0.0, 0.0, 100.0, 100.0), (0.0, 0.0, 100.0, 90.0), (200.0, 0.0, 300.0, 100.0)
RULE = SilverRule(min_confidence=0.5, doubt_confidence=0.2)


def find(box, confidence, category="fox"):
    return Detection(box, confidence, category)


@pytest.mark.parametrize(
    ("finds", "others", "verdict"),
    [
        pytest.param([find(A, 0.9)], [], TAKEN, id="one sure find"),
        pytest.param([find(A, 0.9), find(FAR, 0.5)], [], TAKEN, id="two, the second just sure"),
        pytest.param([], [], NOTHING_SURE, id="rule 1: nothing"),
        pytest.param([find(A, 0.49)], [], NOTHING_SURE, id="rule 1: nothing sure"),
        pytest.param([find(A, 0.9), find(FAR, 0.3)], [], DOUBTFUL, id="rule 2: perhaps a second organism"),
        pytest.param([find(A, 0.9), find(FAR, 0.19)], [], TAKEN, id="rule 2: too unsure to doubt"),
        pytest.param([find(A, 0.9), find(NEAR_A, 0.3)], [], TAKEN, id="rule 2: a second box of the first"),
        pytest.param([find(A, 0.9), find((200.0, 0.0, 207.0, 50.0), 0.9)], [], TOO_SMALL, id="rule 3"),
        pytest.param([find(A, 0.9)], [[find(NEAR_A, 0.2)]], TAKEN, id="rule 4: the other look agrees, if less surely"),
        pytest.param([find(A, 0.9)], [[find(NEAR_A, 0.2, "animal")]], TAKEN, id="rule 4: with another word"),
        pytest.param([find(A, 0.9)], [[]], DISAGREE, id="rule 4: it sees nothing"),
        pytest.param([find(A, 0.9)], [[find((0.0, 0.0, 100.0, 50.0), 0.9)]], DISAGREE, id="rule 4: it sees half of it"),
        pytest.param([find(A, 0.9)], [[find(A, 0.9), find(FAR, 0.6)]], DISAGREE, id="rule 4: it sees one more"),
        pytest.param([find(A, 0.9)], [[find(A, 0.9), find(FAR, 0.4)]], TAKEN, id="rule 4: perhaps one more"),
        pytest.param([find(A, 0.9)], [[find(A, 0.9)], []], DISAGREE, id="rule 4: one of two looks sees nothing"),
        pytest.param([find(A, 0.9), find(FAR, 0.9, "person")], [], TAKEN, id="people are passed over"),
        pytest.param([find(A, 0.9, "person")], [], NOTHING_SURE, id="people alone are nothing"),
    ],
)
def test_a_picture_is_taken_whole_or_not_at_all(finds, others, verdict):
    told, boxes = judge_picture(finds, others, RULE)
    assert told == verdict
    expected = [one for one in finds if one.confidence >= RULE.min_confidence and one.category != "person"] if verdict == TAKEN else []
    assert list(boxes) == sorted(expected, key=lambda one: -one.confidence)


def test_what_is_doubtful_follows_what_is_sure_unless_told():
    assert SilverRule(min_confidence=0.6).doubt == pytest.approx(0.3)
    assert SilverRule(min_confidence=0.6, doubt_confidence=0.1).doubt == 0.1


@pytest.mark.parametrize("wrong", [{"min_confidence": 0.0}, {"min_confidence": 1.1}, {"doubt_confidence": 0.9}, {"iou": 0.0}, {"least_px": -1.0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="Expected"):
        SilverRule(**wrong)
