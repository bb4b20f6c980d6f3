"""A run as flat rows for spreadsheets: one a box, one for a picture without boxes, with all that a run tells but the vectors.

How cells are written is left to `csv_table` and `spreadsheet`; reading rows back to `reading.csv_rows`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bioclip_search.runs.table import ANSWER_FIELDS, PICTURE_FIELDS, answer_cells, picture_cells
from bioclip_search.standards.collection import SeenCrop, SeenPicture, Standing

CROP_COLUMNS = ("crop", "category", "detector_confidence", "left", "top", "right", "bottom")
"""Sides in pixels of the upright picture; all empty for the whole of it."""

STANDING_COLUMNS = (
    *("stands", "stands_taxon", "stands_rank", "stands_common_name", "stands_lineage"),
    *("verdict", "decided_by", "decided_at", "decision_note", "is_repeat", "sequence"),
)
"""What holds after people looked, whatever the machine's own columns say; its lineage is told where a person decided."""

NESTED = ("ladder", "alternatives", "beyond_calibration", "without_place", "removed")
"""Columns of the machine's answer whose cells are JSON."""

COLUMNS = (*(one.name for one in PICTURE_FIELDS), *CROP_COLUMNS, *STANDING_COLUMNS, *(one.name for one in ANSWER_FIELDS))


def rows_of(seen: SeenPicture) -> Iterator[dict[str, Any]]:
    """The rows of a picture by `COLUMNS`; texts, numbers, truth values and None, times in ISO 8601."""
    about = _about(seen)
    if not seen.crops:
        yield about | _standing_cells(seen.whole or Standing(seen.status)) | {"status": seen.picture.status}
    for crop in seen.crops:
        yield about | _crop_cells(crop) | _standing_cells(crop.stands)


def _about(seen: SeenPicture) -> dict[str, Any]:
    cells = picture_cells(seen.picture)
    stamp = cells["timestamp"]
    return cells | {"timestamp": stamp.isoformat(" ", _spec(stamp.microsecond)) if stamp else None, "sequence": seen.sequence}


def _spec(microsecond: int) -> str:
    return "milliseconds" if microsecond else "seconds"


def _crop_cells(seen: SeenCrop) -> dict[str, Any]:
    crop = seen.crop
    cells: dict[str, Any] = {"status": crop.status, "crop": crop.number, "category": crop.category, "detector_confidence": crop.confidence}
    cells |= dict(zip(("left", "top", "right", "bottom"), crop.box_xyxy or [None] * 4, strict=True)) | {"is_repeat": seen.is_repeat or None}
    if crop.answer is None:
        return cells
    cells |= answer_cells(crop.answer)
    return cells | {name: json.dumps(cells[name]) if cells[name] else None for name in NESTED}


def _standing_cells(stands: Standing) -> dict[str, Any]:
    return {
        "stands": stands.status,
        "stands_taxon": stands.taxon,
        "stands_rank": stands.rank,
        "stands_common_name": stands.common_name,
        "stands_lineage": json.dumps(dict(stands.lineage)) if stands.is_decided and stands.lineage else None,
        "verdict": stands.verdict,
        "decided_by": stands.who,
        "decided_at": stands.when.isoformat() if stands.when else None,
        "decision_note": stands.note,
    }
