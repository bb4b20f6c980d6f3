from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bioclip_search.boxed.sets import TrueBox
from bioclip_search.detectors.boxes import Detection
from bioclip_search.evaluation.box_errors.gains import error_gains, mended
from bioclip_search.evaluation.box_errors.kinds import (
    BACKGROUND,
    BOTH,
    DOUBLE,
    MISCALLED,
    MISPLACED,
    MISSED,
    RIGHT,
    UNCOUNTED,
    judge_finds,
)
from bioclip_search.evaluation.detection import MOST_FINDS, match_boxes

A, FAR = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)
HALF = (0.0, 0.0, 10.0, 4.0)  # 40 of 100: an overlap of 0.4 with A


def find(box, confidence=0.9, category="fox"):
    return Detection(box, confidence, category)


def there(box=A, category="fox", is_crowd=False):
    return TrueBox(box, category, is_crowd)


@pytest.mark.parametrize(
    ("finds", "boxes", "kinds"),
    [
        pytest.param([find(A)], [there()], [RIGHT], id="the box of its category"),
        pytest.param([find(HALF)], [there()], [MISPLACED], id="overlap 0.4; the box is not missed as well, for mending the find finds it"),
        pytest.param([find(A), find(A, 0.5)], [there()], [RIGHT, DOUBLE], id="the surer one is right, the other a double"),
        pytest.param([find(A, 0.5), find(A)], [there()], [RIGHT, DOUBLE], id="whichever comes first"),
        pytest.param([find(A), find(HALF, 0.5)], [there()], [RIGHT, MISPLACED], id="a bad box on an organism that is found"),
        pytest.param([find(FAR)], [there()], [BACKGROUND, MISSED], id="elsewhere: the find is background, the box is missed"),
        pytest.param([find(FAR)], [], [BACKGROUND], id="a picture without an organism"),
        pytest.param([], [there()], [MISSED], id="nothing found"),
        pytest.param([], [], [], id="nothing at all"),
        pytest.param([find(A, category="cat")], [there()], [MISCALLED], id="right place, wrong category"),
        pytest.param([find(HALF, category="cat")], [there()], [BOTH, MISSED], id="both wrong mends nothing, so the box is missed"),
        pytest.param([find(A, category="cat")], [there(), there(A, "cat")], [RIGHT, MISSED], id="two organisms in one place"),
        pytest.param([find(A)], [there(is_crowd=True)], [UNCOUNTED], id="in a crowd nothing counts and nothing is missed"),
    ],
)
def test_each_find_and_each_box_has_its_class(finds, boxes, kinds):
    assert [one.kind for one in judge_finds([finds], [boxes])] == kinds


def test_the_edges_of_the_classes_lie_where_tide_has_them():
    fits, touches, less = ((0.0, 0.0, 10.0, height) for height in (5.0, 1.0, 0.9))
    assert [judge_finds([[find(box)]], [[there()]])[0].kind for box in (fits, touches, less)] == [RIGHT, MISPLACED, BACKGROUND]


def test_finds_below_the_confidence_asked_for_do_not_save_a_box():
    assert [one.kind for one in judge_finds([[find(A, 0.1)]], [[there()]], min_confidence=0.2)] == [MISSED]


def test_the_size_is_that_of_the_true_box_and_the_category_too():
    (one,) = judge_finds([[find((0, 0, 100, 40), category="cat")]], [[there((0.0, 0.0, 100.0, 100.0), "fox")]])[:1]
    assert (one.kind, one.size, one.category, one.iou) == (BOTH, "large", "fox", pytest.approx(0.4))


