from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from bioclip_search.sources.cells import day_first_of, moment_of, place_of

MOMENT = datetime(2020, 5, 6, 16, 7, 8)


@pytest.mark.parametrize(
    "words",
    [
        "2020-05-06 16:07:08",
        "2020:05:06 16:07:08",
        "2020/5/6 16:07:08",
        "2020-05-06T16:07:08",
        "6.5.2020 16:07:08",
        "06-May-2020 16:07:08",
        "6 may 2020 4:07:08 PM",
    ],
)
def test_times_of_many_programs_are_read(words):
    assert moment_of(words) == MOMENT


@pytest.mark.parametrize("words", ["2020-05-06T16:07:08Z", "2020-05-06 16:07:08 +00:00", "2020-05-06 18:07:08+0200"])
def test_zones_are_kept(words):
    assert moment_of(words) == MOMENT.replace(tzinfo=UTC)
    assert moment_of(words).utcoffset() in (timedelta(0), timedelta(hours=2))


@pytest.mark.parametrize(
    "words", [None, "", "NA", float("nan"), "2020-05-06", date(2020, 5, 6), "0000:00:00 00:00:00", "05/06/2020 10:00", "yesterday", "2020-13-01 10:00", "12:00"]
)
def test_what_is_no_time_in_one_way_only_is_none(words):
    assert moment_of(words) is None


def test_a_day_alone_is_read_where_the_time_of_day_is_given():
    assert moment_of("2020-05-06", clock=time.max) == moment_of(date(2020, 5, 6), clock=time.max) == datetime(2020, 5, 6, 23, 59, 59, 999999)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("12:05 AM", time(0, 5)), ("12:05 pm", time(12, 5)), ("1:05 p.m.", time(13, 5)), ("11:05:09 AM", time(11, 5, 9)), ("9:05", time(9, 5))],
)
def test_halves_of_the_day_are_read(words, expected):
    assert moment_of(f"2020-05-06 {words}").time() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["05/06/2020", "13/06/2020"], True, id="a 13th in the first place"),
        pytest.param(["05/06/2020", "05/13/2020 10:00"], False, id="a 13th in the second place"),
        pytest.param(["05/06/2020"], None, id="no day beyond the 12th"),
        pytest.param(["13/06/2020", "05/13/2020"], None, id="a contradiction"),
        pytest.param([], None, id="nothing"),
        pytest.param(["2020-06-13", None, 3], None, id="other things"),
    ],
)
def test_a_day_beyond_the_twelfth_shows_which_is_the_day(values, expected):
    assert day_first_of(values) is expected


def test_the_order_of_days_is_taken_as_told():
    assert moment_of("05/06/2020 10:00", day_first=True) == datetime(2020, 6, 5, 10)
    assert moment_of("05/06/2020 10:00", day_first=False) == datetime(2020, 5, 6, 10)
    assert moment_of("05/13/2020 10:00", day_first=True) is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("51,5", "-4.25"), (51.5, -4.25)),
        ((90, 180), (90.0, 180.0)),
        ((91, 0), None),
        ((1, None), None),
        ((0, 0.0), None),
        (("nan", 1), None),
        (("x", 1), None),
        ((0, 5), (0.0, 5.0)),
    ],
)
def test_places_are_degrees_on_the_globe(cells, expected):
    assert place_of(*cells) == expected
