"""The settings of a training by ultralytics: what cannot be is refused in words, and what decides stands in the fingerprint."""

from dataclasses import replace

import pytest

from bioclip_search.errors import TableError
from bioclip_search.train.yolo.settings import YoloSettings

SETTINGS = YoloSettings("yolo11n")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 0}, "epochs to be a whole number from 1"),
        ({"epochs": 2.5}, "epochs"),
        ({"batch": -1}, "batch"),
        ({"image_px": 100}, "multiple of 32"),
        ({"categories": "some"}, "own or one"),
        ({"max_mb": 0.0}, "max_mb above 0"),
        ({"min_speed": float("nan")}, "min_speed above 0"),
        ({"recipe": {"data": 1.0}}, "Unknown settings data"),
        ({"recipe": {"project": 1.0, "lr0": 0.1}}, "Unknown settings project"),
    ],
)
def test_what_cannot_be_is_refused(changes, reason):
    with pytest.raises(TableError, match=reason):
        replace(SETTINGS, **changes)


def test_the_fingerprint_tells_what_decides_the_weights_and_nothing_else():
    same = SETTINGS.fingerprint("pictures")
    for changes in ({"max_mb": 8.0}, {"min_speed": 1.0}, {"device": "cuda"}):
        assert replace(SETTINGS, **changes).fingerprint("pictures") == same
    for changes in ({"epochs": 3}, {"seed": 1}, {"recipe": {"lr0": 0.1}}, {"start": "yolo12n"}, {"image_px": 320}, {"batch": 2}, {"categories": "one"}):
        assert replace(SETTINGS, **changes).fingerprint("pictures") != same
    assert SETTINGS.fingerprint("others") != same