def random_world(seed, categories):
    """Pictures with boxes of all sizes, and finds near and far, of the right category and not."""
    random = np.random.default_rng(seed)
    true, found = [], []
    for _ in range(20):
        corners = random.uniform(0, 60, (random.integers(0, 5), 2))
        boxes = [TrueBox((*map(float, corner), *map(float, corner + random.uniform(8, 40, 2))), str(random.choice(categories))) for corner in corners]
        near = [tuple(map(float, np.array(box.box_xyxy) + random.normal(0, 4, 4))) for box in boxes for _ in range(3)]
        near = [box for box in near if box[2] > box[0] and box[3] > box[1]] + [(80.0, 80.0, 95.0, 95.0)]
        found.append(
            [
                Detection(box, float(confidence), str(random.choice(categories)))
                for box, confidence in zip(near, random.permutation(len(near)) / 20, strict=True)
            ]
        )
        true.append(boxes)
    return found, true


@pytest.mark.parametrize("categories", [["fox"], ["fox", "cat", "owl"]])
@pytest.mark.parametrize("seed", range(4))
def test_the_right_ones_are_those_that_average_precision_counts(seed, categories):
    found, true = random_world(seed, categories)
    judged = judge_finds(found, true)
    assert len([one for one in judged if one.find]) == sum(map(len, found)) < MOST_FINDS * len(found)
    for category in categories:
        right = match_boxes(found, true, category, np.array([0.5])).right
        assert sum(one.kind == RIGHT and one.find.category == category for one in judged) == right.sum() > 0


def test_gains_worked_by_hand():
    # By confidence: background (0/1), right (1/2), double (1/3); of two boxes one is found and one missed. Precision at recalls
    # 0 … 0.5 (51 of 101) is 1/2, beyond it none: 25.5/101. Without the background 51/101. Without the double as before.
    # Without the missed box all of the recalls have precision 1/2.
    found = [[find(FAR, 0.9), find(A, 0.8), find(A, 0.7)], []]
    true = [[there()], [there()]]
    gains = error_gains(found, true, judge_finds(found, true))
    assert gains["map50"] == pytest.approx(25.5 / 101, abs=1e-4)
    assert gains["background_gain"] == pytest.approx(25.5 / 101, abs=1e-4)
    assert gains["double_gain"] == 0.0
    assert gains["missed_gain"] == pytest.approx(0.5 - 25.5 / 101, abs=1e-4)
    assert "misplaced_gain" not in gains


def test_a_misplaced_find_gets_its_box_and_of_two_the_surer():
    found, true = [[find(HALF, 0.9), find((0.0, 5.0, 10.0, 9.0), 0.8)]], [[there()]]
    finds, boxes = mended(found, true, judge_finds(found, true), MISPLACED)
    assert finds == [[find(A, 0.9)]]
    assert boxes == true
    assert error_gains(found, true, judge_finds(found, true))["misplaced_gain"] == 1.0


def test_a_misplaced_find_whose_organism_is_found_is_dropped():
    found, true = [[find(A, 0.9), find(HALF, 0.95)]], [[there()]]
    assert mended(found, true, judge_finds(found, true), MISPLACED)[0] == [[find(A, 0.9)]]


def test_a_find_of_the_wrong_category_gets_the_right_one():
    found, true = [[find(A, category="cat")]], [[there()]]
    assert mended(found, true, judge_finds(found, true), MISCALLED)[0] == [[find(A)]]


@pytest.mark.parametrize("seed", range(4))
def test_with_every_class_mended_in_turn_nothing_is_left_to_mend(seed):
    found, true = random_world(seed, ["fox", "cat"])
    for kind in (MISPLACED, MISCALLED, DOUBLE, BACKGROUND, BOTH):
        found, _ = mended(found, true, judge_finds(found, true), kind)
    judged = judge_finds(found, true)
    assert set(Counter(one.kind for one in judged)) <= {RIGHT, MISSED}
    _, true = mended(found, true, judged, MISSED)
    assert error_gains(found, true, judge_finds(found, true))["map50"] == 1.0


def test_nothing_to_find_gains_nothing():
    assert error_gains([[find(A)]], [[]], judge_finds([[find(A)]], [[]])) == {}
