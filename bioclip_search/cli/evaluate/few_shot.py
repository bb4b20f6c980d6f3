"""`evaluate few-shot`: labelled pictures in, figures out. All logic is in `evaluation.few_shot` and `evaluation.probe`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.cli.evaluate.embedding import each_once, embedded_sets, index_option, out_option, some_datasets_argument
from bioclip_search.cli.evaluate.figures import print_figures, print_rows, share_in_words, tell_too_few, write_json
from bioclip_search.cli.identify import device_option, format_option, precision_option, workers_option
from bioclip_search.cli.labelled_sets import config_option, mend_option, parts_option, set_option, stop_unless_one_is_given

if TYPE_CHECKING:
    from bioclip_search.evaluation.few_shot_blend import Names
    from bioclip_search.evaluation.picture_vectors import EmbeddedSet


class _Reading:
    """Reads the names of classes by the encoder of an index, opened when it is first needed."""

    def __init__(self, index: str, device: str, precision: str, asked: bool | None):
        self._how, self._asked, self._searcher = {"index": index, "device": device, "precision": precision}, asked, None

    def names_of(self, found: EmbeddedSet, ranks: Sequence[str]) -> Names | None:
        """The names of the classes of a set; None where they were not asked for, or vectors of a table are not told to be this encoder's."""
        from bioclip_search.errors import TableError
        from bioclip_search.evaluation.few_shot import classes_of
        from bioclip_search.evaluation.few_shot_blend import names_of
        from bioclip_search.prompts import TextRecipe
        from bioclip_search.searcher import Searcher
        from bioclip_search.text_vectors import TextVectors

        if self._asked is False or (self._asked is None and found.rows is None):  # a table of vectors: whose, it does not say
            return None
        searcher = self._searcher = self._searcher or Searcher.open(**self._how)
        card = searcher.index.card
        if found.vectors.shape[1] != searcher.encoder.dim:
            raise TableError(
                f"{found.name}: has vectors of {found.vectors.shape[1]} numbers, the encoder of {card.name} makes {searcher.encoder.dim}. Name the index of their encoder with --index."
            )
        texts = TextVectors(searcher.encoder, TextRecipe.from_card(card.recipe))
        return names_of(found, classes_of(found, ranks), ranks, texts, card.encoder.logit_scale, searcher.temperature)


def _table(records: Sequence[dict[str, Any]], shots: Sequence[int], *, with_probe: bool) -> tuple[list[str], list[list[str]]]:
    """The header and a row for each set."""
    with_names = any(key.startswith("zero_shot_") for record in records for key in record)
    measures = [(k, (f"simpleshot_{k}", *((f"zero_shot_{k}", f"blend_{k}") if with_names else ()))) for k in shots]
    groups = [(f"{names[0]}_classes", names) for _, names in measures] + ([("probe_classes", ("probe",))] if with_probe else [])
    header = ["SET", *(column for classes, names in groups for column in (*(f"{name} right" for name in names), classes.replace("_classes", " classes")))]
    rows = [
        [record["set"], *(cell for classes, names in groups for cell in (*(share_in_words(record, name) for name in names), str(record.get(classes, "–"))))]
        for record in records
    ]
    return header, rows


@click.command("few-shot")
@some_datasets_argument
@config_option
@set_option
@index_option
@click.option("--shots", type=click.IntRange(1), multiple=True, default=(1, 5), show_default=True, help="Pictures to learn each class from.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Times that these pictures are drawn.")
@click.option("--probe/--no-probe", default=None, help="A linear probe as well (extra evaluate).  [default: where it can be]")
@click.option("--rank", metavar="RANK", help="Let a class be a taxon of this rank, as a genus where there is one picture a species.  [default: as labelled]")
@click.option("--names/--no-names", default=None, help="By the names alone, and by names and pictures together, as well.  [default: for pictures]")
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
    config: str | None,
    only: tuple[str, ...],
    index: str,
    shots: tuple[int, ...],
    repeats: int,
    rank: str | None,
    probe: bool | None,
    names: bool | None,
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
    from bioclip_search.evaluation.few_shot import at_rank
    from bioclip_search.evaluation.few_shot import few_shot as measure
    from bioclip_search.evaluation.probe import LEAST_PICTURES, linear_probe

    records, failed, reading = [], False, _Reading(index, device, precision, names)
    wanted = (*parts, *({teach} if teach and parts else ())) or (("all",) if teach else None)
    stop_unless_one_is_given(datasets, config)
    sets = embedded_sets(datasets, wanted, index=index, device=device, precision=precision, workers=workers, mend=mend, config=config, only=only)
    for found, ranks in sets:
        found = each_once(found if rank is None else at_rank(found, ranks, rank))
        read = reading.names_of(found, ranks)
        shot = measure(found, ranks, shots=shots, repeats=repeats, besides=read.tellers() if read else None)
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
        print_rows(*_table(records, shots, with_probe=probe is not False))
    else:
        print_figures(records, format)
    return 1 if failed else 0
