"""What the tasks on vectors share: the options, and data sets in, vectors with labels out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.cli.evaluate.printing import tell_failures
from bioclip_search.cli.labelled_sets import labelled_sets, looked_up
from bioclip_search.cli.progress import progress_steps
from bioclip_search.cli.values import OutputFile

if TYPE_CHECKING:
    import numpy as np

    from bioclip_search.evaluation.labelled import LabelledSet
    from bioclip_search.evaluation.picture_vectors import EmbeddedSet

datasets_argument = click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")
some_datasets_argument = click.argument("datasets", nargs=-1, metavar="[DATASET]...")
out_option = click.option("--out", type=OutputFile(), help="Write all figures to this JSON file as well.")
index_option = click.option(
    "--index", default="starter", show_default=True, help="Index whose encoder sees the pictures and whose names tell what labels mean."
)


def embedded_sets(
    datasets: Sequence[str],
    parts: Collection[str] | None,
    *,
    index: str,
    device: str,
    precision: str,
    workers: int | None,
    mend: bool = False,
    config: str | None = None,
    only: Sequence[str] = (),
    is_taught: bool = True,
) -> Iterator[tuple[EmbeddedSet, tuple[str, ...]]]:
    """Each data set with its vectors, and the ranks of its labels. Tables of vectors are taken as they are.

    Args:
        config: Settings of a training of an encoder, whose sets are taken instead of data sets; `only` those of these names.
        is_taught: Whether anything learns from some of the pictures, as of `resolved_sets`.
    """
    from bioclip_search.evaluation.burst_names import bursts_of
    from bioclip_search.evaluation.picture_vectors import EmbeddedSet, has_vectors, labels_with_vectors, vectors_of
    from bioclip_search.prompts import RANKS
    from bioclip_search.searcher import Searcher

    tables = [place for place in datasets if has_vectors(Path(place))]
    for place in tables:
        labelled, vectors = labels_with_vectors(Path(place), RANKS)
        if _has_bare_names(labelled):
            (labelled,) = looked_up([labelled], Searcher.open(index, device=device)).sets
        every = EmbeddedSet(labelled.name, vectors, labelled.taxa, labelled.parts, labelled.names, labelled.taxa, bursts=labelled.bursts)
        yield every.take(_wanted(labelled, parts).nonzero()[0]), RANKS
    pictures = [place for place in datasets if place not in tables]
    if pictures or config:
        searcher = Searcher.open(index, device=device, precision=precision)
        for labelled in labelled_sets(pictures, config, only, searcher, mend=mend, is_taught=is_taught):
            with progress_steps(labelled.name) as progress:
                found = vectors_of(
                    searcher.encoder, replace(labelled, bursts=bursts_of(labelled)), _wanted(labelled, parts), workers=workers, progress=progress
                )
            tell_failures(found.failures)
            yield found, searcher.taxonomy.ranks


def each_once(found: EmbeddedSet, *, of_bursts: bool = False) -> EmbeddedSet:
    """The set without repeats of its pictures, for tasks that learn from some and ask others; how many were left out goes to stderr."""
    kept = found.without_repeats(of_bursts=of_bursts)
    if left_out := len(found) - len(kept):
        told = "row shows a picture again that has" if left_out == 1 else "rows show pictures again that have"
        kinds = "a copy, another crop, or a picture of its burst" if of_bursts else "a copy, or another crop"
        click.echo(f"{found.name}: {left_out:,} {told} the same label ({kinds}), and would teach what is asked; left out.", err=True)
    return kept


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


def _has_bare_names(labelled: LabelledSet) -> bool:
    """Whether a label says nothing but a name, so that only an index can tell its lineage."""
    import pyarrow.compute as pc

    ranks = [name for name in labelled.taxa.column_names if name != "common_name"]
    return pc.any(pc.and_(pc.is_valid(labelled.written), pc.is_null(pc.coalesce(*(labelled.taxa[rank] for rank in ranks))))).as_py() or False
