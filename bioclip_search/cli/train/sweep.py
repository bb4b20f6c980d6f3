"""`train sweep`: how a detector should look at pictures. All logic is in the package `sweep`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bioclip_search.cli.evaluate.figures import print_rows, write_json
from bioclip_search.cli.identify import device_option
from bioclip_search.cli.labelled_sets import parts_option
from bioclip_search.cli.values import OutputFile

NAMES = {"map50": "mAP50", "map75": "mAP75", "map": "mAP", "f1": "F1"}


@click.command()
@click.argument("detector")
@click.argument("datasets", nargs=-1, required=True, metavar="BOXES...")
@click.option("--out", type=click.Path(path_type=Path), help="Keep the settings in a copy of the detector.  [default: in its own card]")
@click.option("--report", type=OutputFile(), help="Write all figures to this JSON file as well.")
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of a COCO file's pictures.  [default: that of the file]")
@click.option("--by-category", is_flag=True, help="A find must bear the category of the box, too.")
@click.option("--dry-run", is_flag=True, help="Tell what is best and change nothing.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the halves.")
@parts_option
@device_option
def sweep(
    detector: str,
    datasets: tuple[str, ...],
    out: Path | None,
    report: Path | None,
    images: Path | None,
    by_category: bool,
    dry_run: bool,
    seed: int,
    parts: tuple[str, ...],
    device: str,
) -> None:
    """Find out how a DETECTOR should look at pictures: their size, several looks or one, overlaps, confidence; and keep it.

    Chosen on one half of the pictures in BOXES, which it must not have been taught, and measured on the other half; no burst is in both.
    `--detector` looks that way from then on. The starter and other detectors that must stay as they are need --out.

    \b
    Example: bioclip-search train sweep my-detector val.json --images photos --report sweep.json
    """
    from dataclasses import asdict

    from bioclip_search.detectors.card import read_inference
    from bioclip_search.detectors.known import STARTER
    from bioclip_search.evaluation.box_gain import gain_in_words
    from bioclip_search.sweep.choosing import in_words, rows_of, sweep_settings
    from bioclip_search.sweep.halves import halves_of
    from bioclip_search.sweep.keeping import folder_of, keep_settings, load_with, stop_if_taken, trained_px

    folder = folder_of(detector)
    if detector.lower() == STARTER and out is None and not dry_run:
        raise click.UsageError("The starter stays as it is. Give --out for a copy of it, or --dry-run.")
    if out is not None and not dry_run:
        stop_if_taken(out)
    halves = halves_of(_sets(datasets, images, parts), seed)
    before, px = read_inference(folder), trained_px(folder)
    progress = _tell_step if sys.stderr.isatty() else None
    found = sweep_settings(lambda inference: load_with(folder, inference, device), before, px, halves, by_category=by_category, progress=progress)
    print_rows([f"ON {sum(map(len, halves[0])):,} PICTURES", "mAP", ""], rows_of(found.tries))
    click.echo()
    rows = [[name, *(gain_in_words(found.figures, key, part) for part in ("before", "after", "gain"))] for key, name in NAMES.items()]
    print_rows([f"ON {found.figures['pictures']:,} OTHERS", "before", "after", "gain"], rows)
    write_json(report, {"detector": detector, "before": asdict(found.before), "after": asdict(found.after), "figures": dict(found.figures)})
    click.echo(f"Before: {in_words(found.before)}", err=True)
    click.echo(f"After:  {in_words(found.after)}" if found.is_changed else "Nothing is better; the settings stay as they are.", err=True)
    if not dry_run and (found.is_changed or out is not None):
        click.echo(f"{keep_settings(folder, found.after, out)}: looks that way from now on", err=True)


def _sets(datasets: tuple[str, ...], images: Path | None, parts: tuple[str, ...]) -> list:
    """The sets in the parts asked for, examined; what was odd goes to stderr."""
    import numpy as np

    from bioclip_search.boxed.boxed_set import kept
    from bioclip_search.boxed.examining import examine
    from bioclip_search.boxed.sets import find_boxed_sets
    from bioclip_search.evaluation.labelled import TRAIN

    wanted = []
    for boxed in find_boxed_sets(datasets, images):
        mask = np.isin(boxed.parts, parts) | ("all" in parts) if parts else boxed.parts != TRAIN
        wanted.append(kept(boxed, mask if boxed.silver is None else mask & ~boxed.silver))  # what a detector drew judges none
    sets, told = examine([one for one in wanted if len(one)])
    for line in told.lines():
        click.echo(line, err=True)
    return sets


def _tell_step(line: str) -> None:
    click.echo(f"looking: {line}", err=True)
