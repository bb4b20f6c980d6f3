"""Labelled pictures seen by the encoder on a cluster, into the very store of vectors that one machine fills.

Which pictures, and what is kept of them, is left to `evaluation.picture_vectors`; the cluster to `pieces`.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import SparkError
from bioclip_search.evaluation.picture_vectors import Embed, embed_pictures
from bioclip_search.evaluation.vector_cache import Batch
from bioclip_search.results import Failure
from bioclip_search.searcher import BATCH_CROPS
from bioclip_search.spark.encoders import EncoderThere
from bioclip_search.spark.pieces import done_in_order
from bioclip_search.spark.plan import BYTES_PER_PIECE, PICTURES_PER_PIECE, new_plan, read_plan
from bioclip_search.spark.texts import read_vectors, write_vectors
from bioclip_search.swapping import whole_file

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from bioclip_search.encoder import Encoder
    from bioclip_search.evaluation.labelled import LabelledSet

PICTURES = pa.schema([pa.field("file", pa.binary()), pa.field("data", pa.large_binary())])
"""`file` is a path in the bytes of the operating system; `data` the picture itself, where it is in no file."""


@dataclass(frozen=True)
class FeaturePiece:
    """Looks at the pictures of a piece; sent to the workers by pickle."""

    plan: Path
    encoder: EncoderThere

    def __call__(self, number: int, path: Path) -> None:
        with read_plan(self.plan) as plan:
            rows = plan.read_row_group(number, use_threads=False).to_pylist()
        pictures = [Path(os.fsdecode(row["file"])) if row["data"] is None else row["data"] for row in rows]
        encoder = self.encoder.open()
        wanted = np.ones(len(pictures), bool)
        batches = list(embed_pictures(encoder, iter(pictures), wanted, [str(place) for place in range(len(pictures))], workers=1))
        vectors = np.concatenate([np.empty((0, encoder.dim), np.float32), *(batch.vectors for batch in batches)])
        errors = {int(failure.image): failure.error for batch in batches for failure in batch.failures}
        seen = [place for batch in batches for place in batch.rows.tolist()]
        write_vectors(vectors, path, place=pa.array(seen, pa.int64()))
        _tell(path, len(pictures), errors)


def looking_on(spark: SparkSession, encoder: EncoderThere, staging: Path) -> Embed:
    """What `vectors_of` takes to look at pictures: batches in order, each as soon as it and all before are there.

    Args:
        staging: A folder of its own on storage that this machine and all workers share; it goes when all is looked at.
    """

    def embed(_encoder: Encoder, labelled: LabelledSet, wanted: np.ndarray, _workers: int | None = None) -> Iterator[Batch]:
        shutil.rmtree(staging, ignore_errors=True)
        rows, first = np.flatnonzero(wanted), 0
        work = FeaturePiece(new_plan(staging), encoder)
        count = _write_plan(labelled.pictures(wanted), work.plan)
        for path in done_in_order(spark, work, count, work.plan.parent):
            size, errors, places = _told(path)
            failures = tuple(Failure(labelled.names[rows[first + place]], error) for place, error in errors.items())
            yield Batch(rows[first + places], read_vectors(path), failures)
            first += size
            path.unlink()
        shutil.rmtree(staging, ignore_errors=True)

    return embed


def _write_plan(pictures: Iterable[Any], path: Path) -> int:
    """A row group a piece; a piece ends at a multiple of the batches in which one machine looks at pictures, so that numbers come out alike."""
    count, held, piece = 0, 0, []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, parquet.ParquetWriter(part, PICTURES, compression="none", use_dictionary=False) as writer:
            for picture in pictures:
                piece.append(_row(picture))
                held += len(piece[-1]["data"] or b"")
                if len(piece) == PICTURES_PER_PIECE or (held >= BYTES_PER_PIECE and len(piece) % BATCH_CROPS == 0):
                    writer.write_table(pa.Table.from_pylist(piece, PICTURES), row_group_size=len(piece))
                    count, held, piece = count + 1, 0, []
            if piece:
                writer.write_table(pa.Table.from_pylist(piece, PICTURES), row_group_size=len(piece))
                count += 1
    except OSError as error:
        raise SparkError(f"{path}: the list of pictures cannot be written ({error.strerror or error}). Make room, or give another --staging.") from error
    return count


def _row(picture: Any) -> dict[str, bytes | None]:
    """A file by its path, a picture in memory without loss."""
    if isinstance(picture, str | Path):
        return {"file": os.fsencode(Path(picture).absolute()), "data": None}
    if isinstance(picture, bytes):
        return {"file": None, "data": picture}
    held = io.BytesIO()
    picture.save(held, "PNG", compress_level=1)
    return {"file": None, "data": held.getvalue()}


def _tell(path: Path, size: int, errors: dict[int, str]) -> None:
    """Writes beside the vectors how many pictures were looked at, and which could not be read."""
    table = parquet.read_table(path)
    told = {b"size": str(size).encode(), **{f"error {place}".encode(): error.encode() for place, error in errors.items()}}
    parquet.write_table(table.replace_schema_metadata(told), path, compression="none")


def _told(path: Path) -> tuple[int, dict[int, str], np.ndarray]:
    try:
        table = parquet.read_table(path, columns=["place"], use_threads=False)
        told = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        errors = {int(key.removeprefix("error ")): value for key, value in told.items() if key.startswith("error ")}
        return int(told["size"]), dict(sorted(errors.items())), table["place"].to_numpy()
    except (OSError, ValueError, KeyError, AttributeError, pa.ArrowException) as error:
        raise SparkError(f"{path}: cannot be read ({error}). Call it again; what was looked at is kept.") from error
