"""`data`: one file for each task. All logic is in the packages `data` and `boxed`."""

from __future__ import annotations

import click

from bioclip_search.cli.lazy import LazyGroup, Place

TASKS = {
    "list": Place("bioclip_search.cli.data.show", "list_", "List the data sets and models that are known by name."),
    "info": Place("bioclip_search.cli.data.show", "info", "Tell all that is known of one: licence, citation, space, the way by hand."),
    "pull": Place("bioclip_search.cli.data.pull", "pull", "Fetch a data set, or some species or places of it."),
    "survey": Place("bioclip_search.cli.data.survey", "survey", "Tell what pictures with boxes are like, and what looks wrong in them."),
    "split": Place("bioclip_search.cli.data.split", "split", "Deal pictures with boxes into train, val and test, and write them for a trainer."),
}
"""Each task, where its command is, and what the list says of it."""


@click.group(cls=LazyGroup, places=TASKS)
def data() -> None:
    """List, fetch, survey and split data sets.

    \b
    Example: bioclip-search data list
    """
