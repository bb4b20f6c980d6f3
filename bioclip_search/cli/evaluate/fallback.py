"""`evaluate fallback`: labelled pictures in, a table of the rules of the fallback out. All logic is in `evaluation.rules_compared`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.cli.evaluate.embedding import out_option
from bioclip_search.cli.evaluate.figures import print_rows, write_json
from bioclip_search.cli.identify import device_option, precision_option, workers_option
from bioclip_search.cli.labelled_sets import config_option, files_argument, labelled_sets, mend_option, parts_option, set_option
from bioclip_search.cli.progress import progress_steps
from bioclip_search.cli.values import ACCURACY, TARGETS

if TYPE_CHECKING:
    from bioclip_search.evaluation.rules_compared import Comparison, Fared


@click.command()
@files_argument
@config_option
@set_option
@click.option("--index", default="starter", show_default=True, help="Name or folder of the index.")
@parts_option
@mend_option
@click.option("--target-accuracy", "targets", type=ACCURACY, multiple=True, help="Shares of right names to aim at.  [default: 0.8, 0.9, 0.95]")
@click.option("--splits", type=click.IntRange(1), default=200, show_default=True, help="How often the pictures are halved.")
@out_option
@click.option("--format", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
@workers_option
@precision_option
@device_option
def fallback(
    files: tuple[str, ...],
    config: str | None,
    only: tuple[str, ...],
    index: str,
    parts: tuple[str, ...],
    mend: bool,
    targets: tuple[float, ...],
    splits: int,
    out: Path | None,
    format: str,
    workers: int | None,
    precision: str,
    device: str,
) -> int:
    """Compare ways to choose the rank of an answer: ours, SpeciesNet's, fixed thresholds, the best match.

    The pictures are halved at random many times; each rule is made as bold as one half allows, and tried on the other.

    \b
    Example: bioclip-search evaluate fallback known-photos/ --index my-birds
    """
    from bioclip_search.evaluation.rules_compared import compare_rules
    from bioclip_search.searcher import Searcher

    searcher = Searcher.open(index, device=device, precision=precision)
    sets = labelled_sets(files, config, only, searcher, mend=mend)
    with progress_steps("pictures") as progress:
        found = compare_rules(searcher, sets, parts=parts or None, targets=targets or TARGETS, splits=splits, workers=workers, progress=progress)
    write_json(out, found.to_dict())
    if format == "jsonl":
        for one in found.to_dict()["fared"]:
            click.echo(json.dumps(one, ensure_ascii=False))
    else:
        _print_tables(found)
    return 0


def _print_tables(found: Comparison) -> None:
    click.echo(f"{found.pictures:,} pictures, {found.taxa:,} taxa, {found.splits} random halves. Tells: mean information of the right answers, 0 to 1.\n")
    upwards = list(reversed(range(len(found.ranks))))
    header = ["kept", "refused", "right", "answered", "tells", *(found.ranks[depth] for depth in upwards)]
    for target in dict.fromkeys(one.target for one in found.fared if one.target is not None):
        rows = [[one.rule, _cell(one.kept), _cell(one.refused), *_shares(one, upwards)] for one in found.fared if one.target == target]
        print_rows([f"At least {target:g} right", *header], rows)
        click.echo()
    rows = [[one.rule, *_shares(one, upwards)[:3], _cell(one.our_accuracy), _cell(one.ours)] for one in found.fared if one.target is None]
    print_rows(["Rules as they are", *header[2:5], "ours right", "ours tells"], rows)


def _shares(one: Fared, upwards: list[int]) -> list[str]:
    return [_cell(value) for value in (one.accuracy, one.coverage, one.information, *(one.answered[depth] if one.answered else None for depth in upwards))]


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
