"""The same records as rows of Parquet: one a box, and one for a picture without boxes; pandas reads them alone.

Knows columns and nothing of folders, which are `folder`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from bioclip_search.media import Facts
from bioclip_search.prompts import RANKS
from bioclip_search.results import Alternative, Answer, Rung, WithoutPlace
from bioclip_search.runs.record import FAILED, TaggedCrop, TaggedPicture

_RUNG = pa.struct([("rank", pa.string()), ("taxon", pa.string()), ("probability", pa.float64())])
_OTHER = pa.struct([("taxon", pa.string()), ("rank", pa.string()), ("probability", pa.float64()), ("common_name", pa.string())])
_WITHOUT = pa.struct([("taxon", pa.string()), ("rank", pa.string()), ("probability", pa.float64()), ("chance", pa.float64())])

PICTURE_FIELDS = (
    pa.field("media_id", pa.string()),
    pa.field("image", pa.string()),
    pa.field("content_hash", pa.string()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("frame_number", pa.int32()),
    pa.field("frame_rate", pa.float64()),
    pa.field("timestamp", pa.timestamp("ms")),
    pa.field("utc_offset_min", pa.int16()),
    pa.field("latitude", pa.float64()),
    pa.field("longitude", pa.float64()),
    pa.field("camera", pa.string()),
    pa.field("deployment", pa.string()),
    pa.field("status", pa.string()),
    pa.field("reason", pa.string()),
    pa.field("error", pa.string()),
)
"""What is told of the picture on each of its rows; `timestamp` is local time, whose zone is `utc_offset_min` where it is known."""

CROP_FIELDS = (
    pa.field("crop", pa.int32()),
    pa.field("category", pa.string()),
    pa.field("detector_confidence", pa.float64()),
    pa.field("box_xyxy", pa.list_(pa.float64())),
)

ANSWER_FIELDS = (
    pa.field("taxon", pa.string()),
    pa.field("rank", pa.string()),
    pa.field("common_name", pa.string()),
    pa.field("probability", pa.float64()),
    pa.field("chance", pa.float64()),
    pa.field("rule", pa.string()),
    *(pa.field(rank, pa.string()) for rank in RANKS),
    pa.field("ladder", pa.list_(_RUNG)),
    pa.field("alternatives", pa.list_(_OTHER)),
    pa.field("beyond_calibration", pa.list_(pa.string())),
    pa.field("place", pa.string()),
    pa.field("out_of_range", pa.bool_()),
    pa.field("without_place", _WITHOUT),
    pa.field("removed", _OTHER),
    pa.field("index", pa.string()),
    pa.field("encoder", pa.string()),
)

EMBEDDING = "embedding"


def schema(dim: int | None) -> pa.Schema:
    """The columns of a run whose encoder makes vectors of `dim` numbers; None keeps no vectors."""
    vectors = [] if dim is None else [pa.field(EMBEDDING, pa.list_(pa.float16(), dim))]
    return pa.schema([*PICTURE_FIELDS, *CROP_FIELDS, *ANSWER_FIELDS, *vectors])


def to_table(pictures: Iterable[TaggedPicture], dim: int | None) -> pa.Table:
    """The rows of the pictures in their order, (n,) with n = 0 for none."""
    rows: list[dict[str, Any]] = []
    vectors: list[np.ndarray | None] = []
    for picture in pictures:
        rows += _rows(picture)
        vectors += [crop.embedding for crop in picture.crops] or [None]
    table = pa.Table.from_pylist(rows, schema(None))
    return table if dim is None else table.append_column(schema(dim).field(EMBEDDING), _vectors(vectors, dim))


def to_pictures(batches: Iterable[pa.RecordBatch]) -> Iterator[TaggedPicture]:
    """The pictures of rows in their order, also where the rows of one are spread over two batches.

    A column that was not read leaves its attribute empty; `media_id` and `crop` must be there.
    """
    rows = (row for batch in batches for row in _with_vectors(batch))
    for _, of_one in groupby(rows, key=lambda row: row["media_id"]):
        yield _picture(list(of_one))


def picture_cells(picture: TaggedPicture) -> dict[str, Any]:
    """What a picture puts into the columns of `PICTURE_FIELDS`, but for the status, which is that of a row."""
    width, height = picture.size_wh or (None, None)
    stamp = picture.facts.timestamp
    offset = stamp.utcoffset() if stamp else None
    return {
        **asdict(picture.facts),
        "media_id": picture.media_id,
        "image": picture.image,
        "content_hash": picture.content_hash,
        "width": width,
        "height": height,
        "frame_number": picture.frame_number,
        "frame_rate": picture.frame_rate,
        "timestamp": stamp.replace(tzinfo=None) if stamp else None,
        "utc_offset_min": None if offset is None else round(offset.total_seconds() / 60),
        "reason": picture.reason,
        "error": picture.error,
    }


def _rows(picture: TaggedPicture) -> list[dict[str, Any]]:
    about = picture_cells(picture)
    if not picture.crops:
        return [about | {"status": picture.status}]
    return [about | {"status": crop.status} | _crop_cells(crop) for crop in picture.crops]


def _crop_cells(crop: TaggedCrop) -> dict[str, Any]:
    cells: dict[str, Any] = {"crop": crop.number, "category": crop.category, "detector_confidence": crop.confidence, "box_xyxy": crop.box_xyxy}
    return cells if crop.answer is None else cells | answer_cells(crop.answer)


def answer_cells(answer: Answer) -> dict[str, Any]:
    """What an answer puts into the columns of `ANSWER_FIELDS`."""
    told = asdict(answer)
    return told.pop("lineage") | {name: told[name] for name in (field.name for field in ANSWER_FIELDS) if name in told}


def _vectors(vectors: list[np.ndarray | None], dim: int) -> pa.Array:
    """A column of vectors, null where there is none."""
    values = np.zeros((len(vectors), dim), np.float16)
    for row, vector in zip(values, vectors, strict=True):
        if vector is not None:
            row[:] = vector
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), dim, mask=pa.array([vector is None for vector in vectors], pa.bool_()))


def _with_vectors(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    if EMBEDDING not in batch.schema.names:
        yield from batch.to_pylist()
        return
    column = batch.column(EMBEDDING)
    values = column.flatten() if column.null_count == 0 else column.values.slice(column.offset * column.type.list_size, len(column) * column.type.list_size)
    vectors = values.to_numpy(zero_copy_only=False).reshape(len(column), -1)
    for row, vector, is_there in zip(batch.drop_columns([EMBEDDING]).to_pylist(), vectors, column.is_valid().to_pylist(), strict=True):
        yield row | {EMBEDDING: vector if is_there else None}


def _picture(rows: list[dict[str, Any]]) -> TaggedPicture:
    first = rows[0]
    size = (first["width"], first["height"]) if first.get("width") else None
    return TaggedPicture(
        image=first.get("image") or "",
        content_hash=first.get("content_hash"),
        size_wh=size,
        facts=Facts(_stamp(first), first.get("latitude"), first.get("longitude"), first.get("camera"), first.get("deployment")),
        frame_number=first.get("frame_number"),
        frame_rate=first.get("frame_rate"),
        crops=tuple(_crop(row) for row in rows if row.get("crop") is not None),
        reason=first.get("reason"),
        error=(first.get("error") or "unknown") if first.get("status") == FAILED else None,
    )


def _stamp(row: dict[str, Any]) -> datetime | None:
    stamp, offset = row.get("timestamp"), row.get("utc_offset_min")
    return stamp if stamp is None or offset is None else stamp.replace(tzinfo=timezone(timedelta(minutes=offset)))


def _crop(row: dict[str, Any]) -> TaggedCrop:
    box = row.get("box_xyxy")
    box = None if box is None else tuple(box)
    answer = answer_of(row, box) if row.get("rule") else None
    return TaggedCrop(row["crop"], row.get("category"), row.get("detector_confidence"), box, answer, row.get(EMBEDDING))


def answer_of(row: dict[str, Any], box: Any = None) -> Answer:
    """The answer of a row that has one.

    Ranks beyond the usual seven stand in the ladder, from which the lineage is read.
    """
    ladder = tuple(Rung(**rung) for rung in row.get("ladder") or ())
    lineage: dict[str, str] = {}
    if row.get("taxon"):
        for rung in ladder:
            lineage[rung.rank] = rung.taxon
            if rung.rank == row["rank"]:
                break
    lineage = lineage or {rank: row[rank] for rank in RANKS if row.get(rank)}
    without, removed = row.get("without_place"), row.get("removed")
    return Answer(
        image=row.get("image") or "",
        box_xyxy=box,
        detector_confidence=row.get("detector_confidence"),
        lineage=lineage,
        ladder=ladder,
        alternatives=tuple(Alternative(**other) for other in row.get("alternatives") or ()),
        beyond_calibration=tuple(row.get("beyond_calibration") or ()),
        without_place=WithoutPlace(**without) if without else None,
        removed=Alternative(**removed) if removed else None,
        index=row.get("index") or "",
        encoder=row.get("encoder") or "",
        probability=row.get("probability"),
        rule=row["rule"],
        **{name: row.get(name) for name in ("taxon", "rank", "common_name", "chance", "place", "out_of_range")},
    )
