"""`identify` and `label`: pictures in, records out. All logic is in `searcher` and `labelling`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from bioclip_search.cli.asking import FILTERS, detector_option, device_option, index_option, precision_option, question_options, tell_restriction
from bioclip_search.cli.languages import tell_missing_language
from bioclip_search.cli.progress import progress_bar
from bioclip_search.exports import FORMATS, write_records
from bioclip_search.prompts import TEMPLATE_SETS
from bioclip_search.results import Failure

format_option = click.option("--format", type=click.Choice(FORMATS), default="table", show_default=True, help="How results are printed.")
workers_option = click.option("--workers", type=click.IntRange(1, 64), help="Threads that decode pictures.  [default: one per core, at most 8]")
images_argument = click.argument("images", nargs=-1, required=True, metavar="IMAGE...")


@click.command()
@images_argument
@index_option
@detector_option("none")
@question_options
@workers_option
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
    tell_restriction(restriction.unknown, restriction.notes)
    if question.get("language"):
        tell_missing_language(searcher.names, question["language"])
    answers = searcher.identify_stream(list_images(images), workers=workers, restriction=restriction, **question)
    failed = _print(answers, format, of_labels=False)
    return 1 if failed or restriction.unknown else 0


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
