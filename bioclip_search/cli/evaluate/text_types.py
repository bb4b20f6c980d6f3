"""`evaluate text-types`: labelled pictures in, how often each type of text is right out. All logic is in `evaluation.text_types`."""

from __future__ import annotations

from pathlib import Path

import click

from bioclip_search.cli.evaluate.embedding import datasets_argument, embedded_sets, out_option
from bioclip_search.cli.evaluate.figures import print_figures, print_rows, share_in_words, write_json
from bioclip_search.cli.identify import device_option, format_option, precision_option, workers_option
from bioclip_search.cli.labelled_sets import parts_option, telling_mend_option
from bioclip_search.prompts import TEMPLATE_SETS, TEXT_TYPES


@click.command("text-types")
@datasets_argument
@click.option("--index", "indexes", multiple=True, default=("starter",), show_default=True, help="Index whose encoder is asked; may be given several times.")
@click.option(
    "--type", "types", type=click.Choice(TEXT_TYPES), multiple=True, default=TEXT_TYPES, help="Only this type; may be given several times.  [default: all]"
)
@click.option("--templates", help=f"{', '.join(TEMPLATE_SETS)}, or your own sentence with {{}}.  [default: those of the index]")
@click.option("--distractors", metavar="TABLE", type=click.Path(), help="Choose also among these taxa.")
@parts_option
@telling_mend_option
@out_option
@workers_option
@precision_option
@device_option
@format_option
def text_types(
    datasets: tuple[str, ...],
    indexes: tuple[str, ...],
    types: tuple[str, ...],
    templates: str | None,
    distractors: str | None,
    parts: tuple[str, ...],
    mend: bool,
    out: Path | None,
    workers: int | None,
    precision: str,
    device: str,
    format: str,
) -> int:
    """Measure which words for a taxon an encoder understands best: common name, scientific name, lineage, or two of them.

    The same pictures are compared with each type of text, among the labels of their set. `gain` is the difference to the
    type that the index was built with. A DATASET is labelled pictures as for zero-shot.

    \b
    Example: bioclip-search evaluate text-types "monkeys/*.parquet" --distractors inat2021.parquet
    """
    from bioclip_search.evaluation.candidates import taxa_of
    from bioclip_search.evaluation.text_types import compare_text_types
    from bioclip_search.prompts import TextRecipe, templates_named
    from bioclip_search.searcher import Searcher

    records, failed = [], False
    for index in indexes:
        searcher = Searcher.open(index, device=device, precision=precision)
        own = TextRecipe.from_card(searcher.index.card.recipe)
        recipe = TextRecipe(own.text_type, templates_named(templates)) if templates else own
        others = taxa_of(distractors, searcher.taxonomy.ranks) if distractors else None
        asked = {"index": index, "device": device, "precision": precision, "workers": workers, "mend": mend}
        for found, ranks in embedded_sets(datasets, parts or None, **asked, is_taught=False):
            figures = compare_text_types(searcher.encoder, found, ranks, recipe=recipe, types=types, distractors=others)
            records.append({"set": found.name, "index": searcher.index.card.name, "own_type": recipe.text_type, **figures})
            failed |= bool(found.failures)
    write_json(out, records)
    if format == "table":
        header = ["SET", "index", "pictures", "names", *types]
        counts = [[r["set"], r["index"], f"{r['n']:,}", f"{r['candidates']:,}"] for r in records]
        print_rows(header, [[*row, *(share_in_words(r, f"{name}_top1") for name in types)] for row, r in zip(counts, records, strict=True)])
        click.echo()
        print_rows(
            [f"GAIN over {'/'.join(dict.fromkeys(r['own_type'] for r in records))}", *types],
            [[r["set"], *(share_in_words(r, f"{name}_gain") for name in types)] for r in records],
        )
    else:
        print_figures(records, format)
    return 1 if failed else 0
