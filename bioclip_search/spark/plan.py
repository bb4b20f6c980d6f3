"""What is to be tagged, as rows of a Parquet file: a row a picture or video, a row group a piece of work.

Listing pictures is left to `sources`; what is done with a piece to `worker`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.decoding.opening import facts_heard, facts_told
from bioclip_search.errors import SparkError
from bioclip_search.media import NO_FACTS, Facts, GivenBox, Media, Video
from bioclip_search.spark.addresses import Remote
from bioclip_search.swapping import whole_file

PLAN_FILE = "plan.parquet"

PICTURES_PER_PIECE = 256
"""Pictures of a piece, at most: what a dying executor costs for each of its cores; some seconds of work, beside which a task's start (50 ms) is little."""

PIECES_PER_CORE = 4
"""A small collection is cut finer, into so many pieces a core, so that no core stands idle while another has its last piece."""

STEP_PICTURES = 16
"""Pieces are a multiple of the batches in which pictures are looked at on one machine (`tagging.BATCH_PICTURES`), so that numbers come out alike."""

PICTURES_PER_VIDEO = STEP_PICTURES
"""As how many pictures a video counts in a piece: a quarter of a minute at one frame a second, the length of a camera trap's clips."""

BYTES_PER_PIECE = 1 << 26
"""A piece whose pictures come with their bytes ends, at the next step, when it has so many (64 MiB): a worker holds them at once."""

SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("is_video", pa.bool_(), nullable=False),
        pa.field("file", pa.binary()),
        pa.field("address", pa.string()),
        pa.field("data", pa.large_binary()),
        pa.field("facts", pa.string()),
        pa.field("boxes", pa.string()),
        pa.field("error", pa.string()),
    ]
)
"""`file` is a path in the bytes of the operating system, `address` one of `addresses`; `facts` and `boxes` are JSON."""


def write_plan(media: Iterable[Media | Video | Remote], path: Path, cores: int = 1) -> int:
    """Writes the plan, whole or not at all, with memory flat in the number of pictures; gives how many there are.

    Args:
        cores: Tasks that the cluster does at once.

    Raises:
        SparkError: It cannot be written.
    """
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, parquet.ParquetWriter(part, SCHEMA, compression="zstd", use_dictionary=False) as writer:
            for rows in _pieces(media, cores):
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA), row_group_size=len(rows))
                count += len(rows)
    except OSError as error:
        raise SparkError(
            f"{path}: the list of what is to be tagged cannot be written ({error.strerror or error}). Make room, or give another --staging."
        ) from error
    return count


def new_plan(staging: Path) -> Path:
    """Where a new plan is to lie: in a folder of its own, with the files of its pieces.

    Subtle: a task that was sent out before its driver died computes on, and writes its piece where it was sent to, when another plan may
    have another piece of that number.
    """
    return staging / uuid.uuid4().hex / PLAN_FILE


def folder_below(staging: Path, out: Path) -> Path:
    """A folder of its own for what is on its way to `out`, below one that several works share: two of one name in two places do not meet there."""
    return staging.absolute() / f"bioclip-search-{hashlib.sha256(os.fsencode(out.absolute())).hexdigest()[:16]}"


def read_plan(path: Path) -> parquet.ParquetFile:
    """The plan, to be closed by whoever asked: a row group a piece.

    Raises:
        SparkError: It cannot be read.
    """
    try:
        return parquet.ParquetFile(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SparkError(
            f"{path}: cannot be read ({str(error).splitlines()[0]}). The folder of the run, or --staging, must lie where all machines find it under one name."
        ) from error


def piece_media(path: Path, number: int) -> list[Media | Video | Remote]:
    """The pictures and videos of a piece, in the order of the source.

    Raises:
        SparkError: The plan cannot be read.
    """
    with read_plan(path) as plan:
        return [_media(row) for row in plan.read_row_group(number, use_threads=False).to_pylist()]


def _pieces(media: Iterable[Media | Video | Remote], cores: int) -> Iterator[list[dict[str, Any]]]:
    rows = map(_row, media)
    head = _head(rows, PICTURES_PER_PIECE * PIECES_PER_CORE * cores)
    most = piece_size(sum(map(_pictures_of, head)), cores)
    piece: list[dict[str, Any]] = []
    pictures = held = 0
    for row in itertools.chain(head, rows):
        piece.append(row)
        pictures += _pictures_of(row)
        held += len(row["data"] or b"")
        if pictures >= most or (held >= BYTES_PER_PIECE and pictures % STEP_PICTURES == 0):
            yield piece
            piece, pictures, held = [], 0, 0
    if piece:
        yield piece


def _pictures_of(row: Mapping[str, Any]) -> int:
    return PICTURES_PER_VIDEO if row["is_video"] else 1


def _head(rows: Iterator[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The first rows, up to so many, or to as many bytes as a piece may hold."""
    head: list[dict[str, Any]] = []
    held = 0
    while len(head) < most and held < BYTES_PER_PIECE and (row := next(rows, None)) is not None:
        head.append(row)
        held += len(row["data"] or b"")
    return head


def piece_size(pictures: int, cores: int) -> int:
    """The pictures of a piece, where there are so many, or that many at least.

    Of 300 pictures on 2 cores 300 / (2 · 4) = 37.5 come to a piece, in steps of 16 that is 48; of 5,000 it is the most, 256.

    >>> piece_size(300, 2), piece_size(5000, 2), piece_size(0, 2)
    (48, 256, 16)
    """
    steps = math.ceil(pictures / (PIECES_PER_CORE * cores) / STEP_PICTURES)
    return min(max(steps, 1) * STEP_PICTURES, PICTURES_PER_PIECE)


def _row(one: Media | Video | Remote) -> dict[str, Any]:
    if isinstance(one, Remote):
        return {"image": one.image, "is_video": False, "address": one.address, "facts": _facts(one.facts), "data": None}
    is_video = isinstance(one, Video)
    boxes = one.boxes
    if boxes is not None:
        boxes = {number: [_told(box) for box in some] for number, some in boxes.items()} if is_video else [_told(box) for box in boxes]
    return {
        "image": one.image,
        "is_video": is_video,
        "file": None if one.file is None else os.fsencode(os.path.abspath(one.file)),
        "data": None if is_video else one.data,
        "facts": _facts(one.facts),
        "boxes": None if boxes is None else json.dumps(boxes),
        "error": None if is_video else one.error,
    }


def _facts(facts: Facts) -> str | None:
    return None if facts == NO_FACTS else json.dumps(facts_told(facts))


def _media(row: dict[str, Any]) -> Media | Video | Remote:
    file = None if row["file"] is None else Path(os.fsdecode(row["file"]))
    facts = NO_FACTS if row["facts"] is None else facts_heard(json.loads(row["facts"]))
    if row["address"] is not None:
        return Remote(row["image"], row["address"], facts)
    boxes = None if row["boxes"] is None else json.loads(row["boxes"])
    if row["is_video"]:
        return Video(row["image"], file, facts, None if boxes is None else {int(number): _heard(some) for number, some in boxes.items()})
    return Media(row["image"], file, row["data"], facts, None if boxes is None else _heard(boxes), error=row["error"])


def _told(box: GivenBox) -> list[Any]:
    return [*box.box_xywhn, box.confidence, box.category]


def _heard(boxes: list[list[Any]]) -> tuple[GivenBox, ...]:
    return tuple(GivenBox(tuple(values), confidence, category) for *values, confidence, category in boxes)
