"""Writes sets of boxes as Parquet, a file for each part with the bytes of the pictures in it, as Hugging Face's sets of boxes have it.

Reading it back is `reading_parquet`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.boxed.boxed_set import BoxedSet, TrueBox, kept
from bioclip_search.boxed.picture_files import with_safe_parts
from bioclip_search.images import open_file
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_folder
from bioclip_search.stream import in_blocks

ROWS_AT_ONCE = 64
"""Pictures that are held at once, and that a row group has."""

MARK = "boxes.txt"
"""A file by which a folder of this writer is known."""

SCHEMA = pa.schema(
    [
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("width", pa.int64()),
        pa.field("height", pa.int64()),
        pa.field("objects", pa.struct([("bbox", pa.list_(pa.list_(pa.float64()))), ("category", pa.list_(pa.string())), ("iscrowd", pa.list_(pa.bool_()))])),
        pa.field("source_id", pa.string()),
        pa.field("split", pa.string()),
        pa.field("burst", pa.string()),
        pa.field("deployment", pa.string()),
        pa.field("taken", pa.string()),
        pa.field("silver", pa.bool_()),
    ],
    {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})},
)


def write_parquet(sets: Sequence[BoxedSet], out: Path, *, overwrite: bool = False) -> Path:
    """The folder, which stands there only when it is whole: PART.parquet for each part of the examined sets.

    Raises:
        ExportError: There is something at `out`, or it cannot be written.
    """
    sets = with_safe_parts(sets)
    with fresh_folder(out, MARK, ExportOptions(overwrite=overwrite)) as fresh:
        (fresh / MARK).write_text("Pictures with boxes, a Parquet file for each part: image, objects {bbox [[left, top, width, height]], category}\n")
        for part in sorted({part for boxed in sets for part in boxed.parts.tolist()}):
            with parquet.ParquetWriter(fresh / f"{part}.parquet", SCHEMA) as writer:
                for boxed in sets:
                    _write_set(kept(boxed, boxed.parts == part), part, writer)
    return out


def _write_set(boxed: BoxedSet, part: str, writer: parquet.ParquetWriter) -> None:
    numbered = enumerate(boxed.pictures(np.ones(len(boxed), bool)))
    for block in in_blocks(numbered, ROWS_AT_ONCE):
        writer.write_table(pa.Table.from_pylist([_row(boxed, row, picture, part) for row, picture in block], SCHEMA))


def _row(boxed: BoxedSet, row: int, picture: bytes | Path, part: str) -> dict[str, Any]:
    width, height = boxed.sizes_wh[row].tolist()
    return {
        "image": {"bytes": _bytes_of(picture), "path": None},
        "width": width,
        "height": height,
        "objects": _objects(boxed.boxes[row]),
        "source_id": boxed.names[row],
        "split": part,
        "burst": None if boxed.bursts is None else boxed.bursts[row],
        "deployment": None if boxed.deployments is None else boxed.deployments[row],
        "taken": None if boxed.taken is None else boxed.taken[row],
        "silver": None if boxed.silver is None else bool(boxed.silver[row]),
    }


def _objects(boxes: Sequence[TrueBox]) -> dict[str, list[Any]]:
    sides = [box.box_xyxy for box in boxes]
    corners = [[left, top, right - left, bottom - top] for left, top, right, bottom in sides]
    return {"bbox": corners, "category": [box.category for box in boxes], "iscrowd": [box.is_crowd for box in boxes]}


def _bytes_of(picture: bytes | Path) -> bytes:
    if isinstance(picture, bytes):
        return picture
    with open_file(picture) as (file, _):
        return file.read()
