from __future__ import annotations

import math

import pytest

from bioclip_search.errors import TableError
from bioclip_search.geography import Place


@pytest.mark.parametrize(
    ("words", "place"),
    [
        pytest.param({"country": "no"}, Place("NOR"), id="two letters"),
        pytest.param({"country": " nor "}, Place("NOR"), id="small letters and spaces"),
        pytest.param({"country": "US", "region": "US-nj"}, Place("USA", "NJ"), id="a region with its country"),
        pytest.param({"country": "USA", "region": "NJ"}, Place("USA", "NJ"), id="a region alone"),
        pytest.param({"near": "59.91, 10.75"}, Place(point=(59.91, 10.75)), id="a point as text"),
        pytest.param({"near": (-90, 180)}, Place(point=(-90.0, 180.0)), id="the edge of the map"),
        pytest.param({}, Place(), id="anywhere"),
    ],
)
def test_places_are_read_as_people_write_them(words, place):
    assert Place.of(**words) == place


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param({"country": "Norway"}, r"'Norway' is no country code; give two or three letters", id="a name"),
        pytest.param({"country": "GER"}, r"did you mean DEU\?", id="an Olympic code"),
        pytest.param({"country": "NOE"}, r"did you mean NOR, ", id="a slip"),
        pytest.param({"country": ""}, "is no country code", id="nothing"),
        pytest.param({"region": "NJ"}, "needs its country", id="a region without a country"),
        pytest.param({"country": "USA", "region": "CA-ON"}, "'CA-ON' is no region of USA", id="a region of another country"),
        pytest.param({"country": "USA", "region": "New Jersey"}, "give its code of ISO 3166-2", id="a region's name"),
        pytest.param({"near": "59.91"}, "latitude first", id="one number"),
        pytest.param({"near": "N59 E10"}, "latitude first", id="no numbers"),
        pytest.param({"near": "120.5,15.2"}, "wrong way round", id="longitude first"),
        pytest.param({"near": (math.nan, 0)}, "no point on Earth", id="no number"),
        pytest.param({"near": "200,200"}, "no point on Earth", id="off the map"),
        pytest.param({"near": ("1", None)}, "latitude first", id="half a point"),
    ],
)
def test_words_that_name_no_place_are_refused_with_what_was_expected(words, message):
    with pytest.raises(TableError, match=message):
        Place.of(**words)


@pytest.mark.parametrize(
    ("place", "words"), [(Place("USA", "NJ"), "USA-NJ"), (Place("PER"), "PER"), (Place(point=(1.5, -3)), "1.5, -3"), (Place(), "anywhere")]
)
def test_a_place_says_itself_as_it_was_given(place, words):
    assert str(place) == words
