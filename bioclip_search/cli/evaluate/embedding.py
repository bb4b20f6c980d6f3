"""What the tasks on vectors share: data sets in, vectors with labels out, and how their figures are printed."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.cli.progress import progress_steps

if TYPE_CHECKING:
    import numpy as np

    from bioclip_search.evaluation.labelled import LabelledSet
    from bioclip_search.evaluation.picture_vectors import EmbeddedSet
    from bioclip_search.searcher import Searcher

FAILURES_SHOWN = 20

datasets_argument = click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
parts_option = click.option("--part", "parts", multiple=True, help="Only this part; may be given several times.  [default: all that is not train]")
out_option = click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures to this JSON file as well.")
index_option = click.option(
    "--index", default="starter", show_default=True, help="Index whose encoder sees the pictures and whose names tell what labels mean."
)


def open_sets(datasets: Sequence[str], searcher: Searcher) -> tuple[LabelledSet, ...]:
    """The data sets with their labels looked up in the index; what became of the labels goes to stderr."""
    from bioclip_search.evaluation.labelled import find_sets
    from bioclip_search.evaluation.labels import resolve_labels

    return _told(find_sets(datasets, searcher.taxonomy.ranks), resolve_labels, searcher)


def embedded_sets(
    datasets: Sequence[str], parts: Collection[str] | None, *, index: str, device: str, precision: str, workers: int | None
) -> Iterator[tuple[EmbeddedSet, tuple[str, ...]]]:
    """Each data set with its vectors, and the ranks of its labels. Tables of vectors are taken as they are."""
    from bioclip_search.evaluation.labels import resolve_labels
    from bioclip_search.evaluation.picture_vectors import EmbeddedSet, has_vectors, labels_with_vectors, vectors_of
    from bioclip_search.prompts import RANKS
    from bioclip_search.searcher import Searcher

    tables = [place for place in datasets if has_vectors(Path(place))]
    for place in tables:
        labelled, vectors = labels_with_vectors(Path(place), RANKS)
        if _has_bare_names(labelled):
            (labelled,) = _told([labelled], resolve_labels, Searcher.open(index, device=device))
        every = EmbeddedSet(labelled.name, vectors, labelled.taxa, labelled.parts, labelled.names, labelled.taxa)
        yield every.take(_wanted(labelled, parts).nonzero()[0]), RANKS
    pictures = [place for place in datasets if place not in tables]
    if pictures:
        searcher = Searcher.open(index, device=device, precision=precision)
        for labelled in open_sets(pictures, searcher):
            with progress_steps(labelled.name) as progress:
                found = vectors_of(searcher.encoder, labelled, _wanted(labelled, parts), workers=workers, progress=progress)
            tell_failures(found.failures)
            yield found, searcher.taxonomy.ranks


def _wanted(labelled: LabelledSet, parts: Collection[str] | None) -> np.ndarray:
    """The rows to measure, (n,) bool; at least one."""
    from bioclip_search.errors import TableError
    from bioclip_search.evaluation.zero_shot import wanted_rows

    wanted = wanted_rows(labelled, parts)
    if not wanted.any():
        told = ", ".join(f"{count:,} in part {part}" for part, count in sorted(Counter(labelled.parts.tolist()).items())) or "none at all"
        raise TableError(
            f"{labelled.name}: no labelled picture is left to measure (it has {told}). Name the part with --part; all takes even those trained on."
        )
    return wanted


def tell_failures(failures: Sequence[Any]) -> None:
    for failure in failures[:FAILURES_SHOWN]:
        click.echo(f"{failure.image}: cannot be measured: {failure.error}", err=True)
    if len(failures) > FAILURES_SHOWN:
        click.echo(f"and {len(failures) - FAILURES_SHOWN:,} more that cannot be read.", err=True)


def tell_too_few(classes: Sequence[str], why: str) -> None:
    """Which classes were left out."""
    if classes:
        shown = ", ".join(classes[:5]) + (f" and {len(classes) - 5:,} more" if len(classes) > 5 else "")
        click.echo(f"Left out: {len(classes):,} {'class' if len(classes) == 1 else 'classes'} with {why}: {shown}.", err=True)


def share_in_words(metrics: Mapping[str, float], name: str) -> str:
    """A share with its interval: 0.881 (0.817–0.934); a dash where it is over nothing."""
    if name not in metrics:
        return "–"
    told = f"{metrics[name]:.3f}"
    return f"{told} ({metrics[f'{name}_low']:.3f}–{metrics[f'{name}_high']:.3f})" if f"{name}_low" in metrics else told


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: the first column to the left, the others to the right, each as wide as it needs."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        cells = [f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}" for column, (cell, width) in enumerate(zip(row, widths, strict=True))]
        click.echo("  ".join(cells).rstrip())


def print_figures(records: Sequence[Mapping[str, Any]], format: str) -> None:
    """One JSON object a set, or in CSV a row a figure: set, metric, value, low, high."""
    if format == "jsonl":
        for record in records:
            click.echo(json.dumps(record, ensure_ascii=False))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["set", "metric", "value", "low", "high"])
    for record in records:
        for name, value in record.items():
            if name != "set" and not name.endswith(("_low", "_high")):
                writer.writerow([record["set"], name, value, record.get(f"{name}_low", ""), record.get(f"{name}_high", "")])


def write_json(path: Path | None, content: Any) -> None:
    if path:
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _has_bare_names(labelled: LabelledSet) -> bool:
    """Whether a label says nothing but a name, so that only an index can tell its lineage."""
    import pyarrow.compute as pc

    ranks = [name for name in labelled.taxa.column_names if name != "common_name"]
    return pc.any(pc.and_(pc.is_valid(labelled.written), pc.is_null(pc.coalesce(*(labelled.taxa[rank] for rank in ranks))))).as_py() or False


def _told(sets: Sequence[LabelledSet], resolve_labels: Any, searcher: Searcher) -> tuple[LabelledSet, ...]:
    resolution = resolve_labels(sets, searcher.names)
    for line in [*(note for labelled in sets for note in labelled.notes), *resolution.report.lines()]:
        click.echo(line, err=True)
    return resolution.sets
