"""The options that every command with a question shares: which index and models, which taxa, what place, how sure.

Values are checked where they are used; see `Searcher.identify_stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from bioclip_search.cli.values import ACCURACY, NumberRange

UNKNOWN_SHOWN = 20
"""How many unknown names of a checklist are told one by one."""

FILTERS = ("within", "checklist", "exclude", "country", "region", "geofence", "occurrences", "near", "month")

device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
precision_option = click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "int8"]), default="auto", show_default=True, help="int8 is fastest on a CPU (extra onnx)."
)

_FILTER_OPTIONS = (
    click.option("--within", metavar="TAXON", help="Only this clade: Aves, birds, 'Plantae > Oenanthe'."),
    click.option(
        "--checklist",
        metavar="FILE",
        type=click.Path(),
        help="Only these taxa: one name per line, a table, a download of GBIF or Darwin Core, or a folder that `names import` made.",
    ),
    click.option("--exclude", metavar="TAXON", multiple=True, help="Not this clade; may be given several times."),
    click.option(
        "--country", metavar="ISO3", help="Only taxa that may occur there (NOR, PER), by --geofence or by the index; with --occurrences, where to look."
    ),
    click.option("--region", metavar="CODE", help="A part of the country, for --geofence: NJ or US-NJ."),
    click.option(
        "--geofence", metavar="FILE", type=click.Path(), multiple=True, help="Rules by country, as SpeciesNet's; a further file is laid over the first."
    ),
    click.option("--occurrences", metavar="FILE", type=click.Path(), help="Weigh taxa by records there: a GBIF download, Darwin Core, Camtrap DP, a table."),
    click.option("--near", metavar="LAT,LON", help="Where the records count, instead of --country: 59.91,10.75."),
    click.option("--month", type=click.IntRange(1, 12), help="When the records count, 1 to 12."),
)
_RULE_OPTIONS = (
    click.option("--rank", help="Answer at this rank, however unsure: species, genus, family …"),
    click.option("--threshold", type=NumberRange(0, 1), help="Probability a name must reach.  [default: 0.65]"),
    click.option("--target-accuracy", type=ACCURACY, help="Share of names that shall be right, such as 0.95; needs a calibrated index."),
    click.option("--min-rank", metavar="RANK", help="Never answer below this rank: genus gives no species."),
    click.option("--max-rank", metavar="RANK", help="Never answer above this rank: with family, a picture of which only the order is sure gets no answer."),
    click.option(
        "--calibration", type=click.Path(), help="A file that `calibrate --out` wrote, for pictures of another kind than the index was calibrated on."
    ),
    click.option("--top", type=click.IntRange(0), default=5, show_default=True, help="Runners-up per answer."),
    click.option("--language", metavar="CODE", help="Show vernacular names in this language where the index has them: de, ja …"),
)
_MODEL_OPTIONS = (
    click.option(
        "--speed",
        type=click.Choice(["auto", "exact", "balanced", "fast"]),
        default="auto",
        show_default=True,
        help="How a large index is searched; `index info` tells how far from exact.",
    ),
    click.option("--trust-pickle", is_flag=True, help="Load a detector from a .pt file, which can run any code."),
    precision_option,
    device_option,
)

index_option = click.option("--index", default="starter", show_default=True, help="Name or folder of the index.")


def detector_option(default: str) -> Callable[[Any], Any]:
    """--detector, with what is taken where it is not given."""
    return click.option(
        "--detector",
        default=default,
        show_default=True,
        help="none (whole picture), starter (small, any organism), another detector's name, or its folder or .onnx file.",
    )


def question_options(command: Any) -> Any:
    """Adds the filters, the rules and the models, in this order."""
    for option in reversed((*_FILTER_OPTIONS, *_RULE_OPTIONS, *_MODEL_OPTIONS)):
        command = option(command)
    return command


def tell_restriction(unknown: Sequence[Any], notes: Sequence[str]) -> None:
    """Says on stderr which names of a checklist were not found, and what else is to be known of the filters."""
    for note in notes:
        click.echo(f"Note: {note}.", err=True)
    for name in unknown[:UNKNOWN_SHOWN]:
        click.echo(f"Checklist: {name}.", err=True)
    if len(unknown) > UNKNOWN_SHOWN:
        click.echo(f"Checklist: and {len(unknown) - UNKNOWN_SHOWN} more unknown names.", err=True)
