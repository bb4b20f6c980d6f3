"""`tag`: a whole collection into the folder of a run. All logic is in `runs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from bioclip_search.cli.asking import detector_option, index_option, question_options
from bioclip_search.cli.progress import progress_steps
from bioclip_search.cli.values import NumberRange
from bioclip_search.progress_file import EXIT_INTERRUPTED, told_in

TOLD = 10
"""How many failed pictures, and how many notes, are told one by one."""

OF_PICTURES = ("detector", "min_confidence", "tile_px", "every", "per_s", "deployments", "columns", "root", "workers", "timeout_s", "retry_failed")
"""Options that tell how pictures are found and looked at."""


@click.command()
@click.argument("source", required=False)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder of the run; made if it is not there.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out: what is done is not done again, what is new is added.")
@click.option("--retry-failed", is_flag=True, help="As --resume, and pictures that could not be read before are tried once more.")
@click.option(
    "--from",
    "from_run",
    metavar="RUN",
    type=click.Path(path_type=Path),
    help="Instead of SOURCE: answer the boxes of an earlier run anew, with another --index, place or target, without its pictures; or take in an export.",
)
@index_option
@detector_option("starter")
@click.option(
    "--detector-confidence",
    "min_confidence",
    type=NumberRange(0, 1),
    help="Boxes below are not looked at.  [default: what the detector's card asks for, else 0.2]",
)
@click.option(
    "--tiles", "tile_px", metavar="PX", type=click.IntRange(64), help="Look at larger pictures in overlapping tiles of this side, too: for small animals."
)
@click.option("--every", type=click.IntRange(1), help="Of videos, look at every n-th frame.")
@click.option("--per-second", "per_s", type=NumberRange(0, min_open=True), help="Of videos, look at so many frames a second.  [default: 1]")
@click.option("--deployments", metavar="WHAT", help="Where cameras stood: folder, folder:2 (second folder of the path), none, a table, a Camtrap DP package.")
@click.option("--column", "columns", metavar="NAME=HEADER", multiple=True, help="Which column of a table is what: image=Photo, timestamp=Taken.")
@click.option("--root", type=click.Path(path_type=Path), help="Where the paths of a table or JSON file start from.")
@click.option("--place-of-pictures", is_flag=True, help="Weigh --occurrences at each picture's own place and month, from its EXIF or deployment.")
@click.option(
    "--fusion",
    type=click.Choice(["embeddings", "probabilities", "average", "vote", "none"]),
    help="How the pictures of a burst come to one answer; none leaves bursts alone.  [default: embeddings]",
)
@click.option("--gap", "gap_s", metavar="SECONDS", type=NumberRange(0), help="Longest pause between two pictures of a burst.  [default: 60]")
@click.option("--keep-repeats", is_flag=True, help="Do not set aside boxes that stay in one place through a deployment.")
@question_options
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that decode pictures.  [default: one per core, at most 8]")
@click.option("--decode-timeout", "timeout_s", metavar="SECONDS", type=NumberRange(0, min_open=True), help="Longest time for one picture.  [default: 30]")
@click.option(
    "--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True, help="spark: on a cluster, or on this machine (extra spark)."
)
@click.option("--master", metavar="URL", help="Of Spark: local[2], spark://host:7077, yarn.  [default: what spark-submit says, else local[*]]")
@click.option(
    "--spark-conf", "conf", metavar="NAME=VALUE", multiple=True, help="A setting of Spark, such as spark.executor.memory=4g; may be given several times."
)
@click.option(
    "--staging",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Of Spark: another shared folder for what is on its way.  [default: OUT/spark]",
)
@click.option(
    "--progress-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep in this file, as JSON, how far it is; a file FILE.stop beside it stops the run.",
)
def tag(source: str | None, out: Path, columns: tuple[str, ...], keep_repeats: bool, progress_file: Path | None, **options: Any) -> int:
    """Tag every box of every picture in SOURCE, and keep it all in a folder.

    SOURCE is a folder with all below it, a quoted glob, a table with a column of paths, a zip or tar archive, a video, a data set,
    MegaDetector's JSON, a Camtrap DP package or COCO Camera Traps. Whatever stops it, --resume goes on where it was.

    \b
    Example: bioclip-search tag photos/ --out run --target-accuracy 0.95
    """
    _stop_if_unused(options)
    on_spark = _on_spark(source, options)
    options = {name: value for name, value in options.items() if value not in (None, ())}
    try:
        with progress_steps("pictures") as bar, told_in(progress_file) as telling:
            if on_spark:
                from bioclip_search.spark.tagging import tag_on_spark as tag_collection
            else:
                from bioclip_search.runs.tag import tag as tag_collection  # Subtle: loaded here, for that takes seconds, in which it is told already

            run = tag_collection(source, out, columns=_columns(columns) or None, repeats=not keep_repeats, progress=_both(bar, telling), **options)
    except KeyboardInterrupt:
        click.echo(f"Stopped. What is done is kept in {out}; the same command with --resume goes on with it.", err=True)
        return EXIT_INTERRUPTED
    return _told(run)


def _stop_if_unused(options: dict[str, Any]) -> None:
    """Raises: UsageError: options that tell how pictures are looked at, where none is."""
    context = click.get_current_context()
    given = [name for name in OF_PICTURES if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if options["from_run"] is not None and given:
        names = ", ".join(option.opts[0] for option in context.command.params if option.name in given)
        raise click.UsageError(f"With --from no picture is looked at, so these say nothing: {names}. Leave them out, or give SOURCE instead of --from.")


def _on_spark(source: str | None, options: dict[str, Any]) -> bool:
    """Whether Spark is to do the work; takes the engine out of the options, and leaves those of Spark only where it is.

    Raises:
        UsageError: Spark is told of where it has nothing to do.
    """
    is_spark = options.pop("engine") == "spark"
    given = [name for name in ("master", "conf", "staging") if options[name] not in (None, ())]
    if given and not is_spark:
        raise click.UsageError("--master, --spark-conf and --staging are Spark's; add --engine spark.")
    if is_spark and (options["from_run"] is not None or source is None):
        raise click.UsageError("Spark looks at the pictures of a SOURCE. An earlier run is decided anew (--from) on one machine, for that opens no picture.")
    pairs = dict(pair.partition("=")[::2] for pair in options["conf"])
    if not all(name and value for name, value in pairs.items()):
        raise click.UsageError("--spark-conf takes NAME=VALUE, such as --spark-conf spark.executor.memory=4g.")
    options["conf"] = pairs or None
    return is_spark


def _both(*watching: Callable[[int, int | None], None] | None) -> Callable[[int, int | None], None] | None:
    """Tells all of them how far it is; None where nobody looks."""
    there = [one for one in watching if one is not None]

    def tell(done: int, total: int | None) -> None:
        for one in there:
            one(done, total)

    return tell if there else None


def _columns(pairs: tuple[str, ...]) -> dict[str, str]:
    told = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(name and header for name, header in told.items()):
        raise click.UsageError("--column takes NAME=HEADER, such as --column image=Photo.")
    return told


def _told(run: Any) -> int:
    """Says what came out, and what did not; 1 if some picture failed."""
    from bioclip_search.runs.summary import summary

    for line in summary(run):
        click.echo(line)
    notes, failures, failed = run.note.get("notes", []), run.note.get("failures", []), run.note["counts"].get("failed", 0)
    for note in notes[:TOLD]:
        click.echo(f"Note: {note.rstrip('.')}.", err=True)
    if len(notes) > TOLD:
        click.echo(f"Note: and {len(notes) - TOLD} more; see {run.folder / 'run.json'}.", err=True)
    for failure in failures[:TOLD]:
        click.echo(f"{failure['image']}: {failure['error']}", err=True)
    if not run.note["counts"].get("pictures"):
        click.echo(f"No picture was found in {run.note['source']['place']}. Check the path or the pattern.", err=True)
    if failed:
        click.echo(f"{failed:,} {'picture' if failed == 1 else 'pictures'} could not be read; all others were tagged.", err=True)
    return 1 if failed else 0
