"""Reads back the CSV that `csv_table` writes: all that a run tells but the vectors.

What the columns mean is left to `rows` and `runs.table`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from bioclip_search.errors import ExportError, SourceError
from bioclip_search.runs.folder import BATCH_ROWS
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.runs.table import schema, to_pictures
from bioclip_search.standards.collection import WHOLE, Standing
from bioclip_search.standards.csv_table import open_to_read, read_rows, unsafe
from bioclip_search.standards.reading.exported import UNREADABLE, ExportedRun, sound
from bioclip_search.standards.rows import COLUMNS, NESTED

SIDES = ("left", "top", "right", "bottom")


def read_csv(path: Path) -> ExportedRun:
    """
    Raises:
        SourceError: The file has other columns than those of `export --to csv`.
    """
    try:
        with open_to_read(path) as file:
            header = next(csv.reader(file), [])
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read ({error}).") from error
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise SourceError(f"{path}: is no CSV of `export --to csv`, for it lacks {', '.join(missing[:5])}. Expected all of its columns.")
    return ExportedRun("csv", path, lambda: _pictures(path), decided=lambda: _decided(path), notes=("The vectors are not kept in it.",))


def _pictures(path: Path) -> Iterator[TaggedPicture]:
    try:
        yield from map(sound, to_pictures(_batches(path)))
    except UNREADABLE as error:
        raise SourceError(f"{path}: holds something that no run holds ({error!r}).") from error


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    rows = _told(path)
    while some := list(islice(rows, BATCH_ROWS)):
        try:
            yield pa.RecordBatch.from_pylist([_typed(path, number, row) for number, row in some], schema(None))
        except (ValueError, OverflowError, TypeError, pa.ArrowException) as error:
            raise SourceError(f"{path}, rows {some[0][0]} to {some[-1][0]}: hold something that no row of a run holds ({error}).") from error


def _told(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        for number, row in enumerate(read_rows(path), 2):
            yield number, {name: unsafe(text) for name, text in row.items()}
    except (ExportError, csv.Error, OSError) as error:
        raise SourceError(f"{path}: cannot be read ({error}).") from error


def _typed(path: Path, number: int, row: dict[str, str]) -> dict[str, Any]:
    try:
        cells = {one.name: _value(one, row[one.name]) for one in schema(None) if one.name in row}
        sides = [float(row[side]) for side in SIDES if row[side]]
    except (RecursionError, *UNREADABLE) as error:
        raise SourceError(f"{path}, row {number}: cannot be understood ({error}).") from error
    if len(sides) not in (0, 4):
        raise SourceError(f"{path}, row {number}: has {len(sides)} sides of a box, where four or none were expected.")
    return cells | {"box_xyxy": sides or None}


def _value(field: pa.Field, text: str) -> Any:
    if not text:
        return None
    if field.name in NESTED:
        return json.loads(text)
    if pa.types.is_boolean(field.type):
        return {"True": True, "False": False, "true": True, "false": False}[text] if text.lower() in ("true", "false") else None
    if pa.types.is_timestamp(field.type):
        return datetime.fromisoformat(text)
    if pa.types.is_integer(field.type):
        return int(text)
    return float(text) if pa.types.is_floating(field.type) else text


def _decided(path: Path) -> Iterator[tuple[str, int, Standing]]:
    for number, row in _told(path):
        if row["verdict"]:
            try:
                yield _decision(row)
            except UNREADABLE as error:
                raise SourceError(f"{path}, row {number}: its decision cannot be understood ({error}).") from error


def _decision(row: dict[str, str]) -> tuple[str, int, Standing]:
    taxon = row["stands_taxon"] or None
    lineage = {str(rank): str(name) for rank, name in json.loads(row["stands_lineage"] or "{}").items()}
    by = {"verdict": row["verdict"], "who": row["decided_by"], "when": datetime.fromisoformat(row["decided_at"]), "note": row["decision_note"] or None}
    stands = Standing(row["stands"], taxon, row["stands_rank"] or None, row["stands_common_name"] or None, lineage, **by)
    return row["media_id"], int(row["crop"]) if row["crop"] else WHOLE, stands
