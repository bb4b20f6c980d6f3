"""A group of commands whose modules are imported only when they are called, for imports are what makes a command line slow.

What the commands do is left to their modules.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click

NEAR = 0.8
"""How alike the first word must be to a command to be taken for a slip of it, as `difflib` counts, 0 to 1."""


class Place(NamedTuple):
    """The module that holds a command, its name there, and what the list of commands says of it."""

    module: str
    name: str
    what: str


class LazyGroup(click.Group):
    """Commands by name; with a default, a line that begins with no command's name is meant for that one."""

    def __init__(self, *arguments: Any, places: Mapping[str, Place], default: str | None = None, **options: Any):
        super().__init__(*arguments, **options)
        self.places, self.default = places, default

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.places)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.places:
            return None
        place = self.places[name]
        return getattr(import_module(place.module), place.name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.what) for name, place in self.places.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.default and not (args and (args[0] in self.places or args[0] in ctx.help_option_names)):
            near = get_close_matches(args[0], self.places, n=1, cutoff=NEAR) if args and not os.path.exists(args[0]) else []
            if near:
                raise click.UsageError(f"There is no file and no task {args[0]!r}. Did you mean {near[0]}?", ctx)
            args = [self.default, *args]
        return super().parse_args(ctx, args)
