"""A DataFrame of pictures: the rows that tagging gives, as they are asked for, or kept in the folder of a run.

The DataFrame holds paths, addresses or the bytes of pictures: what `spark.read.format("binaryFile")` gives, or Parquet with images as
Hugging Face keeps them. What a worker does is `worker`'s; collections that are named by a path are left to `tagging`.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import SourceError
from bioclip_search.media import Media
from bioclip_search.runs.closing import close_run, closing_for, tallied
from bioclip_search.runs.equipping import OF_DECIDING, OF_LOOKING, open_deciding
from bioclip_search.runs.folder import Run
from bioclip_search.runs.settings import settings_hash
from bioclip_search.runs.tagging import as_json, begin, written
from bioclip_search.sources.cells import find_columns
from bioclip_search.sources.deployments import placing_for
from bioclip_search.sources.lists import WANTED, PictureList
from bioclip_search.sources.paths import is_address
from bioclip_search.sources.source import Placing, Source, Tally
from bioclip_search.spark.addresses import Remote
from bioclip_search.spark.rows import from_spark, path_to_read, path_to_write, run_rows, spark_columns, to_spark
from bioclip_search.spark.session import told_as_spark_error
from bioclip_search.spark.worker import settings_there, tag_piece

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bioclip_search.runs.journal import Journal

PICTURES_AT_ONCE = 256
"""Pictures of a partition that are tagged together and then given away."""

CONTENT = "content"
"""The column of bytes that Spark's `binaryFile` makes."""

HASHED = "sha256:"
"""Begins the name of a picture that comes without one; its content's hash follows."""


@dataclass(frozen=True)
class FrameTagging:
    """Tags the batches of a partition; sent to the workers by pickle. Attributes as of `worker.Tagging`."""

    options: Mapping[str, Any]
    settings: str
    placing: Placing
    dim: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, len(batch), PICTURES_AT_ONCE):
                rows = batch.slice(start, PICTURES_AT_ONCE).to_pylist()
                placed = Source("data frame", None, lambda _tally, rows=rows: map(_media, rows), placing=self.placing)
                journal, _ = tag_piece(list(placed.media()), self.options, self.settings, self.placing)
                yield from to_spark(journal.rows(), self.dim).to_batches()


def tag_frame(
    spark: SparkSession,
    pictures: DataFrame,
    out: str | Path | None = None,
    *,
    columns: dict[str, str] | None = None,
    deployments: str | Path | None = None,
    staging: str | Path | None = None,
    resume: bool = False,
    fusion: str | None = None,
    gap_s: float | None = None,
    repeats: bool = True,
    **options: Any,
) -> DataFrame:
    """The rows of the pictures, lazily and with vectors where `out` is None; else those of the run that is made in `out`, without vectors.

    With `resume`, pictures that the run has are left out by an anti-join: by their names, and those without a name by their content.

    Args:
        columns: Which column is what, where the names are not plain: {"image": "photo"}; other arguments as of `tagging.tag`.

    Raises:
        SourceError: No column holds pictures.
        SparkError, RunError, TableError, IndexFolderError, ModelError, NotCalibratedError: As `tagging.tag`.
    """
    from bioclip_search.spark.tagging import in_full

    options = {name: in_full(name, value) for name, value in options.items() if value is not None}
    placing, stays = placing_for(deployments)
    named = _named(pictures, columns)
    settings = settings_there(spark, options)
    work = FrameTagging(options, settings_hash(settings), placing, settings["encoder"]["dim"])
    if out is None:
        return _mapped(named, work)
    closing = closing_for(fusion, gap_s, repeats)
    deciding = open_deciding(**{name: value for name, value in options.items() if name in OF_DECIDING or name not in OF_LOOKING} | {"device": "cpu"})
    note = begin(Path(out), settings, {"place": "a DataFrame", "kind": "data frame", "root": None, "deployments": [as_json(stay) for stay in stays]}, resume)
    note["engine"] = {"name": "spark", "version": spark.version}
    with written(Path(out), note, work.dim) as journal:
        _tag_into(spark, named, work, journal, staging)
        note["counts"], note["failures"] = tallied(journal)
    return run_rows(spark, close_run(Path(out), note, deciding, closing))


