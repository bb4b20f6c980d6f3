"""When and where the rows of a table of pictures were taken, and in which sequence, whatever its columns are called.

Knows columns and cells only; which pictures that makes one burst is left to `burst_names`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pyarrow as pa

from bioclip_search.sources.cells import COLUMNS, day_first_of, find_columns, is_slashed, moment_of, text_of

SEQUENCE_COLUMNS = ("sequenceid", "seqid", "burstid", "burst", "eventid")
"""Columns that name a burst, without case and punctuation, likeliest first: sequence_id (Wildlife Insights), seq_id (COCO Camera Traps, LILA),
eventID (Darwin Core, Camtrap DP)."""

STATION = ("deployment", "place", "camera")
WHEN = ("timestamp", "date", "time")

TAKEN_COLUMNS = ("sequence", "station", "taken")
"""What `taken_columns` gives: texts, the last in ISO 8601, with a zone where one is told and without a time of day where none is."""


def is_taken_column(name: str) -> bool:
    """Whether a column tells of the taking of a picture."""
    plain = _plain(name)
    return plain in SEQUENCE_COLUMNS or any(plain in COLUMNS[thing] for thing in (*STATION, *WHEN))


def taken_columns(table: pa.Table) -> dict[str, pa.Array]:
    """The sequence, station and time of the rows of a table, (n,) texts each, all null where it has no such column."""
    plain = {_plain(name): name for name in reversed(table.column_names)}
    named = next((plain[alias] for alias in SEQUENCE_COLUMNS if alias in plain), None)
    found = find_columns(table.column_names, (*STATION, *WHEN))
    stations = [_texts(table, found[thing]) for thing in STATION if thing in found]
    return {
        "sequence": pa.array(_texts(table, named) if named else [None] * len(table), pa.string()),
        "station": pa.array([" / ".join(filter(None, parts)) or None for parts in zip(*stations, strict=True)] or [None] * len(table), pa.string()),
        "taken": pa.array(_taken(table, found), pa.string()),
    }


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def _texts(table: pa.Table, name: str) -> list[str | None]:
    return [text_of(value) for value in table[name].to_pylist()]


def _taken(table: pa.Table, found: dict[str, str]) -> list[str | None]:
    """When each row was taken in ISO 8601: a column of times, or of days with the time of day beside it or not."""
    columns = {thing: table[found[thing]].to_pylist() for thing in WHEN if thing in found}
    days = columns.get("timestamp") or columns.get("date")
    if not days:
        return [None] * len(table)
    clocks = columns["time"] if "time" in columns and "timestamp" not in columns else [None] * len(table)
    day_first = day_first_of(days) if any(map(is_slashed, days)) else None
    return [_iso(day, clock, day_first) for day, clock in zip(days, clocks, strict=True)]


def _iso(day: Any, clock: Any, day_first: bool | None) -> str | None:
    words = text_of(day)
    with_clock = f"{words} {text_of(clock)}" if words and clock is not None and text_of(clock) else day
    moment = moment_of(with_clock, day_first=day_first)
    if moment is not None:
        return moment.isoformat()
    midnight = moment_of(day, clock=datetime.min.time(), day_first=day_first)
    return None if midnight is None else midnight.date().isoformat()
