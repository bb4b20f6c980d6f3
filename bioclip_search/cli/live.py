"""Shows how a training run goes: one line that is written over on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from bioclip_search.durations import in_words

SLOW = 10
"""Pictures per second below which the first decimal is worth showing."""


class LiveLine:
    """Called with the rows of a run, as `train_encoder` tells them."""

    def __init__(self) -> None:
        self.is_live = sys.stderr.isatty()
        self.width = 0

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.width:
            click.echo(err=True)

    def __call__(self, row: Mapping[str, Any]) -> None:
        speed = row["images_per_s"]
        line = f"{_done(row)}  {speed:,.{0 if speed >= SLOW else 1}f} images/s  {in_words(row['left_s'])} left"
        if not self.is_live:
            click.echo(line, err=True)
            return
        click.echo("\r" + line.ljust(self.width), nl=False, err=True)
        self.width = len(line)


def _done(row: Mapping[str, Any]) -> str:
    if "decoded" in row:
        return f"{row['decoded']:,} of {row['n']:,} pictures decoded into {Path(row['file']).parent}, in all {row['bytes'] / 1e9:,.1f} GB"
    if "view" in row:
        return f"view {row['view']} of {row['views']}: {row['seen']:,} of {row['n']:,} pictures looked at"
    return f"step {row['step']:,} of {row['steps']:,}  loss {row['loss']:.3f}"
