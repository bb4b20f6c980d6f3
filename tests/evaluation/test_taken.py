"""When, where and in which sequence rows were taken is read under whatever name the columns go by."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from bioclip_search.evaluation.taken import is_taken_column, taken_columns


def taken(**columns):
    return {name: values.to_pylist() for name, values in taken_columns(pa.table(columns)).items()}


@pytest.mark.parametrize("name", ["seq_id", "Sequence ID", "eventID", "burst", "deploymentID", "Station", "DateTimeOriginal", "date", "camera"])
def test_columns_are_known_by_many_names(name):
    assert is_taken_column(name)


@pytest.mark.parametrize("name", ["species", "image", "split", "burstiness", "updated"])
def test_other_columns_are_left_alone(name):
    assert not is_taken_column(name)


def test_a_table_without_such_columns_tells_nothing():
    assert taken(species=["Puma concolor"]) == {"sequence": [None], "station": [None], "taken": [None]}


def test_a_stay_of_several_columns_is_told_by_all_of_them():
    assert taken(site=["ridge", "ridge"], camera=["1", None])["station"] == ["ridge / 1", "ridge"]


def test_days_and_times_of_day_are_joined():
    told = taken(Date=["13/06/2020", "05/06/2020"], Time=["10:00", None])
    assert told["taken"] == ["2020-06-13T10:00:00", "2020-06-05"]


def test_times_keep_their_zone_and_days_have_none():
    moments = pa.array([datetime(2020, 5, 30, 4, 57, tzinfo=UTC)], pa.timestamp("s", "UTC"))
    assert taken(timestamp=moments)["taken"] == ["2020-05-30T04:57:00+00:00"]
    assert taken(date=pa.array([date(2020, 5, 30)]))["taken"] == ["2020-05-30"]


def test_a_time_that_can_be_read_in_two_ways_is_none():
    assert taken(timestamp=["05/06/2020 10:00"])["taken"] == [None]
