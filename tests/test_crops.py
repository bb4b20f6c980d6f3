from __future__ import annotations

import pytest
from PIL import Image

from bioclip_search.crops import DETECTOR_CONFIDENCE, Blank, Crop, confidence_of, cut_crops
from bioclip_search.detectors.boxes import Detection
from tests.conftest import ColourEncoder


class Finder:
    """Finds one organism, as sure as it is told; its card asks for `confidence`."""

    name = fingerprint = "finder"

    def __init__(self, sure, **card):
        self.sure = sure
        vars(self).update(card)

    def detect(self, pictures, min_confidence):
        return [[Detection((0.0, 0.0, 8.0, 8.0), self.sure, "organism")] if self.sure >= min_confidence else [] for _ in pictures]


@pytest.mark.parametrize(
    ("finder", "least", "kind"),
    [
        pytest.param(Finder(0.3), DETECTOR_CONFIDENCE, Crop, id="without a card the usual one"),
        pytest.param(Finder(0.1), DETECTOR_CONFIDENCE, Blank, id="below it nothing is cropped"),
        pytest.param(Finder(0.3, confidence=None), DETECTOR_CONFIDENCE, Crop, id="a card that asks for none"),
        pytest.param(Finder(0.3, confidence=0.35), 0.35, Blank, id="a card that asks for more"),
        pytest.param(Finder(0.1, confidence=0.05), 0.05, Crop, id="a card that asks for less"),
        pytest.param(Finder(0.1, confidence=0.0), 0.0, Crop, id="a card that asks for nothing at all"),
    ],
)
def test_the_card_of_the_detector_says_which_boxes_are_looked_at(finder, least, kind):
    assert confidence_of(finder) == least
    (told,) = next(cut_crops([Image.new("RGB", (16, 12))], ColourEncoder(["a"]), finder))
    assert isinstance(told, kind)
