from __future__ import annotations

import pytest

from bioclip_search.boxed.sets import TrueBox
from bioclip_search.detectors.boxes import Detection
from bioclip_search.errors import TableError
from bioclip_search.evaluation.box_gain import gain_figures, gain_in_words
from bioclip_search.evaluation.detection import Looked, detection_figures

BOX, LOW_BOX = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 6.0)  # the second overlaps the first by 0.6


def looked(*finds):
    """Pictures with one fox each, and what was found in them."""
    found = tuple((Detection(box, 0.9, "fox"),) if box else () for box in finds)
    return Looked(found, ((TrueBox(BOX, "fox"),),) * len(finds), (), tuple(range(len(finds))))


def test_worked_by_hand():
    # 2 of 4 found at 0.6 and then 3 of 4 exactly: at 0.5 the recalls 0 … 0.5 (51 of 101), then 0 … 0.75 (76 of 101) have precision 1.
    figures = gain_figures(looked(LOW_BOX, LOW_BOX, None, None), looked(BOX, BOX, BOX, None))
    assert figures["map50_before"] == pytest.approx(51 / 101, abs=1e-4)
    assert figures["map50_gain"] == pytest.approx(25 / 101, abs=1e-4)
    assert figures["map75_before"] == 0.0
    assert figures["map75_gain"] == pytest.approx(76 / 101, abs=1e-4)
    assert figures["found_gain"] == 0.25
    assert figures["map50_gain_low"] <= figures["map50_gain"] <= figures["map50_gain_high"]
    assert gain_in_words(figures, "found").startswith("+25.0 (")
    assert gain_in_words({}, "found") == "–"


def test_a_detector_gains_nothing_over_itself_in_any_draw():
    one = looked(BOX, LOW_BOX, None, BOX, None)
    figures = gain_figures(one, one)
    assert {figures[f"map50_gain{end}"] for end in ("", "_low", "_high")} == {0.0}
    assert figures["map_after"] == figures["map_before"] == detection_figures(one)["map"]


def test_other_pictures_cannot_be_compared():
    with pytest.raises(TableError, match="same pictures"):
        gain_figures(looked(BOX), looked(BOX, BOX))


def test_without_a_true_box_there_is_only_the_count():
    empty = Looked(((),), ((),), (), (0,))
    assert gain_figures(empty, empty) == {"pictures": 1}
