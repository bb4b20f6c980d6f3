"""`evaluate`: one file a task. A first word that is no task's name is meant for `zero-shot`: `evaluate photos.csv`."""

from __future__ import annotations

import click

from bioclip_search.cli.lazy import LazyGroup, Place

DEFAULT_TASK = "zero-shot"

TASKS = {
    DEFAULT_TASK: Place("bioclip_search.cli.evaluate.pictures", "pictures", "How often is an index right about pictures? (when no task is named)"),
    "fallback": Place("bioclip_search.cli.evaluate.fallback", "fallback", "Which way to choose the rank of an answer tells most and keeps its promise?"),
    "unseen": Place("bioclip_search.cli.evaluate.unseen", "unseen", "What does an index say of species that it does not hold?"),
    "few-shot": Place("bioclip_search.cli.evaluate.few_shot", "few_shot", "How well do a few pictures of each taxon tell the others?"),
    "text-types": Place("bioclip_search.cli.evaluate.text_types", "text_types", "Which words for a taxon does an encoder understand best?"),
    "prototypes": Place("bioclip_search.cli.evaluate.prototypes", "prototypes", "How well are taxa identified that are known by pictures alone?"),
    "detector": Place("bioclip_search.cli.evaluate.detector", "detector", "How many organisms does a detector find, and how well?"),
}
"""Each task, where it is, and what the list of tasks says of it."""


@click.group(cls=LazyGroup, places=TASKS, default=DEFAULT_TASK)
def evaluate() -> None:
    """Measure on labelled pictures how good an index or a detector is.

    Without the name of a task, zero-shot is meant; `bioclip-search evaluate TASK --help` tells what a task takes.

    \b
    Example: bioclip-search evaluate photos.csv --index starter
    """
