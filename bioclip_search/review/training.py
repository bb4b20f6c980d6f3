"""What people decided as pictures to learn from: Parquet with each crop cut out, as `train encoder`, `evaluate` and `calibrate` read it.

Which crops have a label is left to `labels`. Pictures are opened one by one and written some at a time, so memory stays flat.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import PictureError, RunError
from bioclip_search.images import crop, open_picture
from bioclip_search.prompts import RANKS
from bioclip_search.review.labels import LabelledCrop, LabelReport, labelled_crops, without_taxon
from bioclip_search.runs.folder import Run
from bioclip_search.swapping import whole_file

JPEG_QUALITY = 95
"""Hardly less than was there; the crop has been compressed once already."""

ROWS_AT_ONCE = 64

SCHEMA = pa.schema(
    [
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("source_id", pa.string()),
        *(pa.field(rank, pa.string()) for rank in (*RANKS, "common_name")),
        pa.field("label_rank", pa.string()),
        pa.field("split", pa.string()),
        pa.field("verdict", pa.string()),
        pa.field("who", pa.string()),
    ]
)


def write_training(run: Run, out: Path) -> LabelReport:
    """Writes the crops that people named, whole or not at all; the pictures must still be where the run found them.

    Raises:
        RunError: The run cannot be read, or the file not be written.
    """
    counts = {"rows": 0, "of_videos": 0, "unread": 0}
    rows = _rows(run, counts)
    try:
        with whole_file(out) as part, parquet.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
            while several := list(islice(rows, ROWS_AT_ONCE)):
                writer.write_table(pa.Table.from_pylist(several, SCHEMA))
    except OSError as error:
        raise RunError(f"{out}: the pictures cannot be written ({error.strerror or error}).") from error
    return LabelReport(**counts, without_taxon=without_taxon(run))


def _rows(run: Run, counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The rows one by one; what cannot be one is counted."""
    for label in labelled_crops(run):
        if label.picture.frame_number is not None:
            counts["of_videos"] += 1
            continue
        data = _cut_out(run, label)
        counts["unread" if data is None else "rows"] += 1
        if data is not None:
            yield _row(label, data)


def _row(label: LabelledCrop, data: bytes) -> dict[str, Any]:
    decision, name = label.decision, f"{label.picture.image}#{label.decision.crop}"
    own = label.crop.answer if label.crop else None
    return {
        **{rank: decision.lineage.get(rank) for rank in RANKS},
        "image": {"bytes": data, "path": label.picture.image},
        "source_id": name,
        "common_name": own.common_name if own is not None and own.taxon == decision.taxon else None,
        "label_rank": decision.rank,
        "split": "train",
        "verdict": decision.verdict,
        "who": decision.who,
    }


def _cut_out(run: Run, label: LabelledCrop) -> bytes | None:
    """The crop as JPEG, cut as the encoder saw it; None where the picture is gone or broken."""
    from bioclip_search.detectors.boxes import crop_box

    path = run.find(label.picture.image)
    if path is None:
        return None
    try:
        picture = open_picture(path)
    except PictureError:
        return None
    part = picture if label.box_xyxy is None else crop(picture, crop_box(label.box_xyxy, picture.size))
    data = io.BytesIO()
    part.convert("RGB").save(data, "JPEG", quality=JPEG_QUALITY)
    return data.getvalue()
