"""Reads the pictures a detector learns from: with boxes drawn by people, or proposed by a teacher and remembered.

Proposing is left to `detector_silver`, composing scenes to `detector_scenes`.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from bioclip_search.detectors.boxes import Box
from bioclip_search.errors import PictureError, TableError
from bioclip_search.images import open_picture, size_of
from bioclip_search.train.detector_config import BoxSetConfig, DetectorConfig
from bioclip_search.train.pictures import hash_fraction

log = logging.getLogger(__name__)

SILVER_FILE = "silver.parquet"


@dataclass(frozen=True, eq=False)
class BoxedPicture:
    """A picture and every organism's box in pixels; `taught` is False for a picture that is kept back.

    Attributes:
        data: Its file, whose boxes are those of the upright picture, or its encoded bytes, with boxes as they lie there.
    """

    data: bytes | Path
    boxes_xyxy: tuple[Box, ...]
    set_name: str
    source_id: str
    taught: bool

    def open(self) -> Image.Image:
        """The decoded picture in RGB.

        Raises:
            PictureError: Its file is gone or damaged.
        """
        if isinstance(self.data, Path):
            with self._named():
                return open_picture(self.data)
        with Image.open(io.BytesIO(self.data)) as picture:
            return picture.convert("RGB")

    def size_wh(self) -> tuple[int, int]:
        """The size that the header states; nothing is decoded.

        Raises:
            PictureError: Its file is gone or damaged.
        """
        if isinstance(self.data, Path):
            with self._named():
                return size_of(self.data)
        with Image.open(io.BytesIO(self.data)) as picture:
            return picture.size

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except PictureError as error:
            raise PictureError(f"{self.data} {error}. The pictures of a run must stay as they are until it is done.") from error


def read_boxed(data_root: Path, sets: Sequence[BoxSetConfig]) -> list[BoxedPicture]:
    """Every picture that has a box with an area, in the order of sets, file names and rows.

    Boxes stand in a column `box_xyxy` (one box) or `objects` (`bbox` is a list of left, top, width, height).

    Raises:
        TableError: A set has no files, or a file lacks a column.
    """
    pictures = []
    for entry in sets:
        for row in _rows(data_root, entry):
            boxes = tuple(box for box in _boxes(row, entry) if box[2] - box[0] >= 1 and box[3] - box[1] >= 1)
            if boxes:
                pictures.append(_picture(row, entry, boxes))
    return pictures


def lesson_of(pictures: Sequence[BoxedPicture]) -> str:
    """Sixteen hex digits that differ when other pictures are learned from or kept back, or the same with other boxes."""
    digest = sha256()
    for picture in pictures:
        content = len(picture.data) if isinstance(picture.data, bytes) else picture.data.name
        boxes = [[float(edge) for edge in box] for box in picture.boxes_xyxy]
        digest.update(json.dumps([picture.set_name, picture.source_id, picture.taught, content, boxes]).encode())
    return digest.hexdigest()[:16]


def read_silver(config: DetectorConfig, run: Path, progress: Callable[[int, int], None] | None = None) -> list[BoxedPicture]:
    """The pictures of the silver sets for which the teacher proposes one dominant box; asked once, then kept in `run`.

    Raises:
        TableError: A set has no files, or a file lacks a column.
        ModelError: The teacher's file is missing or no YOLOX model.
    """
    if not config.silver_sets or config.silver_model is None:
        return []
    root = Path(config.data_root)
    plain = [_picture(row, entry, ()) for entry in config.silver_sets for row in _rows(root, entry)]
    plain = [picture for picture in plain if picture.taught]
    boxes = _remembered(config, root / config.silver_model, plain, run / SILVER_FILE, progress)
    return [replace(picture, boxes_xyxy=(box,)) for picture, box in zip(plain, boxes, strict=True) if box]


def _remembered(
    config: DetectorConfig, model: Path, pictures: Sequence[BoxedPicture], cache: Path, progress: Callable[[int, int], None] | None
) -> list[Box | None]:
    """The boxes in the cache if it was made for these pictures by this teacher, or new ones."""
    from bioclip_search.train.detector_silver import YoloxTeacher, propose_boxes

    teacher = YoloxTeacher(model, config.threads)
    names = [[picture.set_name, picture.source_id] for picture in pictures]
    key = sha256(json.dumps([sha256(model.read_bytes()).hexdigest(), config.silver_confidence, names]).encode()).hexdigest()
    if cache.exists():
        table = pq.read_table(cache)
        if (table.schema.metadata or {}).get(b"key") == key.encode():
            return [tuple(box) if box else None for box in table["box_xyxy"].to_pylist()]
    boxes = propose_boxes(teacher, [picture.data for picture in pictures], config.silver_confidence, progress)
    columns = {"set": [name for name, _ in names], "source_id": [source for _, source in names], "box_xyxy": [list(box) if box else None for box in boxes]}
    schema = pa.schema([("set", pa.string()), ("source_id", pa.string()), ("box_xyxy", pa.list_(pa.float32()))], {"key": key})
    part = cache.with_suffix(".part")
    pq.write_table(pa.table(columns, schema), part)
    os.replace(part, cache)
    # Read back, so that a resumed run sees the same numbers as the one that asked the teacher.
    return [tuple(box) if box else None for box in pq.read_table(cache)["box_xyxy"].to_pylist()]


def background_of(picture: BoxedPicture, size_wh: tuple[int, int], min_side_px: int) -> tuple[int, int, int, int] | None:
    """The largest strip beside, above or below all boxes, or None if it is narrower than `min_side_px`.

    >>> background_of(BoxedPicture(b"", ((60, 20, 90, 90),), "", "", True), (100, 100), 40)
    (0, 0, 60, 100)
    """
    width, height = size_wh
    edges = np.array(picture.boxes_xyxy)  # (k, 4)
    left, top = np.floor(edges[:, :2].min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(edges[:, 2:].max(axis=0)).astype(int).tolist()
    strips = [(0, 0, left, height), (right, 0, width, height), (0, 0, width, top), (0, bottom, width, height)]
    best = max(strips, key=lambda s: max(0, s[2] - s[0]) * max(0, s[3] - s[1]))
    return best if min(best[2] - best[0], best[3] - best[1]) >= min_side_px else None


def _rows(data_root: Path, entry: BoxSetConfig) -> Iterable[dict[str, Any]]:
    files = sorted(data_root.glob(entry.files))
    if not files:
        raise TableError(f"Picture set {entry.name!r}: nothing matches {entry.files!r} under {data_root}; check data_root.")
    for file in files:
        try:
            kept = {"image", "source_id", "split", "box_xyxy", "objects"} & set(pq.read_schema(file).names)
            yield from pq.read_table(file, columns=sorted(kept)).to_pylist()
        except (OSError, ValueError) as error:
            raise TableError(f"Picture set {entry.name!r}: cannot read {file}: {error}") from error


def _boxes(row: dict[str, Any], entry: BoxSetConfig) -> list[Box]:
    if row.get("box_xyxy"):
        return [tuple(map(float, row["box_xyxy"]))]
    if row.get("objects"):
        return [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h in row["objects"]["bbox"]]
    if "box_xyxy" in row or "objects" in row:
        return []
    raise TableError(f"Picture set {entry.name!r}: its files hold no column box_xyxy or objects; list it under [[silver]] instead.")


def _picture(row: dict[str, Any], entry: BoxSetConfig, boxes: tuple[Box, ...]) -> BoxedPicture:
    try:
        data, source_id, split = row["image"]["bytes"], row["source_id"], row["split"]
    except KeyError as error:
        raise TableError(f"Picture set {entry.name!r}: its files lack the column {error}.") from error
    taught = split == "train" and hash_fraction(f"{entry.name}/{source_id}") >= entry.hold_pictures
    return BoxedPicture(data, boxes, entry.name, source_id, taught)
