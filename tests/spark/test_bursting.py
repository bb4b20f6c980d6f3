"""Bursts by window functions are those of the local code."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.bursts.sequences import COLUMNS, group, pictures_of
from bioclip_search.media import media_id
from bioclip_search.runs.table import schema

pytestmark = [pytest.mark.spark, pytest.mark.slow]

NOON = datetime(2020, 6, 5, 12)


def table_of(rows: list[dict]) -> pa.Table:
    told = [row | {"media_id": media_id(row["image"], row.get("frame_number"))} for row in rows]
    return pa.Table.from_pylist(told, pa.schema([schema(None).field(name) for name in COLUMNS]))


def by_spark(spark, table: pa.Table, gap_s: float = 60.0) -> dict[str, str]:
    import bioclip_search as bs

    rows = [tuple(row[name] for name in COLUMNS) for row in table.to_pylist()]
    kinds = "media_id string, image string, frame_number int, timestamp timestamp_ntz, utc_offset_min smallint, deployment string"
    return {row["media_id"]: row["sequence_id"] for row in bs.spark.sequences(spark.createDataFrame(rows, kinds), gap_s).collect()}


def by_hand(table: pa.Table, gap_s: float = 60.0) -> dict[str, str]:
    grouping = group(pictures_of(table.to_batches()), gap_s)
    return {f"{one:016x}": grouping.name(number) for one, number in zip(grouping.pictures.ids.tolist(), grouping.of.tolist(), strict=True)}


def test_three_of_four_pictures_are_one_sequence(spark):
    """At 0, 50, 100 and 170 s: the pauses are 50, 50 and 70 s, and 70 is more than 60."""
    table = table_of([{"image": f"a/{second}.jpg", "timestamp": NOON + timedelta(seconds=second)} for second in (0, 50, 100, 170)])
    found = by_spark(spark, table)
    first, *others, last = (found[media_id(f"a/{second}.jpg")] for second in (0, 50, 100, 170))
    assert others == [first, first]
    assert last != first == f"s{media_id('a/0.jpg')}"


def test_stills_videos_zones_and_timeless_ones_are_grouped_as_on_one_machine(spark):
    random = np.random.default_rng(0)
    rows = []
    for number, second in enumerate(np.sort(random.choice(200_000, 2500, replace=False))):
        rows.append(
            {
                "image": f"{'abc'[number % 3]}/{number:05}.jpg",
                "timestamp": None if number % 17 == 0 else NOON + timedelta(seconds=int(second)),
                "utc_offset_min": 120 if number % 5 == 0 else None,
                "deployment": "plot" if number % 7 == 0 else None,
            }
        )
    rows += [{"image": "a/film.mp4", "frame_number": frame, "timestamp": NOON + timedelta(seconds=90 * frame)} for frame in range(5)]
    rows += [{"image": f"long/{number:05}.jpg", "timestamp": NOON + timedelta(seconds=number)} for number in range(2100)]
    table = table_of(rows)
    ours, theirs = by_spark(spark, table), by_hand(table)
    assert ours == theirs
    assert len({ours[media_id(row["image"])] for row in rows[-2100:]}) == 3  # 1000, 1000 and 100
    assert len({ours[media_id("a/film.mp4", frame)] for frame in range(5)}) == 1
