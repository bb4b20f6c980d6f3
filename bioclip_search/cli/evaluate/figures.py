"""How the figures of a task are shown: as a table, as JSON lines, as CSV with a row a figure, and in a file.

The scores of `zero-shot` have a table of their own, in `printing`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bioclip_search.swapping import whole_file

CLASSES_SHOWN = 5


def share_in_words(metrics: Mapping[str, float], name: str) -> str:
    """A share with its interval: 0.881 (0.817–0.934); a dash where it is over nothing."""
    if name not in metrics:
        return "–"
    told = f"{metrics[name]:.3f}"
    return f"{told} ({metrics[f'{name}_low']:.3f}–{metrics[f'{name}_high']:.3f})" if f"{name}_low" in metrics else told


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: the first column to the left, the others to the right, each as wide as it needs."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        cells = [f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}" for column, (cell, width) in enumerate(zip(row, widths, strict=True))]
        click.echo("  ".join(cells).rstrip())


def print_figures(records: Sequence[Mapping[str, Any]], format: str) -> None:
    """One JSON object a set, or in CSV a row a figure: set, metric, value, low, high."""
    from bioclip_search.evaluation.score import HIGH, LOW, figures_of

    if format == "jsonl":
        for record in records:
            click.echo(json.dumps(record, ensure_ascii=False))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["set", "metric", "value", "low", "high"])
    for record in records:
        for name, value in figures_of(record).items():
            if name != "set":
                writer.writerow([record["set"], name, value, record.get(name + LOW, ""), record.get(name + HIGH, "")])


def write_json(path: Path | None, content: Any) -> None:
    """Writes to the file, if there is one to write; whole or not at all."""
    if path is None:
        return
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def tell_too_few(classes: Sequence[str], why: str) -> None:
    """Which classes were left out."""
    if classes:
        shown = ", ".join(classes[:CLASSES_SHOWN]) + (f" and {len(classes) - CLASSES_SHOWN:,} more" if len(classes) > CLASSES_SHOWN else "")
        click.echo(f"Left out: {len(classes):,} {'class' if len(classes) == 1 else 'classes'} with {why}: {shown}.", err=True)
