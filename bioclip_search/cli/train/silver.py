"""`train silver` and `train silver-check`: boxes drawn by a detector, and how right they are. All logic is in the package `silver`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.cli.identify import device_option
from bioclip_search.cli.progress import progress_steps
from bioclip_search.cli.values import NumberRange, OutputFile

if TYPE_CHECKING:
    from bioclip_search.detect import Detector

MIRRORED = "mirrored"
"""The word for a second look of the same detector, at the mirror image."""


@click.command()
@click.argument("places", nargs=-1, required=True, metavar="PICTURES...")
@click.option("--detector", "name", default="starter", show_default=True, help="Whose boxes are taken: a detector's name, its folder or .onnx file.")
@click.option("--out", required=True, type=OutputFile(), help="The silver set to write, .parquet.")
@click.option("--min-confidence", type=NumberRange(0, 1, min_open=True), help="A find of it is sure.  [default: 0.5]")
@click.option("--doubtful", type=NumberRange(0, 1, min_open=True), help="A find of it, but not sure, leaves its picture out.  [default: half of the sure]")
@click.option("--agree", multiple=True, metavar="DETECTOR", help=f"Another detector that must agree, or {MIRRORED}: the same one at the mirror image.")
@click.option("--iou", type=NumberRange(0, 1, min_open=True), help="Overlap by which two looks agree about a box.  [default: 0.6]")
@click.option("--category", help="What all boxes are called, where the pictures show nothing else.  [default: what the detector calls them]")
@click.option("--not-in", "gold", multiple=True, metavar="BOXES", help="Leave out the pictures of this set with boxes: those that a detector is measured on.")
@click.option("--check", "count", type=click.IntRange(1), help="Draw so many boxes for people to look at; see `train silver-check`.")
@click.option("--resume", is_flag=True, help="Go on with what was stopped.")
@click.option("--trust-pickle", is_flag=True, help="Load a detector from a .pt file, which can run any code.")
@device_option
def silver(
    places: tuple[str, ...],
    name: str,
    out: Path,
    min_confidence: float | None,
    doubtful: float | None,
    agree: tuple[str, ...],
    iou: float | None,
    category: str | None,
    gold: tuple[str, ...],
    count: int | None,
    resume: bool,
    trust_pickle: bool,
    device: str,
) -> int:
    """Draw boxes with a detector into pictures without any, to teach the next detector beside what people drew.

    PICTURES are whatever `tag` takes, or the folder of a run of `tag`, whose boxes are taken. A picture is taken only if all that is
    found in it is sure: a missing box teaches as much wrong as a false one. Look at a check of the set before you use it.

    \b
    Example: bioclip-search train silver photos/ --detector my-detector --agree mirrored --not-in val.json --out silver.parquet --check 60
    """
    import numpy as np

    from bioclip_search.boxed.sets import find_boxed_sets
    from bioclip_search.silver.judging import SilverRule
    from bioclip_search.silver.pictures import cautions
    from bioclip_search.silver.writing import Looks, hashes_of, write_silver

    given = {"min_confidence": min_confidence, "doubt_confidence": doubtful, "iou": iou}
    try:
        rule = SilverRule(**{key: value for key, value in given.items() if value is not None})
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    first = _detector(name, device, trust_pickle)
    others = tuple(_second(other, first, device, trust_pickle) for other in agree)
    known = frozenset(told for boxed in find_boxed_sets(gold) for told in hashes_of(boxed.pictures(np.ones(len(boxed), bool))))
    for line in cautions(places, rule.doubt):
        click.echo(f"Note: {line}", err=True)
    with progress_steps("pictures") as progress:
        report = write_silver(places, out, Looks(first, others, rule, known, category), is_resumed=resume, progress=progress)
    for line in report.lines():
        click.echo(line)
    for line in report.failures:
        click.echo(f"{line}", err=True)
    click.echo(f"{out}: written", err=True)
    if count:
        _check(out, count)
    return 1 if report.failures else 0


@click.command()
@click.argument("silver", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("answers", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--draw", "count", type=click.IntRange(1), help="Draw so many boxes for people to look at, instead of reading ANSWERS.")
@click.option("--least-precision", type=NumberRange(0, 1), help="Refuse a set with a smaller share of right boxes: exit status 1.")
def silver_check(silver: Path, answers: Path | None, count: int | None, least_precision: float | None) -> int:
    """Tell how many boxes of a SILVER set are right, by what people answered for a draw of them.

    With --draw, the boxes are drawn: a table, in whose column `right` people write yes or no, and sheets that show the boxes.
    Then call it with the table as ANSWERS.

    \b
    Example: bioclip-search train silver-check silver.parquet silver.check.csv --least-precision 0.95
    """
    from bioclip_search.errors import TableError
    from bioclip_search.silver.checking import read_check

    if (answers is None) == (count is None):
        raise click.UsageError("Give either ANSWERS or --draw.")
    if answers is None:
        _check(silver, count)
        return 0
    result = read_check(answers, silver)
    low, high = result.interval
    click.echo(f"{result.right:,} of {result.right + result.wrong:,} boxes are right: {result.precision:.3f} ({low:.3f}–{high:.3f})")
    if result.open:
        click.echo(f"{result.open:,} boxes have no answer and count nowhere. Answer for them too: those that are left are seldom the easy ones.", err=True)
    if least_precision is not None and result.precision < least_precision:
        raise TableError(
            f"{silver}: {result.precision:.3f} of its boxes are right, less than {least_precision:g}. Make it anew with a higher --min-confidence or with --agree."
        )
    if least_precision is not None and low < least_precision:
        click.echo(f"It may be less than {least_precision:g}: the interval begins at {low:.3f}. Check more boxes to be sure.", err=True)
    return 0


def _check(silver: Path, count: int) -> None:
    from bioclip_search.silver.checking import write_check

    table, *sheets = write_check(silver, count, silver.with_name(f"{silver.stem}.check.csv"))
    click.echo(
        f"{table}: look at {', '.join(sheet.name for sheet in sheets)}, write yes or no for each box, then: train silver-check {silver} {table}", err=True
    )


def _second(name: str, first: Detector, device: str, trust_pickle: bool) -> Detector:
    from bioclip_search.detectors.views import Mirrored

    return Mirrored(first) if name.lower() == MIRRORED else _detector(name, device, trust_pickle)


def _detector(name: str, device: str, trust_pickle: bool) -> Detector:
    from bioclip_search.detect import load_detector
    from bioclip_search.errors import ModelError

    found = load_detector(name, device=device, trust_pickle=trust_pickle)
    if found is None:
        raise ModelError("The detector none finds nothing that could teach another. Name one with --detector.")
    return found
