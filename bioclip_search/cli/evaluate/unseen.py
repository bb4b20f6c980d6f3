"""`evaluate unseen`: labelled pictures in, what is said of species that are taken out of the index. All logic is in `evaluation.unseen`."""

from __future__ import annotations

from pathlib import Path

import click

from bioclip_search.cli.evaluate.embedding import out_option
from bioclip_search.cli.evaluate.figures import print_figures, print_rows, share_in_words, write_json
from bioclip_search.cli.identify import device_option, format_option, precision_option, workers_option
from bioclip_search.cli.labelled_sets import config_option, files_argument, labelled_sets, mend_option, parts_option, set_option
from bioclip_search.cli.progress import progress_steps
from bioclip_search.cli.values import ACCURACY

COLUMNS = {
    "names a species": "answered_species",
    "right genus": "right_genus",
    "right family": "right_family",
    "right": "right",
    "wrong": "wrong",
    "no answer": "silent",
    "right of answers": "accuracy",
}


@click.command()
@files_argument
@config_option
@set_option
@click.option("--index", default="starter", show_default=True, help="Name or folder of the index.")
@parts_option
@mend_option
@click.option("--target-accuracy", type=ACCURACY, default=0.9, show_default=True, help="Share of right names that is promised.")
@click.option(
    "--taken-out", type=click.FloatRange(0, 0.5, min_open=True), default=0.2, show_default=True, help="Share of the species that the index is to lack."
)
@out_option
@workers_option
@precision_option
@device_option
@format_option
def unseen(
    files: tuple[str, ...],
    config: str | None,
    only: tuple[str, ...],
    index: str,
    parts: tuple[str, ...],
    mend: bool,
    target_accuracy: float,
    taken_out: float,
    out: Path | None,
    workers: int | None,
    precision: str,
    device: str,
    format: str,
) -> int:
    """Take species out of an index and see what it says of their pictures, before and after it is calibrated.

    A name of a species is then always wrong; the genus or family can be right.

    \b
    Example: bioclip-search evaluate unseen known-photos/ --index my-birds
    """
    from bioclip_search.evaluation.unseen import measure_unseen
    from bioclip_search.searcher import Searcher

    searcher = Searcher.open(index, device=device, precision=precision)
    sets = labelled_sets(files, config, only, searcher, mend=mend)
    with progress_steps("pictures") as progress:
        found = measure_unseen(searcher, sets, target=target_accuracy, parts=parts or None, share_taken_out=taken_out, workers=workers, progress=progress)
    write_json(out, [one.to_dict() for one in found])
    if format == "table":
        click.echo(f"{found[0].metrics['n']:,} pictures of species that the index lacks; 95 % intervals in brackets.")
        print_rows(["Shares", *COLUMNS], [[one.rule, *(share_in_words(one.metrics, name) for name in COLUMNS.values())] for one in found])
    else:
        print_figures([one.to_dict() for one in found], format)
    return 0
