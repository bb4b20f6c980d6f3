"""`train`: one file for each kind of model. All logic is in the packages that train."""

from __future__ import annotations

import click

from bioclip_search.cli.lazy import LazyGroup, Place

KINDS = {
    "classifier": Place("bioclip_search.cli.train.classifier", "classifier", "Teach an index the taxa of your own pictures, in minutes."),
    "encoder": Place("bioclip_search.cli.train.encoder", "encoder", "Train or adapt the model that turns pictures and names into vectors."),
    "detector": Place("bioclip_search.cli.train.detector", "detector", "Train a model that finds organisms in pictures."),
    "silver": Place("bioclip_search.cli.train.silver", "silver", "Let a detector draw boxes that teach the next one."),
    "silver-check": Place("bioclip_search.cli.train.silver", "silver_check", "How many boxes of a silver set are right? People look at a draw of them."),
    "sweep": Place("bioclip_search.cli.train.sweep", "sweep", "How should a detector look at pictures? Sizes, looks, overlaps, confidence."),
}
"""Each kind of model, where its command is, and what the list says of it."""


@click.group(cls=LazyGroup, places=KINDS)
def train() -> None:
    """Train models on your own pictures.

    \b
    Example: bioclip-search train encoder --config data_manifest/starter-encoder.toml --out my-encoder
    """
