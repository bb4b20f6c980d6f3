"""`index build | add | trim | info | check | list`: one file for those that make an index, one for those that look at one."""

from __future__ import annotations

import click

from bioclip_search.cli.index.add import add
from bioclip_search.cli.index.make import build
from bioclip_search.cli.index.show import check, info, list_
from bioclip_search.cli.index.trim import trim


@click.group()
def index() -> None:
    """Build, extend, trim, inspect, check and list indexes."""


for command in (build, add, trim, info, check, list_):
    index.add_command(command)
