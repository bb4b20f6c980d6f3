"""Shows how a training run goes: one line that is written over on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import click

MINUTE_S, HOUR_S = 60, 3600
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
    if "view" in row:
        return f"view {row['view']} of {row['views']}: {row['seen']:,} of {row['n']:,} pictures looked at"
    return f"step {row['step']:,} of {row['steps']:,}  loss {row['loss']:.3f}"


def in_words(seconds: float) -> str:
    """A duration as one reads it.

    >>> in_words(42), in_words(754), in_words(8100)
    ('42 s', '12 min 34 s', '2 h 15 min')
    """
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S} s"
    return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
