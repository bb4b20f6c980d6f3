"""Tags a collection on a cluster, into the folder of a run as one machine would write it.

This machine lists the pictures and takes the rows in their order into the journal of the run; the work between is `worker`'s, in
`pieces`. A DataFrame of pictures is left to `frames`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import RunError, SparkError
from bioclip_search.media import Media, Video, media_id
from bioclip_search.runs.closing import close_run, closing_for, tallied
from bioclip_search.runs.equipping import OF_DECIDING, OF_LOOKING, frame_choice, open_deciding
from bioclip_search.runs.folder import Run
from bioclip_search.runs.journal import Journal
from bioclip_search.runs.settings import settings_hash
from bioclip_search.runs.tagging import Progress, as_json, begin, written
from bioclip_search.sources import Source, open_source
from bioclip_search.sources.deployments import placing_for
from bioclip_search.sources.paths import is_address
from bioclip_search.spark.addresses import open_address
from bioclip_search.spark.pieces import done_in_order
from bioclip_search.spark.plan import PLAN_FILE, folder_below, new_plan, read_plan, write_plan
from bioclip_search.spark.rows import run_rows
from bioclip_search.spark.session import cores_of, open_session, spark_session
from bioclip_search.spark.worker import TOLD_KEY, Tagging, settings_there

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

STAGING = "spark"
"""The folder within that of a run where plan and pieces lie until they are taken, unless another is told."""

FILES = ("index", "detector", "calibration", "checklist", "geofence", "occurrences")
"""Options that may name files; on the workers they must lead to the same ones, so they are told in full."""


def tag(
    source: str | Path | DataFrame, out: str | Path | None = None, *, master: str | None = None, conf: Mapping[str, str] | None = None, **options: Any
) -> DataFrame:
    """The rows of a collection as a DataFrame, one a box, as `runs.table` tells them, but without vectors.

    Args:
        source: What `bs.tag` takes, which is tagged into the run `out`; or a DataFrame of pictures, which gives the rows as they are asked
            for, with nothing kept, unless `out` is told; see `frames`.
        out: The folder of the run, on storage that all machines share.
        master: As of `open_session`: the session that is there, else a new one that stays open.
        conf: Settings of Spark for a new session.
        options: As of `bs.tag`, and `staging`, another shared folder for what is on its way.

    Raises:
        SparkError, MissingExtraError: As `open_session`; or the work cannot be done on the workers.
        RunError, SourceError, TableError, IndexFolderError, ModelError, NotCalibratedError: As `bs.tag`.
    """
    spark = open_session(master, conf)
    if not isinstance(source, str | Path):
        from bioclip_search.spark.frames import tag_frame

        return tag_frame(spark, source, out, **options)
    if out is None:
        raise RunError("A collection is tagged into the folder of a run, and none was told. Give out=..., or a DataFrame of pictures instead.")
    return run_rows(spark, tag_on_spark(source, out, spark=spark, **options))


def tag_on_spark(
    source: str | Path,
    out: str | Path,
    *,
    spark: SparkSession | None = None,
    master: str | None = None,
    conf: Mapping[str, str] | None = None,
    staging: str | Path | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    deployments: str | Path | None = None,
    columns: dict[str, str] | None = None,
    root: str | Path | None = None,
    fusion: str | None = None,
    gap_s: float | None = None,
    repeats: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Run:
    """The run over a collection; arguments as of `bs.tag` and `tag`, and the session to work in, without which one is opened for this.

    Raises:
        SparkError, MissingExtraError, RunError, SourceError, TableError, IndexFolderError, ModelError, NotCalibratedError: As `tag`.
    """
    frame_choice(options.get("every"), options.get("per_s"))
    out, closing_with = Path(out), closing_for(fusion, gap_s, repeats)
    opened = _opened(source, deployments, columns, root)
    options = {name: in_full(name, value) for name, value in options.items() if value is not None}
    deciding = open_deciding(**{name: value for name, value in options.items() if name in OF_DECIDING or name not in OF_LOOKING} | {"device": "cpu"})
    with _session(spark, master, conf) as session:
        settings = settings_there(session, options)
        place = {"place": str(source), "kind": opened.kind, "root": opened.root and str(opened.root.absolute())}
        note = begin(out, settings, place, resume or retry_failed)
        note["source"]["deployments"] = [as_json(stay) for stay in opened.deployments]
        note["engine"] = {"name": "spark", "version": session.version}
        with written(out, note, deciding.searcher.encoder.dim) as journal:
            if retry_failed:
                journal.release_failed()
            work = Tagging(new_plan(staging_folder(out, staging)), options, settings_hash(settings), opened.placing)
            _tag_all(session, opened, work, journal, is_resumed="resumed" in note, progress=progress)
            journal.flush()
            note["counts"], note["failures"] = tallied(journal)
    note["source"]["notes"] = list(opened.notes)
    return close_run(out, note, deciding, closing_with)


def _opened(source: str | Path, deployments: str | Path | None, columns: dict[str, str] | None, root: str | Path | None) -> Source:
    if not is_address(str(source)):
        return open_source(source, deployments=deployments, columns=columns, root=root)
    placing, told = placing_for(deployments)
    return replace(open_address(str(source)), placing=placing, deployments=told)


def staging_folder(out: Path, staging: str | Path | None) -> Path:
    """Where what is on its way lies: in the folder of the run, or in one of its own below another."""
    return out.absolute() / STAGING if staging is None else folder_below(Path(staging), out)


def in_full(name: str, value: Any) -> Any:
    """The option as it leads to the same file on every machine; a name that is no path stays as it is."""
    if isinstance(value, list | tuple):
        return type(value)(in_full(name, one) for one in value)
    is_file = name in FILES and isinstance(value, str | Path) and Path(value).exists()
    return str(Path(value).absolute()) if is_file else str(value) if isinstance(value, Path) else value


def _tag_all(spark: SparkSession, source: Source, work: Tagging, journal: Journal, *, is_resumed: bool, progress: Progress | None) -> None:
    """First what is left of an earlier plan, so that the rows keep their order; then all that the journal does not have of the source."""
    folder = work.plan.parent.parent
    for left in sorted(folder.glob(f"*/{PLAN_FILE}")) if is_resumed else ():
        _tag_plan(spark, replace(work, plan=left), journal, progress)
    shutil.rmtree(folder, ignore_errors=True)
    write_plan(_not_done(source, journal), work.plan, cores_of(spark))
    _tag_plan(spark, work, journal, progress, source)
    shutil.rmtree(folder, ignore_errors=True)


def _not_done(source: Source, journal: Journal) -> Iterator[Media | Video]:
    return (one for one in source.media() if not journal.has(media_id(one.image)))


def _tag_plan(spark: SparkSession, work: Tagging, journal: Journal, progress: Progress | None, source: Source | None = None) -> None:
    with read_plan(work.plan) as plan:
        sizes = [plan.metadata.row_group(number).num_rows for number in range(plan.num_row_groups)]
        first = _first_left(plan, journal)
    before = journal.pictures() - sum(sizes[:first])
    done, total = before + sum(sizes[:first]), before + sum(sizes)
    with closing(done_in_order(spark, work, len(sizes), work.plan.parent, first)) as paths:  # whoever stops it stops the cluster's work, too
        for size, path in zip(sizes[first:], paths, strict=True):
            _take(path, journal, source)
            done += size
            if progress:
                progress(done, total)


def _first_left(plan: parquet.ParquetFile, journal: Journal) -> int:
    """The first piece that was not taken; pieces are taken whole, and in order."""
    for number in range(plan.num_row_groups):
        image = plan.read_row_group(number, columns=["image"]).column("image")[0].as_py()
        if not journal.has(media_id(image)):
            return number
    return plan.num_row_groups


def _take(path: Path, journal: Journal, source: Source | None) -> None:
    """Takes the rows of a piece into the run, but for pictures that it has; then the file may go.

    Raises:
        SparkError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            rows = parquet.read_table(file, use_threads=False)
        told = json.loads(rows.schema.metadata[TOLD_KEY])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise SparkError(f"{path}: cannot be read ({str(error).splitlines()[0]}). Delete it, and call it again with --resume.") from error
    journal.add_new_rows(rows.replace_schema_metadata(None))
    for video in told["videos"]:
        journal.mark(video)
    for what, (count, example) in told["tally"].items() if source else ():
        source.tally.add(what, example, count)
    path.unlink(missing_ok=True)


@contextmanager
def _session(spark: SparkSession | None, master: str | None, conf: Mapping[str, str] | None) -> Iterator[SparkSession]:
    if spark is not None:
        yield spark
        return
    with spark_session(master, conf) as session:
        yield session
