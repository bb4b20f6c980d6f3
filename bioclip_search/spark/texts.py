"""Texts of names encoded on a cluster, block by block, into the store of text vectors as one machine would fill it.

Which texts are new, and what becomes of the vectors, is left to `text_vectors`; the cluster to `pieces`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.encoder import encode_recipe
from bioclip_search.errors import SparkError
from bioclip_search.spark.encoders import EncoderThere
from bioclip_search.spark.pieces import done_in_order
from bioclip_search.spark.plan import new_plan, read_plan
from bioclip_search.swapping import whole_file
from bioclip_search.text_vectors import Block

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SENTENCES = pa.schema([pa.field("sentences", pa.list_(pa.string()), nullable=False)])


@dataclass(frozen=True)
class TextPiece:
    """Encodes a block of texts; sent to the workers by pickle."""

    plan: Path
    encoder: EncoderThere

    def __call__(self, number: int, path: Path) -> None:
        with read_plan(self.plan) as plan:
            sentences = plan.read_row_group(number, use_threads=False).column("sentences").to_pylist()
        write_vectors(encode_recipe(self.encoder.open(), sentences), path)


def encoding_on(spark: SparkSession, encoder: EncoderThere, staging: Path) -> Callable[[Iterable[Block]], Iterator[np.ndarray]]:
    """What `TextVectors` takes to encode its blocks: their vectors in order, each block's (b, dim) float32 as soon as it and all before are there.

    Args:
        staging: A folder of its own on storage that this machine and all workers share; it goes when all is encoded.
    """

    def encode(blocks: Iterable[Block]) -> Iterator[np.ndarray]:
        shutil.rmtree(staging, ignore_errors=True)
        work = TextPiece(new_plan(staging), encoder)
        count = _write_plan(blocks, work.plan)
        for path in done_in_order(spark, work, count, work.plan.parent):
            yield read_vectors(path)
            path.unlink()
        shutil.rmtree(staging, ignore_errors=True)

    return encode


def _write_plan(blocks: Iterable[Block], path: Path) -> int:
    """A row group a block; memory is flat in their number."""
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, parquet.ParquetWriter(part, SENTENCES, compression="zstd") as writer:
            for block in blocks:
                writer.write_table(pa.table({"sentences": pa.array(block, pa.list_(pa.string()))}, SENTENCES), row_group_size=len(block))
                count += 1
    except OSError as error:
        raise SparkError(f"{path}: the list of texts cannot be written ({error.strerror or error}). Make room, or give another --staging.") from error
    return count


def write_vectors(vectors: np.ndarray, path: Path, **more: pa.Array) -> None:
    """Vectors, (n, dim) float32, as the column `vector` of a Parquet file, with further columns beside it."""
    numbers = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1)), vectors.shape[1])
    parquet.write_table(pa.table({"vector": numbers, **more}), path, compression="none")


def read_vectors(path: Path) -> np.ndarray:
    """Raises: SparkError: the file cannot be read."""
    try:
        column = parquet.read_table(path, columns=["vector"], use_threads=False)["vector"].combine_chunks()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SparkError(f"{path}: cannot be read ({str(error).splitlines()[0]}). Call it again; what is encoded is kept.") from error
    return np.asarray(column.flatten(), np.float32).reshape(len(column), column.type.list_size)
