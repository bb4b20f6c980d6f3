"""How the figures of a measure are shown: as tables with their intervals, long as CSV, flat as JSON lines, and in a file.

What they mean is left to `evaluation.measures`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from bioclip_search.cli.evaluate.figures import write_json
from bioclip_search.swapping import whole_file

if TYPE_CHECKING:
    from bioclip_search.evaluation.score import Score
    from bioclip_search.results import Failure

FAILURES_SHOWN = 20
NAME_WIDTH, COLUMN_WIDTH, INTERVAL_WIDTH = 32, 11, 22
"""Columns of the tables in characters."""

HEADLINE = {
    "answers right": "answer_accuracy",
    "information": "answer_information",
    "best match right": "top1",
    "hAURC": "haurc",
}
"""What is told first, with intervals: column and figure."""


def print_scores(scores: Sequence[Score], format: str, ranks: Sequence[str]) -> None:
    """Prints to stdout in one of `exports.FORMATS`."""
    if format == "csv":
        write_long(scores, sys.stdout)
    elif format == "jsonl":
        for score in scores:
            click.echo(json.dumps(score.to_dict(), ensure_ascii=False))
    else:
        _print_tables(scores, ranks)


def write_out(path: Path, told: Mapping[str, Any], scores: Iterable[Score]) -> None:
    """Writes everything to a file, as long CSV where its name ends so, else as JSON; never half of it."""
    if path.suffix.lower() != ".csv":
        write_json(path, told)
        return
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as out:
        write_long(scores, out)


def write_long(scores: Iterable[Score], out: TextIO) -> None:
    """One row a figure."""
    from bioclip_search.evaluation.score import LONG_COLUMNS

    writer = csv.DictWriter(out, LONG_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for score in scores:
        writer.writerows(score.long_rows())


def tell_failures(failures: Sequence[Failure]) -> None:
    """The pictures that could not be read, to stderr."""
    for failure in failures[:FAILURES_SHOWN]:
        click.echo(f"{failure.image}: cannot be measured: {failure.error}", err=True)
    if len(failures) > FAILURES_SHOWN:
        click.echo(f"and {len(failures) - FAILURES_SHOWN:,} more that cannot be read.", err=True)


def _print_tables(scores: Sequence[Score], ranks: Sequence[str]) -> None:
    """The headline with its intervals; then the best match, the summed probabilities and the fallback, each by rank."""
    upwards = list(reversed(ranks))
    answers = {"coverage": "answer_coverage", "severity": "answer_severity", "ECE": "answer_ece"} | {rank: f"answered_{rank}" for rank in upwards}
    best = {"top five": "top5", "at rank": "top1_at_rank", **{rank: f"best_{rank}" for rank in upwards}}
    _print_headline(scores)
    _print_table("RIGHT, best match", best, scores)
    _print_table("RIGHT, most probable of its rank", {rank: f"rolled_{rank}" for rank in upwards}, scores)
    _print_table("the same, mean over taxa", {rank: f"rolled_{rank}_macro" for rank in upwards}, scores)
    _print_table("FALLBACK, share of answers", answers, scores)


def _print_headline(scores: Sequence[Score]) -> None:
    columns = {title: key for title, key in HEADLINE.items() if any(key in score.metrics for score in scores)}
    if not columns:
        return
    counts = {title: key for title, key in {"n": "n", "candidates": "candidates"}.items() if any(key in score.metrics for score in scores)}
    header = "".join(f"{title:>{COLUMN_WIDTH}}" for title in counts) + "".join(f"{title:>{INTERVAL_WIDTH}}" for title in columns)
    click.echo(f"{'95 % intervals in brackets':<{NAME_WIDTH}}{header}")
    for score in scores:
        cells = "".join(f"{_cell(score.metrics.get(key)):>{COLUMN_WIDTH}}" for key in counts.values())
        cells += "".join(f"{_with_interval(score.metrics, key):>{INTERVAL_WIDTH}}" for key in columns.values())
        click.echo(f"{_name(score):<{NAME_WIDTH}}{cells}")
    click.echo()


def _print_table(title: str, columns: Mapping[str, str], scores: Sequence[Score]) -> None:
    shown = [score for score in scores if any(key in score.metrics for key in columns.values())]
    if not shown:
        return
    click.echo(f"{title:<{NAME_WIDTH}}" + "".join(f"{name:>{COLUMN_WIDTH}}" for name in columns))
    for score in shown:
        cells = (_cell(score.metrics.get(key)) for key in columns.values())
        click.echo(f"{_name(score):<{NAME_WIDTH}}" + "".join(f"{cell:>{COLUMN_WIDTH}}" for cell in cells))
    click.echo()


def _name(score: Score) -> str:
    return f"{score.set_name}/{score.part} {score.labels}"


def _cell(value: float | None) -> str:
    """A count as it is, a share with three places."""
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _with_interval(metrics: Mapping[str, float], key: str) -> str:
    if key not in metrics:
        return "–"
    ends = [metrics.get(f"{key}_{end}") for end in ("low", "high")]
    return _cell(metrics[key]) + ("" if None in ends else f" ({ends[0]:.2f}–{ends[1]:.2f})")
