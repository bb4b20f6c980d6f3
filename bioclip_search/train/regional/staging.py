"""Copies of the pictures that are taught or choose, as Parquet in the folder of a run: shrunk, upright, and all of them readable.

Which these are is left to `gathering`, reading them back to `train.pictures`. So a run goes on though a source was moved, and a
picture that cannot be read is passed over once and told, not in the middle of learning. Memory is flat in their number.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from bioclip_search.errors import PictureError, TableError
from bioclip_search.evaluation.labelled import TRAIN, LabelledSet
from bioclip_search.images import open_picture
from bioclip_search.prompts import RANKS
from bioclip_search.results import Failure
from bioclip_search.swapping import whole_file
from bioclip_search.train.regional.gathering import CHOOSE

SHORT_SIDE_PX = 512
"""Of a copy, at most: one and a half times what the largest of the published encoders reads (336), so that a cut-out loses nothing."""

QUALITY = 95
"""Of a copy as JPEG: beyond what an encoder can tell."""

BATCH_ROWS = 256
NOTE_FILE = "pictures.json"
FORMAT = 1

SCHEMA = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("source_id", pa.string()),
        *((rank, pa.string()) for rank in RANKS),
        ("common_name", pa.string()),
        ("split", pa.string()),
    ]
)


@dataclass(frozen=True)
class Staged:
    """The files, one for each set that has pictures, by the set's name; how many pictures are taught; and what could not be read."""

    files: dict[str, str]
    taught: int
    failures: tuple[Failure, ...]


def stage(sets: Sequence[LabelledSet], folder: Path, progress: Callable[[int, int], None] | None = None) -> Staged:
    """The copies, made anew unless the folder holds those of the very same pictures and labels.

    Raises:
        TableError: The folder cannot be written to, or no picture can be read.
    """
    asked = _digest(sets)
    if (kept := _kept(folder, asked)) is not None:
        return kept
    wanted = [np.isin(labelled.parts, (TRAIN, CHOOSE)) for labelled in sets]
    total, files, failures, taught, done = sum(int(rows.sum()) for rows in wanted), {}, [], 0, 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NOTE_FILE).unlink(missing_ok=True)
        for number, (labelled, rows) in enumerate(zip(sets, wanted, strict=True), start=1):
            name = f"{number:02}-{re.sub(r'[^A-Za-z0-9_-]+', '-', labelled.name)}"
            tick = None if progress is None else lambda n, done=done: progress(done + n, total)
            unread, of_set = _write(labelled, rows, folder / f"{name}.parquet", tick)
            failures, taught, done = [*failures, *unread], taught + of_set, done + int(rows.sum())
            if rows.sum() > len(unread):
                files[name] = f"{name}.parquet"
        told = {"format": FORMAT, "of": asked, "files": files, "taught": taught, "failures": [[one.image, one.error] for one in failures]}
        with whole_file(folder / NOTE_FILE) as part:
            part.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise TableError(
            f"{folder}: the copies of the pictures cannot be written ({error.strerror or error}). Free some space, or give another --out."
        ) from error
    if not taught:
        first = f", such as {failures[0].image} ({failures[0].error})" if failures else ""
        raise TableError(f"None of the {total:,} pictures to learn from can be read{first}. Check the paths in the table.")
    return Staged(files, taught, tuple(failures))


def _write(labelled: LabelledSet, rows: np.ndarray, file: Path, tick: Callable[[int], None] | None) -> tuple[list[Failure], int]:
    """The pictures that cannot be read, and how many are taught."""
    failures, taught = [], 0
    with whole_file(file) as part, parquet.ParquetWriter(part, SCHEMA) as writer:
        for number, batch in enumerate(_batches(labelled, rows), start=1):
            sound = [row for row in batch if not isinstance(row, Failure)]
            failures += [row for row in batch if isinstance(row, Failure)]
            taught += sum(row["split"] == TRAIN for row in sound)
            writer.write_table(pa.Table.from_pylist(sound, SCHEMA))
            if tick:
                tick(min(number * BATCH_ROWS, int(rows.sum())))
    return failures, taught


def _batches(labelled: LabelledSet, rows: np.ndarray) -> Iterator[list[dict[str, Any] | Failure]]:
    """Rows of `SCHEMA`, some at a time."""
    numbers, batch = np.flatnonzero(rows).tolist(), []
    columns = [name for name in (*RANKS, "common_name") if name in labelled.taxa.column_names]
    labels = labelled.taxa.select(columns).take(pa.array(numbers, pa.int64())).to_pylist()
    for row, label, picture in zip(numbers, labels, labelled.pictures(rows), strict=True):
        told = {"source_id": labelled.names[row], "split": str(labelled.parts[row]), **label}
        try:
            batch.append({"image": {"bytes": _copy(picture), "path": None}, **told})
        except PictureError as error:
            batch.append(Failure(labelled.names[row], str(error)))
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _copy(picture: Any) -> bytes:
    """Raises: PictureError: it cannot be read."""
    opened = open_picture(picture, enough_px=SHORT_SIDE_PX)
    share = SHORT_SIDE_PX / min(opened.size)
    if share < 1:
        opened = opened.resize((max(1, round(opened.width * share)), max(1, round(opened.height * share))), Image.Resampling.BICUBIC)
    opened.save(file := io.BytesIO(), "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def _digest(sets: Sequence[LabelledSet]) -> str:
    """Differs when a picture, its label or its part does."""
    digest = hashlib.sha256(json.dumps([FORMAT, SHORT_SIDE_PX, QUALITY]).encode())
    for labelled in sets:
        rows = [labelled.name, labelled.names, labelled.parts.tolist(), labelled.taxa.to_pydict(), labelled.state() if labelled.state else None]
        digest.update(json.dumps(rows, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _kept(folder: Path, asked: str) -> Staged | None:
    """What was copied before, None where that is something else or not whole."""
    try:
        told = json.loads((folder / NOTE_FILE).read_text(encoding="utf-8"))
        if told["of"] != asked or not all((folder / file).is_file() for file in told["files"].values()):
            return None
        return Staged(dict(told["files"]), int(told["taught"]), tuple(Failure(*pair) for pair in told["failures"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
