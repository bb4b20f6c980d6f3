"""`train classifier`: labelled pictures in, an index that knows their taxa better out. All logic is in the package `classifier`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.cli.identify import device_option, precision_option, workers_option
from bioclip_search.cli.labelled_sets import mend_option
from bioclip_search.cli.progress import progress_steps

if TYPE_CHECKING:
    from bioclip_search.classifier.training import Classifier
    from bioclip_search.searcher import Searcher

KIND_CHOICES = ("logistic", "prototypes", "ridge", "mlp")
VIEW_CHOICES = ("none", "flip", "strong")
STEP_WIDTH = 54
"""Columns of the table of steps in characters."""


@click.command()
@click.argument("data", nargs=-1, required=True, metavar="DATA...")
@click.option("--index", default="starter", show_default=True, help="Name or folder of the index that shall know more; it stays as it is.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the new index.")
@click.option("--head", "heads", multiple=True, type=click.Choice(KIND_CHOICES), help="Head to try; the best is kept.  [default: all but mlp]")
@click.option(
    "--views", type=click.Choice(VIEW_CHOICES), default="flip", show_default=True, help="Further looks that teach: mirrored, or nearer and in other light too."
)
@click.option("--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Parts that the pictures are dealt into, each asked once.")
@click.option("--balance", is_flag=True, help="Let all taxa count alike, however many pictures they have.")
@click.option("--least", type=click.IntRange(1), default=2, show_default=True, help="Bursts or single pictures of a taxon that is taught.")
@click.option(
    "--teach", "teaching", multiple=True, metavar="PART", help="Parts that teach; others are kept back to measure.  [default: train, and what bears no part]"
)
@mend_option
@click.option("--skip-unknown", is_flag=True, help="Go on without labels that are no taxa of the index.")
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), help="Write a report with drawings, figures and every answer into this folder.")
@click.option("--study", metavar="TAXON", help="Tell by how much each step helps to find one taxon among all pictures: pixels, features, mirroring, bursts.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides by lot what is left to it.")
@click.option(
    "--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True, help="Look at pictures and seek the logistic head here, or on Spark."
)
@click.option("--master", help="Of Spark, such as local[2] or spark://HOST:7077.  [default: what Spark is told elsewhere]")
@click.option("--staging", type=click.Path(file_okay=False, path_type=Path), help="For Spark, a folder that all machines share.  [default: beside --out]")
@workers_option
@precision_option
@device_option
def classifier(
    data: tuple[str, ...],
    index: str,
    out: Path,
    heads: tuple[str, ...],
    views: str,
    folds: int,
    balance: bool,
    least: int,
    teaching: tuple[str, ...],
    mend: bool,
    skip_unknown: bool,
    report: Path | None,
    study: str | None,
    seed: int,
    engine: str,
    master: str | None,
    staging: Path | None,
    workers: int | None,
    precision: str,
    device: str,
) -> int:
    """Teach an index the taxa of your own pictures, in minutes and without a GPU.

    DATA is what `calibrate` takes: folders of taxa, tables with a column path or image and a taxon, data sets by name, or the
    folder of a run that people reviewed. The encoder stays as it is; a head learns to tell its features apart, is tried on pictures
    that it was not taught, and joins the names: taxa without pictures are still found. The new index is used like any other.
    Frames of one burst are never taught and asked at once. Who is stopped goes on with the pictures that are left.

    \b
    Example: bioclip-search train classifier my-cameras/ --index starter --out my-region --report my-region-report
    """
    from bioclip_search.classifier.report import stop_if_unwritable, write_report
    from bioclip_search.classifier.training import KINDS, train_classifier
    from bioclip_search.searcher import Searcher

    if engine == "local" and (master or staging):
        raise click.UsageError("--master and --staging are Spark's: add --engine spark, or leave them out.")
    if report is not None:
        stop_if_unwritable(report)
    searcher = Searcher.open(index, device=device, precision=precision)
    with progress_steps("pictures") as progress, _work_on(engine, searcher, master, staging, out, device, precision) as elsewhere:
        found = train_classifier(
            data,
            out=out,
            index=searcher,
            heads=heads or KINDS,
            views=views,
            folds=folds,
            balance=balance,
            least=least,
            teaching=teaching or None,
            skip_unknown=skip_unknown,
            mend=mend,
            study=study,
            workers=workers,
            seed=seed,
            say=lambda line: click.echo(line, err=True),
            progress=progress,
            **elsewhere,
        )
    if report is not None:
        write_report(report, found)
        click.echo(f"Report: {report / 'report.md'}", err=True)
    _print(found)
    click.echo(f"{out}: written. Use it: bioclip-search identify PHOTO --index {out}", err=True)
    return 1 if found.failures else 0


@contextmanager
def _work_on(engine: str, searcher: Searcher, master: str | None, staging: Path | None, out: Path, device: str, precision: str) -> Iterator[dict[str, Any]]:
    """What `train_classifier` is told of work that is done elsewhere; nothing for here."""
    if engine == "local":
        yield {}
        return
    import shutil

    from bioclip_search.spark.classifying import regressing_on
    from bioclip_search.spark.encoders import EncoderThere
    from bioclip_search.spark.features import looking_on
    from bioclip_search.spark.plan import folder_below
    from bioclip_search.spark.session import spark_session

    folder = folder_below(staging, out) if staging else out.absolute().with_name(f".{out.name}.spark")

    note = searcher.index.card.encoder
    there = EncoderThere.of(searcher.index.encoder_source, searcher.encoder, device=device, precision=precision, preprocess=note.preprocess)
    try:
        with spark_session(master) as spark:
            yield {"embed": looking_on(spark, there, folder / "pictures"), "regress": regressing_on(spark, folder)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _print(found: Classifier) -> None:
    """The steps with their intervals, to stdout."""
    from bioclip_search.classifier.words import share_in_words

    features = found.taught.features
    click.echo(f"{len(features.taxa):,} taxa, {len(features):,} pictures in {int(features.groups.max()) + 1:,} bursts or alone; head: {found.chosen}")
    click.echo(f"{'RIGHT (95 % interval), asked of heads not taught the picture':<{STEP_WIDTH + 8}}")
    for step in found.steps:
        click.echo(f"  {step.words:<{STEP_WIDTH}}{share_in_words(found.metrics, f'step_{step.name}_right')}")
    if found.kept_back is not None:
        click.echo(f"OF {len(found.kept_back.features):,} PICTURES KEPT BACK")
        for name, words in (("names", "names alone"), ("head", "head alone, among the taxa taught"), ("both", "both, as the new index answers")):
            click.echo(f"  {words:<{STEP_WIDTH}}{share_in_words(found.metrics, f'kept_back_{name}_right')}")
    if found.study is not None:
        for line in found.study.lines():
            click.echo(line)
