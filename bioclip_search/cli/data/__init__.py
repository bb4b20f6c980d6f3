"""`data`: one file for each task. All logic is in the packages `data` and `boxed`."""

from __future__ import annotations

import click

from bioclip_search.cli.lazy import LazyGroup, Place

TASKS = {
    "list": Place("bioclip_search.cli.data.show", "list_", "List the data sets that are known by name."),
}
"""Each task, where its command is, and what the list says of it."""


@click.group(cls=LazyGroup, places=TASKS)
def data() -> None:
    """List, fetch, survey and split data sets.

    \b
    Example: bioclip-search data list
    """
