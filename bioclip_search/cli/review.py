"""`review`: what of a run needs a person, and what people decided. All logic is in the package `review`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.cli.values import ACCURACY, OutputFile
from bioclip_search.exports import FORMATS

if TYPE_CHECKING:
    from bioclip_search.review.queue import Doubt
    from bioclip_search.runs.folder import Run

TOLD = 20
"""How many rows that could not be taken are told one by one."""

PICTURE_WIDTH, ANSWER_WIDTH = 32, 36
"""Columns of the table in characters; what is longer is cut with an ellipsis."""


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--target", type=ACCURACY, default=0.9, show_default=True, help="The chance of being right that is sure enough.")
@click.option("--limit", type=click.IntRange(1), help="List at most so many crops.")
@click.option("--again", is_flag=True, help="List crops that were decided already, too.")
@click.option("--bursts", is_flag=True, help="List one crop of each burst; with --decide, take each decision for its whole burst.")
@click.option("--sample", metavar="N", type=click.IntRange(1), help="List a fair draw of N crops instead, sure or not; --spared needs one.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="How crops are listed.")
@click.option("--template", metavar="FILE.csv", type=OutputFile(), help="Write the list as a table to fill in.")
@click.option(
    "--decide", "decided", metavar="FILE.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Take the decisions of a filled table."
)
@click.option("--who", metavar="NAME", help="Who decides; needed with --decide and --undo.")
@click.option("--new-names", is_flag=True, help="With --decide: take species that the index lacks as they are written, below their genus.")
@click.option("--index", metavar="INDEX", help="With --decide: whose names are meant.  [default: the one that the run was made with]")
@click.option("--undo", is_flag=True, help="Undo the decisions that were taken last; the history keeps them.")
@click.option(
    "--labels",
    metavar="FILE",
    type=OutputFile(),
    help="Write what was decided as labels: CSV for evaluate and calibrate, or .parquet with the crops for train encoder.",
)
@click.option("--spared", metavar="SHARE", type=ACCURACY, help="Tell how many crops need no person, for this share of right names.")
def review(folder: Path, **options: Any) -> int:
    """List what of a RUN needs a person, the largest doubt first, and take what people decide.

    Listed are crops without an answer, less sure than the target, not expected at the place, unlike the rest of their burst,
    or unlike what was calibrated on. The machine's answers are never changed; decisions stand beside them, with who and when.

    \b
    Example: bioclip-search review run/ --limit 200 --template decisions.csv
    Example: bioclip-search review run/ --decide decisions.csv --who "Ana Ruiz"
    Example: bioclip-search review run/ --spared 0.95
    """
    from bioclip_search.runs.folder import Run

    actions = {"--template": options["template"], "--decide": options["decided"], "--undo": options["undo"]}
    actions |= {"--labels": options["labels"], "--spared": options["spared"]}
    asked = [name for name, value in actions.items() if value]
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(asked)} are things to do one after the other.")
    if (options["decided"] or options["undo"]) and not (options["who"] or "").strip():
        raise click.UsageError(f"{asked[0]} needs --who NAME, for it is kept who decided.")
    run = Run.open(folder)
    do = {"--decide": _decide, "--undo": _undo, "--labels": _labels, "--spared": _spared, "--template": _template}
    return do[asked[0]](run, options) if asked else _list(run, options)


def _doubts(run: Run, options: dict[str, Any]) -> Iterator[Doubt]:
    from bioclip_search.review.queue import queue
    from bioclip_search.review.spared import draw

    if options["sample"]:
        return islice(draw(run, options["sample"]), options["limit"])
    return queue(run, options["target"], again=options["again"], bursts=options["bursts"], limit=options["limit"])


def _list(run: Run, options: dict[str, Any]) -> int:
    import csv
    import json

    from bioclip_search.review.template import COLUMNS, row_of
    from bioclip_search.standards.csv_table import safe

    count, format_ = 0, options["format_"]
    if format_ == "csv":
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
    elif format_ == "table":
        click.echo(_line("PICTURE", "ANSWER", "DOUBT", "WHY"))
    for doubt in _doubts(run, options):
        count += 1
        if format_ == "csv":
            writer.writerow(safe(row_of(doubt)))
        else:
            click.echo(json.dumps(doubt.to_dict(), ensure_ascii=False) if format_ == "jsonl" else _told(doubt))
    click.echo(f"{count:,} {'crop' if count == 1 else 'crops'}." if count else "No crop needs a person.", err=True)
    return 0


def _told(doubt: Doubt) -> str:
    from bioclip_search.exports import full_name

    where = f"{doubt.image} #{doubt.crop}" if doubt.frame_number is None else f"{doubt.image} frame {doubt.frame_number} #{doubt.crop}"
    return _line(where, full_name(doubt.answer.taxon, doubt.answer.common_name), f"{doubt.doubt:.2f}", "; ".join(doubt.reasons))


def _line(picture: str, answer: str, doubt: str, why: str) -> str:
    picture = picture if len(picture) <= PICTURE_WIDTH else "…" + picture[1 - PICTURE_WIDTH :]
    answer = answer if len(answer) <= ANSWER_WIDTH else answer[: ANSWER_WIDTH - 1] + "…"
    return f"{picture:<{PICTURE_WIDTH}}  {answer:<{ANSWER_WIDTH}}  {doubt:>5}  {why}".rstrip()


def _template(run: Run, options: dict[str, Any]) -> int:
    from bioclip_search.review.decisions import VERDICTS
    from bioclip_search.review.template import write_template

    count = write_template(_doubts(run, options), options["template"])
    click.echo(f"{count:,} {'crop' if count == 1 else 'crops'} to decide in {options['template']}: fill in verdict ({', '.join(VERDICTS)}) or taxon.", err=True)
    click.echo(f"Then: bioclip-search review {run.folder} --decide {options['template']} --who NAME{' --bursts' if options['bursts'] else ''}", err=True)
    return 0


def _decide(run: Run, options: dict[str, Any]) -> int:
    from bioclip_search.review.deciding import decide

    names = None
    if options["index"]:
        from bioclip_search.catalogue import Catalogue

        names = Catalogue.open(options["index"]).names
    found = decide(run.folder, options["decided"], options["who"], names=names, new_names=options["new_names"], whole_bursts=options["bursts"])
    for error in found.errors[:TOLD]:
        click.echo(str(error), err=True)
    if len(found.errors) > TOLD:
        click.echo(f"and {len(found.errors) - TOLD:,} more", err=True)
    click.echo(f"Taken: {len(found.decisions):,}. Not understood: {len(found.errors):,}. Left open: {found.left_open:,}.")
    return 1 if found.errors else 0


def _undo(run: Run, options: dict[str, Any]) -> int:
    from bioclip_search.review.decisions import undo

    batch = undo(run.folder, options["who"].strip())
    if batch is None:
        click.echo("There is no decision to undo.", err=True)
        return 1
    first = batch.decisions[0]
    click.echo(f"Undone: {len(batch.decisions):,} of {first.who}, taken {first.when:%Y-%m-%d %H:%M}.")
    return 0


def _labels(run: Run, options: dict[str, Any]) -> int:
    from bioclip_search.review.labels import write_labels
    from bioclip_search.review.training import write_training

    out = options["labels"]
    report = write_training(run, out) if out.suffix.lower() in (".parquet", ".pq") else write_labels(run, out)
    click.echo(f"{report.rows:,} labels in {out}.")
    if report.without_taxon:
        click.echo(f"Left out: {report.without_taxon:,} decisions that name no taxon.", err=True)
    if report.of_videos:
        click.echo(f"Left out: {report.of_videos:,} of frames of videos, which no table can point to; `calibrate {run.folder}` takes them.", err=True)
    if report.unread:
        click.echo(f"Left out: {report.unread:,} whose pictures are no longer where the run found them.", err=True)
    return 0


def _spared(run: Run, options: dict[str, Any]) -> int:
    from bioclip_search.review.spared import spared

    found = spared(run, options["spared"])
    for line in found.lines():
        click.echo(line)
    return 0
