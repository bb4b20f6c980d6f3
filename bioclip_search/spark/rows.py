"""The rows of a run as Spark holds them: the same columns in its own words, and vectors in single precision.

What the columns mean is left to `runs.table`. Spark knows no half precision, and keeps times to the microsecond.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from bioclip_search.runs.table import schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bioclip_search.runs.folder import Run

_WORDS = {
    pa.string(): "string",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.timestamp("us"): "timestamp_ntz",
}


def run_rows(spark: SparkSession, run: Run) -> DataFrame:
    """The rows of a run as a DataFrame, in no order that Spark would promise, without the vectors: a file's half precision it cannot read."""
    columns = spark_columns(None)
    if not run.parts:
        return spark.createDataFrame([], columns)
    return spark.read.schema(columns).parquet(*map(path_to_read, run.parts))


def path_to_write(path: Path) -> str:
    """The path of a file or folder on this machine's disks as Spark writes there, whatever its own file system is.

    Subtle: it takes an address as it stands, and would make of the %20 of a `Path.as_uri` a folder of that name.

    >>> path_to_write(Path("/mnt/my runs"))
    'file:/mnt/my runs'
    """
    return f"file:/{path.absolute().as_posix().removeprefix('/')}"


def path_to_read(path: Path) -> str:
    r"""Likewise to be read, where signs that would be taken for a pattern stand for themselves.

    >>> print(path_to_read(Path("/mnt/runs [2]")))
    file:/mnt/runs \[2\]
    """
    return re.sub(r"([\\{}\[\]*?])", r"\\\1", path_to_write(path))


def spark_columns(dim: int | None) -> str:
    """The columns of a run in the words of Spark (DDL), with vectors where `dim` is told.

    >>> spark_columns(None)[:48]
    '`media_id` string, `image` string, `content_hash'
    """
    return ", ".join(f"`{field.name}` {_word(field.type)}" for field in arrow_schema(dim))


def arrow_schema(dim: int | None) -> pa.Schema:
    """The same as Arrow carries them to Spark."""
    return pa.schema([field.with_type(_type(field.type)) for field in schema(dim)])


def to_spark(rows: pa.Table, dim: int | None) -> pa.Table:
    """Rows of `runs.table` in the types of Spark."""
    return rows.cast(arrow_schema(dim))


def from_spark(rows: pa.Table, dim: int | None) -> pa.Table:
    """Rows that Spark wrote in the types of `runs.table`; whatever nullability and order of columns it gave them."""
    return rows.select(schema(dim).names).cast(schema(dim))


def _type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us")
    return pa.list_(pa.float32()) if pa.types.is_fixed_size_list(kind) else kind


def _word(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"array<{_word(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'`{one.name}`: {_word(one.type)}' for one in kind)}>"
    return _WORDS[kind]
