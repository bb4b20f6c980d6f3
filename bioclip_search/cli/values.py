"""Values of options that several commands take, checked before any work begins: a file to be written, accuracies to promise, numbers."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import click


class NumberRange(click.FloatRange):
    """As click's own, and no "nan", which is neither below nor above any bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


ACCURACY = NumberRange(0, 1, min_open=True, max_open=True)
"""A share of right names that can be promised: neither none nor all of them."""

TARGETS = (0.8, 0.9, 0.95)
"""Accuracies that are told about where none is asked for."""


class OutputFile(click.Path):
    """A file to be written, whose folder is there and may be written to."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = super().convert(value, param, ctx)
        folder = path.absolute().parent
        if not folder.is_dir():
            self.fail(f"{path} cannot be written, for there is no folder {folder}. Make it first.", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(f"{path} cannot be written, for nothing may be written in {folder}. Choose another folder.", param, ctx)
        return path
