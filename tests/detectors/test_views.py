from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bioclip_search.detectors.boxes import Detection
from bioclip_search.detectors.views import Mirrored, merged, mirrored


def find(box, confidence=0.9, category="organism"):
    return Detection(tuple(map(float, box)), confidence, category)


def test_two_looks_worked_by_hand():
    # (0, 0, 10, 10) at 0.9 and (2, 0, 12, 10) at 0.3 overlap by 80 of 120: left = (0.9·0 + 0.3·2) / 1.2 = 0.5, confidence 1.2 / 2.
    (one,) = merged([[find((0, 0, 10, 10), 0.9)], [find((2, 0, 12, 10), 0.3)]], iou=0.5)
    assert one.box_xyxy == pytest.approx((0.5, 0.0, 10.5, 10.0))
    assert one.confidence == pytest.approx(0.6)


def test_what_one_look_alone_sees_is_doubted_and_comes_later():
    found = merged([[find((0, 0, 10, 10), 0.9)], [find((50, 50, 60, 60), 0.8)], []], iou=0.5)
    assert [one.confidence for one in found] == pytest.approx([0.3, 0.8 / 3])


@pytest.mark.parametrize(
    ("looks", "count"),
    [
        pytest.param([[find((0, 0, 10, 10)), find((0, 0, 10, 9), 0.5)], []], 1, id="a double of one look does not count twice"),
        pytest.param([[find((0, 0, 10, 10))], [find((0, 0, 10, 10), category="person")]], 2, id="categories stay apart"),
        pytest.param([[find((0, 0, 10, 10))], [find((9, 9, 19, 19))]], 2, id="neighbours stay apart"),
        pytest.param([[], []], 0, id="nothing"),
        pytest.param([], 0, id="no look"),
    ],
)
def test_groups(looks, count):
    assert len(merged(looks, iou=0.5)) == count


def test_one_look_stays_as_it_is_and_the_order_of_looks_says_nothing():
    finds = [find((0, 0, 10, 10), 0.9), find((20, 0, 30, 10), 0.9), find((1, 0, 11, 10), 0.4)]
    assert merged([finds[:2]], 0.5) == finds[:2]
    assert merged([finds[:2], finds[2:]], 0.5) == merged([finds[2:], finds[:2]], 0.5)


class RedFinder:
    """Finds the one red rectangle of a picture."""

    name = fingerprint = "red"

    def detect(self, pictures, min_confidence):
        found = []
        for picture in pictures:
            rows, columns = np.nonzero(np.asarray(picture)[..., 0] > 128)
            found.append([find((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))])
        return found


def test_a_mirrored_look_tells_boxes_where_they_stand():
    picture = Image.new("RGB", (100, 40))
    picture.paste("red", (5, 10, 30, 20))
    look = Mirrored(RedFinder())
    assert look.detect([picture], 0.2) == RedFinder().detect([picture], 0.2) == [[find((5, 10, 30, 20))]]
    assert look.fingerprint != RedFinder.fingerprint
    assert mirrored(mirrored(find((5, 10, 30, 20)), 100), 100) == find((5, 10, 30, 20))
