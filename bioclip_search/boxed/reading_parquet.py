"""The set of boxes in a Parquet file whose rows hold a picture and its boxes.

    image   struct {bytes, path}, or a path
    objects {bbox [[left, top, width, height]], category}, as Hugging Face's sets of boxes have it; or box_xyxy [left, top, right, bottom]

Other formats are left to the readers beside this room.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.boxed.boxed_set import ORGANISM, SILVER_KEY, BoxedSet, TrueBox, box_from_corner, checked_box, flagged_column, is_organism, told_column
from bioclip_search.boxed.reading_coco import side_px
from bioclip_search.detectors.boxes import Box
from bioclip_search.errors import TableError
from bioclip_search.evaluation.label_tables import BOX, open_parquet
from bioclip_search.evaluation.labelled import NO_SPLIT, pictures_of_files
from bioclip_search.sources.cells import moment_of

COLUMNS = ("objects", "box_xyxy", "split", "source_id", "category", "width", "height", "burst", "deployment", "taken", "silver", "detector_fingerprint")
"""What is read at once; the pictures are read as they are asked for."""


def read_parquet_boxes(file: Path) -> BoxedSet:
    """The set of a Parquet file with the columns image and objects, or image and box_xyxy.

    Silver are all pictures of a set that `silver.writing` wrote, and of others, to which such a set may have been joined, those that tell so or
    name the detector behind their boxes.

    Raises:
        TableError: The file cannot be read, or lacks a column.
    """
    schema = open_parquet(file).schema_arrow
    columns, is_silver_set = schema.names, SILVER_KEY in (schema.metadata or {})
    if "image" not in columns or not {"objects", "box_xyxy"} & set(columns):
        raise TableError(f"{file}: has no columns image and objects (bbox, category), or image and box_xyxy; it has {', '.join(columns)}.")
    told = [name for name in COLUMNS if name in columns]
    rows = parquet.read_table(file, columns=told).to_pylist()
    found, dropped = [], 0
    for number, row in enumerate(rows, start=1):
        try:
            boxes = list(_boxes_of_row(row))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise TableError(
                f"{file}, row {number}: has no boxes that could be read ({type(error).__name__}: {error}). Expected objects with bbox, a list of "
                "[left, top, width, height], and category, as many; or box_xyxy, [left, top, right, bottom]."
            ) from error
        dropped += sum(box is None for box, *_ in boxes)
        found.append(tuple(TrueBox(*one) for one in boxes if one[0] is not None and is_organism(one[1])))
    table = pa.table({"image": pa.nulls(len(rows), pa.string()), "box_xyxy": pa.nulls(len(rows), BOX)})
    return BoxedSet(
        name=file.stem,
        boxes=tuple(found),
        parts=np.array([str(row.get("split") or NO_SPLIT) for row in rows], object),
        names=tuple(f"{file.stem}/{row.get('source_id') or f'row {number}'}" for number, row in enumerate(rows, start=1)),
        pictures=partial(pictures_of_files, ((file, table),)),
        dropped=dropped,
        bursts=told_column(row.get("burst") for row in rows),
        deployments=told_column(row.get("deployment") for row in rows),
        taken=told_column(moment_of(row.get("taken")) for row in rows),
        sizes_wh=_sizes(rows, columns),
        silver=flagged_column(is_silver_set or row.get("silver") or row.get("detector_fingerprint") for row in rows),
    )


def _sizes(rows: list[dict[str, Any]], columns: list[str]) -> np.ndarray | None:
    if not {"width", "height"} <= set(columns):
        return None
    return np.array([(side_px(row["width"]), side_px(row["height"])) for row in rows], np.int64).reshape(-1, 2)


def _boxes_of_row(row: dict[str, Any]) -> Iterator[tuple[Box | None, str, bool]]:
    """The boxes of a row with their categories and whether they are crowds; None for those without an area."""
    objects = row.get("objects")
    if objects is not None:
        corners = objects["bbox"] or []
        categories, crowds = objects.get("category") or [ORGANISM] * len(corners), objects.get("iscrowd") or [False] * len(corners)
        for corner, category, is_crowd in zip(corners, categories, crowds, strict=True):
            yield box_from_corner(corner), str(category), bool(is_crowd)
    elif row.get("box_xyxy"):
        yield checked_box(row["box_xyxy"]), str(row.get("category") or ORGANISM), False
