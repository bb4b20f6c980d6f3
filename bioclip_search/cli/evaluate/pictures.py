"""`evaluate zero-shot`: labelled pictures in, figures out. All logic is in `bioclip_search.evaluation.zero_shot` and `labelled`."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.cli.identify import device_option, format_option, precision_option, workers_option
from bioclip_search.cli.progress import progress_steps

if TYPE_CHECKING:
    from bioclip_search.evaluation.zero_shot import Evaluation

FAILURES_SHOWN = 20
LEADING = ("n", "candidates", "top1", "top5")
NAME_WIDTH, COLUMN_WIDTH = 32, 11
"""Columns of the table in characters."""


@click.command("zero-shot")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="Settings of `train encoder`: measure its sets in the parts that it kept apart.")
@click.option("--index", default="starter", show_default=True, help="Name or folder of the index.")
@click.option("--labels", multiple=True, default=("own",), show_default=True, help="own, index, or a table of taxa; may be given several times.")
@click.option("--distractors", metavar="TABLE", type=click.Path(), help="Measure also among the labels of all sets and these taxa (list `mixed`).")
@click.option("--part", "parts", multiple=True, help="Measure only this part; may be given several times.  [default: all that is not train]")
@click.option("--target-accuracy", type=click.FloatRange(0, 1), default=0.9, show_default=True, help="Share of fallback answers that shall be right.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures to this JSON file as well.")
@workers_option
@precision_option
@device_option
@format_option
def pictures(
    files: tuple[str, ...],
    config: str | None,
    index: str,
    labels: tuple[str, ...],
    distractors: str | None,
    parts: tuple[str, ...],
    target_accuracy: float,
    out: Path | None,
    workers: int | None,
    precision: str,
    device: str,
    format: str,
) -> int:
    """Measure how often an index is right about labelled pictures in FILES.

    A FILE is Parquet with the columns image, kingdom … species, common_name and split, a folder or pattern of such
    files (each folder is one set), or a CSV with a column path. Rows whose split is train are passed over.

    \b
    Example: bioclip-search evaluate "butterflies/*.parquet" --distractors inat2021.parquet
    """
    from bioclip_search.evaluation import zero_shot as evaluating
    from bioclip_search.evaluation.labelled import find_sets, sets_of_training
    from bioclip_search.searcher import Searcher

    if bool(files) == (config is not None):
        raise click.UsageError("Give either FILES or --config.")
    searcher = Searcher.open(index, device=device, precision=precision)
    ranks = searcher.taxonomy.ranks
    if config is None:
        sets = find_sets(files, ranks)
    else:
        from bioclip_search.train.config import EncoderConfig

        sets = sets_of_training(EncoderConfig.from_toml(config), ranks)
    with progress_steps("pictures") as progress:
        question = {"labels": labels, "distractors": distractors, "parts": parts or None, "target_accuracy": target_accuracy}
        found = evaluating.evaluate(searcher, sets, **question, workers=workers, progress=progress)
    _tell(found)
    if out:
        out.write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    {"table": _print_table, "csv": _print_csv, "jsonl": _print_json}[format](found, ranks)
    return 1 if found.failures else 0


def _tell(found: Evaluation) -> None:
    """What the figures stand on, to stderr."""
    for part, count in found.skipped.items():
        click.echo(f"Passed over: {count:,} pictures of part {part}.", err=True)
    if found.unlabelled:
        click.echo(f"Passed over: {found.unlabelled:,} pictures that are labelled with no taxon.", err=True)
    for failure in found.failures[:FAILURES_SHOWN]:
        click.echo(f"{failure.image}: cannot be measured: {failure.error}", err=True)
    if len(found.failures) > FAILURES_SHOWN:
        click.echo(f"and {len(found.failures) - FAILURES_SHOWN:,} more that cannot be read.", err=True)
    ruling = found.ruling.to_dict()
    numbers = ", ".join(f"{name} {ruling[name]:.3g}" for name in ("threshold", "caution") if name in ruling)
    click.echo(f"Index {found.index}, temperature {ruling['temperature']:g}, {ruling['rule']} with {numbers} ({ruling['rules_from']}).", err=True)


def _print_table(found: Evaluation, ranks: tuple[str, ...]) -> None:
    """Three tables: the best match, the summed probabilities, the fallback."""
    upwards = list(reversed(ranks))
    answers = {"coverage": "answer_coverage", "right": "answer_accuracy", "ECE": "answer_ece"} | {rank: f"answered_{rank}" for rank in upwards}
    tables = {
        "RIGHT, best match": {**{name: name for name in LEADING}, "at rank": "top1_at_rank", **{rank: f"best_{rank}" for rank in upwards}},
        "RIGHT, summed": {rank: f"rolled_{rank}" for rank in upwards},
        "FALLBACK, share of answers": answers,
    }
    for title, columns in tables.items():
        click.echo(f"{title:<{NAME_WIDTH}}" + "".join(f"{name:>{COLUMN_WIDTH}}" for name in columns))
        for score in found.scores:
            cells = (_cell(score.metrics.get(key)) for key in columns.values())
            click.echo(f"{f'{score.set_name}/{score.part} {score.labels}':<{NAME_WIDTH}}" + "".join(f"{cell:>{COLUMN_WIDTH}}" for cell in cells))
        click.echo()


def _cell(value: float | None) -> str:
    """A count as it is, a share with three places."""
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _print_csv(found: Evaluation, ranks: tuple[str, ...]) -> None:
    records = [score.to_dict() for score in found.scores]
    writer = csv.DictWriter(sys.stdout, list(dict.fromkeys(key for record in records for key in record)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)


def _print_json(found: Evaluation, ranks: tuple[str, ...]) -> None:
    for score in found.scores:
        click.echo(json.dumps(score.to_dict(), ensure_ascii=False))
