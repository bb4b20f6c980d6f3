"""`evaluate few-shot`: labelled pictures in, figures out. All logic is in `evaluation.few_shot` and `evaluation.probe`."""

from __future__ import annotations

from pathlib import Path

import click

from bioclip_search.cli.evaluate.embedding import datasets_argument, each_once, embedded_sets, index_option, out_option
from bioclip_search.cli.evaluate.figures import print_figures, print_rows, share_in_words, tell_too_few, write_json
from bioclip_search.cli.identify import device_option, format_option, precision_option, workers_option
from bioclip_search.cli.labelled_sets import mend_option, parts_option


@click.command("few-shot")
@datasets_argument
@index_option
@click.option("--shots", type=click.IntRange(1), multiple=True, default=(1, 5), show_default=True, help="Pictures to learn each class from.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Times that these pictures are drawn.")
@click.option("--probe/--no-probe", default=None, help="A linear probe as well (extra evaluate).  [default: where it can be]")
@click.option("--teach", metavar="PART", help="Teach the probe this part and ask the others.  [default: a fifth asked, five times over]")
@parts_option
@mend_option
@out_option
@workers_option
@precision_option
@device_option
@format_option
def few_shot(
    datasets: tuple[str, ...],
    index: str,
    shots: tuple[int, ...],
    repeats: int,
    probe: bool | None,
    teach: str | None,
    parts: tuple[str, ...],
    mend: bool,
    out: Path | None,
    workers: int | None,
    precision: str,
    device: str,
    format: str,
) -> int:
    """Measure how well a few pictures of each taxon tell the others.

    SimpleShot, as BioCLIP measures it: so many pictures of each class are drawn, and every other picture is of the class whose
    mean is nearest. And a linear probe. A DATASET is labelled pictures as for zero-shot, or a table with a column emb of
    vectors. Vectors are kept, so the second time is quick.

    \b
    Example: bioclip-search evaluate few-shot "butterflies/*.parquet" --shots 1 --shots 5
    """
    from bioclip_search.errors import MissingExtraError, TableError
    from bioclip_search.evaluation.few_shot import few_shot as measure
    from bioclip_search.evaluation.probe import LEAST_PICTURES, linear_probe

    records, failed = [], False
    wanted = (*parts, *({teach} if teach and parts else ())) or (("all",) if teach else None)
    for found, ranks in embedded_sets(datasets, wanted, index=index, device=device, precision=precision, workers=workers, mend=mend):
        found = each_once(found)
        shot = measure(found, ranks, shots=shots, repeats=repeats)
        for number, classes in shot.too_few.items():
            tell_too_few(classes, f"{number} {'picture' if number == 1 else 'pictures'} or fewer, for {number}-shot of {found.name}")
        record = {"set": found.name, "pictures": len(found), **shot.metrics}
        if probe is not False:
            try:
                probed = linear_probe(found, ranks, teach=teach)
                tell_too_few(probed.too_few, f"fewer than {LEAST_PICTURES} pictures, for the probe of {found.name}")
                record |= probed.metrics
            except (TableError, MissingExtraError) as error:
                if probe:
                    raise
                click.echo(f"No probe: {error}", err=True)
        records.append(record)
        failed |= bool(found.failures)
    write_json(out, records)
    if format == "table":
        names = [*(f"simpleshot_{number}" for number in shots), *(["probe"] if probe is not False else [])]
        header = ["SET", *(f"{name} {column}" for name in names for column in ("right", "classes"))]
        print_rows(header, [[r["set"], *(cell for n in names for cell in (share_in_words(r, n), str(r.get(f"{n}_classes", "–"))))] for r in records])
    else:
        print_figures(records, format)
    return 1 if failed else 0
