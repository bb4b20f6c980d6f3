"""`evaluate prototypes`: labelled pictures or vectors in, what can be answered at each rank out. All logic is in `evaluation.prototype_ladder`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.cli.evaluate.embedding import datasets_argument, each_once, embedded_sets, index_option, out_option
from bioclip_search.cli.evaluate.figures import print_figures, print_rows, share_in_words, write_json
from bioclip_search.cli.identify import device_option, format_option, precision_option, workers_option
from bioclip_search.cli.labelled_sets import mend_option, parts_option
from bioclip_search.cli.values import OutputFile

if TYPE_CHECKING:
    from bioclip_search.evaluation.prototype_ladder import PrototypeLadder


@click.command()
@datasets_argument
@index_option
@click.option("--leaves-only", is_flag=True, help="Without the prototypes of the taxa above, which share what a new species is like.")
@click.option("--plot", metavar="FILE.svg", type=OutputFile(), help="Draw the curves of the first set (extra evaluate).")
@parts_option
@mend_option
@out_option
@workers_option
@precision_option
@device_option
@format_option
def prototypes(
    datasets: tuple[str, ...],
    index: str,
    leaves_only: bool,
    plot: Path | None,
    parts: tuple[str, ...],
    mend: bool,
    out: Path | None,
    workers: int | None,
    precision: str,
    device: str,
    format: str,
) -> int:
    """Measure how well taxa known by pictures alone are identified, and at which rank.

    Each picture is compared with the means that all other pictures make of their taxa, without a name or a text; of a species
    with one picture nothing is left, so that only its genus or above can be right. A DATASET is labelled pictures as for
    zero-shot, or a table with a column emb of vectors.

    \b
    Example: bioclip-search evaluate prototypes bioclip2_images_1k.parquet --plot curves.svg
    """
    from bioclip_search.evaluation.prototype_ladder import prototype_ladder
    from bioclip_search.evaluation.prototype_plot import draw_curves, stop_if_undrawable

    if plot is not None:
        stop_if_undrawable(plot)
    records, content, failed = [], [], False
    for found, ranks in embedded_sets(datasets, parts or None, index=index, device=device, precision=precision, workers=workers, mend=mend):
        found = each_once(found, of_bursts=True)
        ladder = prototype_ladder(found, ranks, use_above=not leaves_only)
        records.append({"set": found.name, **ladder.metrics})
        content.append(records[-1] | {"curves": ladder.curves, "fits": [asdict(fit) for fit in ladder.fits]})
        failed |= bool(found.failures)
        if plot is not None and len(records) == 1:
            draw_curves(plot, ladder.curves, ranks, f"{found.name}: {len(found):,} pictures, each against the prototypes of all others")
        if format == "table":
            _print(found.name, ladder, ranks)
    write_json(out, content)
    if format != "table":
        print_figures(records, format)
    return 1 if failed else 0


def _print(name: str, ladder: PrototypeLadder, ranks: tuple[str, ...]) -> None:
    metrics = ladder.metrics
    fits = " and ".join(f"scale {fit.scale:.3g}, share of the taxa above {fit.above:g}" for fit in ladder.fits)
    click.echo(f"{name}: {metrics['n']:,} pictures of {metrics['leaves']:,} taxa; fitted on either half for the other: {fits}.\n")
    columns = [f"answered_{target:.0%}".rstrip("%") for target in ladder.settings]
    header = ["RANK", "pictures", "possible", "right", *(f"answered at {target:.0%} right" for target in ladder.settings)]
    rows = [
        [rank, f"{metrics[f'{rank}_n']:,}", f"{metrics[f'{rank}_possible']:.3f}", *(share_in_words(metrics, f"{rank}_{key}") for key in ("right", *columns))]
        for rank in reversed(ranks)
        if f"{rank}_n" in metrics
    ]
    print_rows(header, rows)
    click.echo("\nThe ladder, at the rank that is sure enough (as calibrate would promise it, with a confidence of 95 %):")
    header = ["TARGET", "answered", "right", "information", *reversed(ranks)]
    rows = []
    for target, setting in ladder.settings.items():
        if setting is None:
            rows.append([f"{target:.0%}", "not promised", *["–"] * (len(header) - 2)])
        else:
            shares = [setting.coverage, setting.right / setting.answers, setting.information, *reversed(setting.answered)]
            rows.append([f"{target:.0%}", *(f"{value:.3f}" for value in shares)])
    print_rows(header, rows)
    click.echo(f"haurc {share_in_words(metrics, 'haurc')}\n")
