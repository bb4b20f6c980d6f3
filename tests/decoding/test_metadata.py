from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bioclip_search.decoding.metadata import video_facts
from bioclip_search.media import NO_FACTS, Facts

CREATED = {"creation_time": "2021-05-01T12:00:00.000000Z"}
NOON = datetime(2021, 5, 1, 12)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param(CREATED, NOON, id="the camera's own time"),
        pytest.param({"creation_time": "2015-08-12 14:05:11"}, datetime(2015, 8, 12, 14, 5, 11), id="as FFmpeg tells an AVI's"),
        pytest.param({"creation_time": "1970"}, None, id="a year alone"),
        pytest.param({"date": "2021-05-01 12:00:00"}, NOON, id="only a date"),
        pytest.param(CREATED | {"com.android.version": "9"}, NOON.replace(tzinfo=UTC), id="Android writes UTC"),
        pytest.param(
            CREATED | {"com.apple.quicktime.creationdate": "2021-05-01T14:00:00+0200"},
            datetime(2021, 5, 1, 14, tzinfo=timezone(timedelta(hours=2))),
            id="Apple writes the zone",
        ),
    ],
)
def test_times(metadata, expected):
    taken = video_facts(metadata).timestamp
    assert taken == expected
    assert (taken and taken.tzinfo) == (expected and expected.tzinfo)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("+27.9881+086.9250+8848/", (27.9881, 86.925), id="with a height"),
        pytest.param("-12.5-069.0/", (-12.5, -69.0), id="south and west"),
        pytest.param("+275916+0865531/", (None, None), id="degrees, minutes and seconds in one, which is not read"),
        pytest.param("+97.0+010.0/", (None, None), id="north of the pole"),
        pytest.param("the forest", (None, None), id="words"),
    ],
)
def test_places(words, expected):
    facts = video_facts({"location": words})
    assert (facts.latitude, facts.longitude) == expected


def test_cameras():
    assert video_facts({"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 12"}) == Facts(camera="Apple iPhone 12")
    assert video_facts({"handler_name": "VideoHandle"}) == NO_FACTS
