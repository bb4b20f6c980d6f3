"""What is lost by an export: nothing between equals, all where one sees nothing, and sets count together."""

import io
from functools import partial

import numpy as np
import PIL.Image
import pytest

from bioclip_search.boxed.boxed_set import BoxedSet, TrueBox
from bioclip_search.detectors.boxes import Detection
from bioclip_search.errors import TableError
from bioclip_search.evaluation.parity import parity_of


def png(shade):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (20, 10), (shade, 0, 0)).save(buffer, "png")
    return buffer.getvalue()


def of_rows(data, wanted):
    return (data[row] for row in np.flatnonzero(wanted).tolist())


def boxed(name, n, box=(2.0, 2.0, 8.0, 8.0)):
    boxes = tuple((TrueBox(box, "cat"),) if box else () for _ in range(n))
    return BoxedSet(name, boxes, np.array(["all"] * n, object), tuple(f"{name}/{row}" for row in range(n)), partial(of_rows, [png(row) for row in range(n)]))


class Seer:
    """Finds the box in pictures whose red is below a limit."""

    name, fingerprint = "seer", "s"

    def __init__(self, below):
        self.below = below

    def detect(self, pictures, min_confidence):
        return [[Detection((2.0, 2.0, 8.0, 8.0), 0.9, "cat")] if picture.getpixel((0, 0))[0] < self.below else [] for picture in pictures]


def test_equals_differ_in_nothing():
    parity = parity_of(Seer(9), Seer(9), [boxed("a", 3), boxed("b", 2)])
    assert (parity.difference, parity.holds) == (0.0, True)
    assert parity.figures["map_before"] == parity.figures["map_after"] == 1.0


def test_a_box_in_four_that_is_lost_over_both_sets_is_told():
    parity = parity_of(Seer(9), Seer(1), [boxed("a", 2), boxed("b", 2)])  # after: the first picture of each set
    # Half of the boxes are found without a wrong find: the precision is 1 at the recalls 0, 0.01 … 0.5, which are 51 of 101.
    assert parity.figures["map_after"] == pytest.approx(51 / 101, abs=1e-4)
    assert parity.difference == pytest.approx(51 / 101 - 1, abs=1e-4)
    assert not parity.holds


def test_a_gain_beyond_the_limit_is_no_parity_either():
    assert not parity_of(Seer(1), Seer(9), [boxed("a", 4)]).holds


def test_pictures_without_boxes_cannot_be_compared_by():
    with pytest.raises(TableError, match="pictures with boxes to compare by"):
        parity_of(Seer(9), Seer(9), [boxed("a", 2, box=None)])


def test_progress_counts_both_looks():
    told = []
    parity_of(Seer(9), Seer(9), [boxed("a", 2), boxed("b", 1)], progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]
