"""`calibrate`: labelled pictures in, a calibration of the index out. All logic is in the package `calibration`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.cli.identify import device_option, precision_option, workers_option
from bioclip_search.cli.labelled_sets import config_option, files_argument, labelled_sets, mend_option, parts_option, set_option, truth_option
from bioclip_search.cli.progress import progress_steps
from bioclip_search.cli.values import ACCURACY, TARGETS, OutputFile

if TYPE_CHECKING:
    from bioclip_search.calibration.record import CalibrationRecord

COLUMN_WIDTH = 9


@click.command()
@files_argument
@truth_option
@config_option
@set_option
@click.option("--index", default="starter", show_default=True, help="Name or folder of the index.")
@parts_option
@mend_option
@click.option("--out", type=OutputFile(), help="Write the calibration to this file, for --calibration, and leave the index as it is.")
@click.option("--target-accuracy", "targets", type=ACCURACY, multiple=True, help="Shares of right names to tell about.  [default: 0.8, 0.9, 0.95]")
@click.option(
    "--strangers",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="SHARE",
    help="Take this share of the labelled species out of the index meanwhile, where many of your pictures show species that it lacks: 0.2.",
)
@workers_option
@precision_option
@device_option
def calibrate(
    files: tuple[str, ...],
    truth: str | None,
    config: str | None,
    only: tuple[str, ...],
    index: str,
    parts: tuple[str, ...],
    mend: bool,
    out: Path | None,
    targets: tuple[float, ...],
    strangers: float,
    workers: int | None,
    precision: str,
    device: str,
) -> int:
    """Teach an index on pictures whose names you know, so that --target-accuracy keeps its promise.

    A FILE is a folder with one sub-folder a taxon, a CSV with a column path and a name, or Parquet with the columns
    image and species; the folder of a run that people reviewed; or a run or the answers of `identify` beside a --truth.
    Take pictures of the kind that will be identified: the promise holds for those, and for no others. A few hundred are enough; with too few it is said how many would be.
    Of a burst the first picture of a taxon counts: ten of the same animal tell as much as one.

    \b
    Example: bioclip-search calibrate known-photos/ --index my-birds
    Example: bioclip-search calibrate camera-7.csv --index starter --out camera-7.calibration
    """
    from bioclip_search.calibration.fitting import calibrate as fit
    from bioclip_search.calibration.record import keep
    from bioclip_search.index.folder import stop_if_shipped
    from bioclip_search.index.replacing import alone_in
    from bioclip_search.searcher import Searcher

    searcher = Searcher.open(index, device=device, precision=precision)
    if out is None:
        stop_if_shipped(
            searcher.index, f"Write the calibration to a file, --out my.calibration, or make a copy of your own: bioclip-search index trim {index} --out mine"
        )
        with alone_in(searcher.index.folder):  # Subtle: whether it can be written is found out before the work, not after it
            pass
    sets = labelled_sets(files, config, only, searcher, truth, mend)
    with progress_steps("pictures") as progress:
        record = fit(searcher, sets, parts=parts or None, strangers=strangers, workers=workers, progress=progress)
    if out is None:
        keep(searcher.index, record)
        click.echo(f"Kept in the index {searcher.index.card.name}.", err=True)
    else:
        record.write(out)
        click.echo(f"Written to {out}, for: bioclip-search identify PHOTO --index {index} --calibration {out}", err=True)
    click.echo(f"Fitted on {record.origin.fitted_on}.", err=True)
    _print_promises(record, targets or TARGETS)
    return 0


def _print_promises(record: CalibrationRecord, targets: tuple[float, ...]) -> None:
    """One line a target: what share of the labelled pictures gets an answer, how many are right, what they tell, and at which rank."""
    from bioclip_search.errors import NotCalibratedError

    upwards = list(reversed(range(len(record.origin.ranks))))
    columns = ["target", "answered", "right", "tells", *(record.origin.ranks[depth] for depth in upwards)]
    click.echo("".join(f"{name:>{COLUMN_WIDTH}}" for name in columns))
    refusals = []
    for target in targets:
        try:
            setting = record.evidence.setting(target)
        except NotCalibratedError as error:
            refusals.append(f"{target:g}: {error}")
            click.echo(f"{target:>{COLUMN_WIDTH}g}" + f"{'cannot be promised':>{2 * COLUMN_WIDTH + 2}}")
            continue
        shares = [setting.coverage, setting.right / setting.answers, setting.information, *(setting.answered[depth] for depth in upwards)]
        click.echo(f"{target:>{COLUMN_WIDTH}g}" + "".join(f"{share:>{COLUMN_WIDTH}.3f}" for share in shares))
    for refusal in refusals:
        click.echo(refusal, err=True)
