"""`identify` and `label`: pictures in, records out. All logic is in `searcher` and `labelling`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from bioclip_search.cli.languages import tell_missing_language
from bioclip_search.cli.progress import progress_bar
from bioclip_search.cli.values import ACCURACY
from bioclip_search.exports import FORMATS, write_records
from bioclip_search.prompts import TEMPLATE_SETS
from bioclip_search.results import Failure

UNKNOWN_SHOWN = 20
"""How many unknown names of a checklist are told one by one."""

FILTERS = ("within", "checklist", "exclude", "country", "region", "geofence", "occurrences", "near", "month")

format_option = click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True, help="How results are printed.")
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
precision_option = click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "int8"]), default="auto", show_default=True, help="int8 is fastest on a CPU (extra onnx)."
)
workers_option = click.option("--workers", type=click.IntRange(1, 64), help="Threads that decode pictures.  [default: one per core, at most 8]")
images_argument = click.argument("images", nargs=-1, required=True, metavar="IMAGE...")


@click.command()
@images_argument
@click.option("--index", default="starter", show_default=True, help="Name or folder of the index.")
@click.option(
    "--detector",
    default="none",
    show_default=True,
    help="none (whole picture), starter (small, any organism), another detector's name, or its folder or .onnx file.",
)
@click.option("--within", metavar="TAXON", help="Only this clade: Aves, birds, 'Plantae > Oenanthe'.")
@click.option(
    "--checklist",
    metavar="FILE",
    type=click.Path(),
    help="Only these taxa: one name per line, a table, a download of GBIF or Darwin Core, or a folder that `names import` made.",
)
@click.option("--exclude", metavar="TAXON", multiple=True, help="Not this clade; may be given several times.")
@click.option("--country", metavar="ISO3", help="Only taxa that may occur there (NOR, PER), by --geofence or by the index; with --occurrences, where to look.")
@click.option("--region", metavar="CODE", help="A part of the country, for --geofence: NJ or US-NJ.")
@click.option("--geofence", metavar="FILE", type=click.Path(), multiple=True, help="Rules by country, as SpeciesNet's; a further file is laid over the first.")
@click.option("--occurrences", metavar="FILE", type=click.Path(), help="Weigh taxa by records there: a GBIF download, Darwin Core, Camtrap DP, a table.")
@click.option("--near", metavar="LAT,LON", help="Where the records count, instead of --country: 59.91,10.75.")
@click.option("--month", type=click.IntRange(1, 12), help="When the records count, 1 to 12.")
@click.option("--rank", help="Answer at this rank, however unsure: species, genus, family …")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Probability a name must reach.  [default: 0.65]")
@click.option("--target-accuracy", type=ACCURACY, help="Share of names that shall be right, such as 0.95; needs a calibrated index.")
@click.option("--min-rank", metavar="RANK", help="Never answer below this rank: genus gives no species.")
@click.option("--max-rank", metavar="RANK", help="Never answer above this rank: with family, a picture of which only the order is sure gets no answer.")
@click.option("--calibration", type=click.Path(), help="A file that `calibrate --out` wrote, for pictures of another kind than the index was calibrated on.")
@click.option("--top", type=click.IntRange(0), default=5, show_default=True, help="Runners-up per answer.")
@click.option("--language", metavar="CODE", help="Show vernacular names in this language where the index has them: de, ja …")
@click.option(
    "--speed",
    type=click.Choice(["auto", "exact", "balanced", "fast"]),
    default="auto",
    show_default=True,
    help="How a large index is searched; `index info` tells how far from exact.",
)
@click.option("--trust-pickle", is_flag=True, help="Load a detector from a .pt file, which can run any code.")
@workers_option
@precision_option
@device_option
@format_option
def identify(
    images: tuple[str, ...],
    index: str,
    detector: str,
    format: str,
    device: str,
    precision: str,
    speed: str,
    calibration: str | None,
    trust_pickle: bool,
    workers: int | None,
    **question: Any,
) -> int:
    """Tell which organism each IMAGE shows, and how sure that is.

    An IMAGE is a picture, a folder of pictures, or - for standard input: one picture, or a list of paths.

    \b
    Example: bioclip-search identify photos/ --within Aves --format csv > answers.csv
    """
    from bioclip_search.searcher import Searcher

    question = {name: value for name, value in question.items() if value not in (None, ())}
    searcher = Searcher.open(index, detector=detector, device=device, precision=precision, speed=speed, calibration=calibration, trust_pickle=trust_pickle)
    restriction = searcher.restrict(**{name: question.pop(name) for name in FILTERS if name in question})
    unknown = restriction.unknown
    for note in restriction.notes:
        click.echo(f"Note: {note}.", err=True)
    for name in unknown[:UNKNOWN_SHOWN]:
        click.echo(f"Checklist: {name}.", err=True)
    if len(unknown) > UNKNOWN_SHOWN:
        click.echo(f"Checklist: and {len(unknown) - UNKNOWN_SHOWN} more unknown names.", err=True)
    if question.get("language"):
        tell_missing_language(searcher.names, question["language"])
    answers = searcher.identify_stream(list_images(images), workers=workers, restriction=restriction, **question)
    failed = _print(answers, format, of_labels=False)
    return 1 if failed or unknown else 0


@click.command()
@images_argument
@click.option("--labels", help='Your words, parted by commas: "red fox, roe deer, an empty scene".')
@click.option("--labels-file", type=click.Path(), help="A file with one label per line.")
@click.option("--model", default="starter", show_default=True, help="starter, bioclip-2, hf-hub:OWNER/NAME, or a model folder.")
@click.option("--templates", default="openai80", show_default=True, help=f"{', '.join(TEMPLATE_SETS)}, or your own sentence with {{}}.")
@click.option("--preprocess", default="open_clip", show_default=True, help="open_clip, squash or letterbox.")
@workers_option
@precision_option
@device_option
@format_option
def label(
    images: tuple[str, ...],
    labels: str | None,
    labels_file: str | None,
    model: str,
    templates: str,
    preprocess: str,
    workers: int | None,
    precision: str,
    device: str,
    format: str,
) -> int:
    """Tell which of your own words fits each IMAGE best; needs no index.

    \b
    Example: bioclip-search label photo.jpg --labels "Panthera uncia, Capra sibirica, an empty scene"
    """
    from bioclip_search.encoder.opening import open_encoder
    from bioclip_search.labelling import check_labels, label_stream
    from bioclip_search.prompts import templates_named
    from bioclip_search.tables import read_lines

    if (labels is None) == (labels_file is None):
        raise click.UsageError("Give either --labels or --labels-file.")
    words = check_labels(read_lines(labels_file) if labels_file is not None else labels.split(",") if labels.strip() else [])
    encoder = open_encoder(model, device=device, precision=precision, preprocess=preprocess)
    records = label_stream(list_images(images), words, encoder=encoder, templates=templates_named(templates), workers=workers)
    return 1 if _print(([record] for record in records), format, of_labels=True) else 0


def list_images(images: Iterable[str]) -> Iterator[Any]:
    """The pictures of the command line, with what comes through `-` in its place."""
    from bioclip_search.sources import STANDARD_INPUT, list_pictures, read_standard_input

    for image in images:
        if image != STANDARD_INPUT:
            yield from list_pictures([image])
            continue
        piped = read_standard_input(sys.stdin.buffer)
        if isinstance(piped, bytes):
            yield piped
        else:
            yield from list_pictures(piped)


def _print(by_picture: Iterable[list], format: str, *, of_labels: bool) -> int:
    """Prints the records as they come, with a bar on a terminal; the number of failures."""
    failed = 0
    with progress_bar("pictures") as advance:
        records = (record for several in advance(by_picture) for record in several)
        for record in write_records(records, format, sys.stdout, of_labels=of_labels):
            failed += isinstance(record, Failure)
    if failed:
        click.echo(f"{failed} {'pictures' if failed > 1 else 'picture'} could not be read; all others were answered.", err=True)
    return failed