def _tag_into(spark: SparkSession, named: DataFrame, work: FrameTagging, journal: Journal, staging: str | Path | None) -> None:
    """Subtle: Spark's own writer is what keeps the rows of a task that died, or ran twice, from being there twice."""
    from bioclip_search.spark.tagging import staging_folder

    folder = staging_folder(journal.folder, staging)
    journal.flush()
    done = Run(journal.folder, {}).parts
    if done:
        names = spark.read.schema("image string").parquet(*map(path_to_read, done)).distinct()
        named = named.join(names, "image", "left_anti")
    try:
        _mapped(named, work).write.mode("overwrite").parquet(path_to_write(folder))
    except Exception as error:  # py4j and pyspark each raise types of their own
        raise told_as_spark_error(error) from error
    for path in sorted(folder.glob("part-*.parquet")):
        _take(path, work.dim, journal)
    journal.flush()
    shutil.rmtree(folder, ignore_errors=True)


def _take(path: Path, dim: int, journal: Journal) -> None:
    """Takes the rows of a partition into the run; of pictures with one name the first."""
    journal.add_new_rows(from_spark(parquet.read_table(path), dim))


def _mapped(named: DataFrame, work: FrameTagging) -> DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas 3, which mapInArrow asks for and never uses
        return named.mapInArrow(lambda batches: work(batches), spark_columns(work.dim))


def _named(pictures: DataFrame, columns: Mapping[str, str] | None) -> DataFrame:
    """The pictures by our names: `image`, `path`, `data`, and what the DataFrame tells of time, place and camera."""
    from pyspark.sql import functions as f
    from pyspark.sql.types import BinaryType, StringType, StructType

    found = find_columns(pictures.columns, [name for name in WANTED if name != "folder"], columns, "The DataFrame")
    kind = pictures.schema[found["image"]].dataType if "image" in found else None
    path, data = f.lit(None).cast("string"), f.lit(None).cast("binary")
    if isinstance(kind, StructType) and {"bytes", "path"} <= set(kind.names):
        path, data = f.col(f"`{found['image']}`.path"), f.col(f"`{found['image']}`.bytes")
    elif isinstance(kind, BinaryType):
        data = f.col(f"`{found['image']}`")
    elif isinstance(kind, StringType):
        path = f.col(f"`{found['image']}`")
        data = f.col(CONTENT) if CONTENT in pictures.columns else data
    elif CONTENT in pictures.columns:
        data = f.col(CONTENT)
    else:
        raise SourceError(
            f"The DataFrame has {', '.join(pictures.columns)}, where a column of paths, of bytes, or of bytes and path was expected. "
            'Or say which it is: columns={"image": "photo"}.'
        )
    plain = f.regexp_replace(path, "^file:/+", "/")
    hashed = f.concat(f.lit(HASHED), f.sha2(data, 256))
    facts = [f.col(f"`{theirs}`").alias(ours) for ours, theirs in found.items() if ours != "image"]
    return pictures.select(f.coalesce(plain, hashed, f.lit("")).alias("image"), plain.alias("path"), data.alias("data"), *facts)


def _media(row: dict[str, Any]) -> Media | Remote:
    columns = {name: name for name in row if name not in ("image", "path", "data")}
    facts = PictureList(Path(), Path(), columns, False, lambda: iter(())).facts(row, Tally())
    if row["data"]:
        return Media(row["image"], data=row["data"], facts=facts)
    if not row["path"]:
        return Media(row["image"], error="holds no picture in this row of the DataFrame")
    return Remote(row["image"], row["path"], facts) if is_address(row["path"]) else Media(row["image"], Path(row["path"]), facts=facts)
