"""Which picture teaches which taxon of the index: the labels of sets as classes, and all that cannot be one told in words.

What labels mean is left to `evaluation.labels`, the pictures themselves to `features`.

1. A label that is no taxon of the index, of whatever rank, stops everything, with the names most like it; or is passed over if asked.
2. A taxon above another that is taught as well is no class, for its pictures may show the lower one: they are left out.
3. A class with fewer bursts than `least` is left out. (A picture that belongs to no burst counts as one.)
4. Fewer than two classes teach nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.errors import TableError, UnknownTaxonError
from bioclip_search.evaluation.candidates import candidates_of_index
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.labels import UNMATCHED, resolve_labels
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxon

LEAST = 2
"""Bursts of a class that is taught: one is taught and another is asked."""

TOLD = 20
"""Labels that a message names."""

NO_CLASS = -1


@dataclass(frozen=True, eq=False)
class Examples:
    """Sets with the class of every row.

    Attributes:
        of: For each set (n,) int64, the number of the class, `NO_CLASS` where there is none.
        taxa: (k,) the taxa that are classes, depth first.
        notes: What is worth telling, in words.
    """

    sets: tuple[LabelledSet, ...]
    of: tuple[np.ndarray, ...]
    taxa: tuple[Taxon, ...]
    notes: tuple[str, ...]


def find_examples(searcher: Searcher, sets: Sequence[LabelledSet], *, skip_unknown: bool = False) -> Examples:
    """The classes of sets (rules 1, 2 and 4).

    Raises:
        UnknownTaxonError: A label is no taxon of the index, and is not to be passed over.
        TableError: There are fewer than two classes.
    """
    resolution = resolve_labels(sets, searcher.names)
    notes = [*(note for labelled in sets for note in labelled.notes), *resolution.report.lines()]
    keys = [_taxa_of_rows(searcher, labelled) for labelled in resolution.sets]
    unknown = Counter({label.label: label.pictures for label in resolution.report.of(UNMATCHED)})
    for labelled, rows in zip(resolution.sets, keys, strict=True):
        unknown.update(name for name, key in zip(_named(labelled), rows, strict=True) if name and key is None)
    if unknown and not skip_unknown:
        raise UnknownTaxonError(_unknown_words(searcher, unknown))
    taxa, left_out = _without_ancestors({key for rows in keys for key in rows if key}, searcher)
    notes += left_out
    number = {key: place for place, key in enumerate(taxa)}
    of = tuple(np.array([number.get(key, NO_CLASS) for key in rows], np.int64) for rows in keys)
    if unlabelled := sum(int((rows < 0).sum()) for rows in of):
        notes.append(f"{unlabelled:,} pictures are of no class and are left out")
    if len(taxa) < 2:
        raise TableError(_too_few(taxa.values()))
    return Examples(resolution.sets, of, tuple(taxa.values()), tuple(notes))


def enough_of(of: np.ndarray, groups: np.ndarray, k: int, least: int = LEAST) -> np.ndarray:
    """Which of k classes have so many groups or more, (k,) bool (rule 3)."""
    pairs = np.unique(np.stack([of, groups], axis=1)[of >= 0], axis=0)
    return np.bincount(pairs[:, 0], minlength=k) >= least


def few_words(taxa: Sequence[Taxon], of: np.ndarray, is_enough: np.ndarray, least: int) -> list[str]:
    """Says which classes rule 3 leaves out, and why."""
    counts = np.bincount(of[of >= 0], minlength=len(taxa))
    few = [f"{taxon.name} ({_pictures(count)})" for taxon, count, is_kept in zip(taxa, counts.tolist(), is_enough.tolist(), strict=True) if not is_kept]
    if not few:
        return []
    what = "class has" if len(few) == 1 else "classes have"
    return [f"{len(few):,} {what} fewer than {least} bursts or single pictures that can be read, and {_is(few)} not taught: {_some(few)}"]


def stop_if_too_few(taxa: Collection[Taxon]) -> None:
    """Rule 4.

    Raises:
        TableError: There are fewer than two classes.
    """
    if len(taxa) < 2:
        raise TableError(_too_few(taxa))


def _too_few(taxa: Collection[Taxon]) -> str:
    told = ", ".join(taxon.name for taxon in taxa) or "none"
    return (
        f"A classifier needs pictures of at least two taxa, and there is {told}. Give pictures of another taxon as well, such as of all that "
        f"the camera sees beside it."
    )


def _unknown_words(searcher: Searcher, unknown: Counter[str]) -> str:
    index = searcher.index.card.name
    lines = []
    for name, count in unknown.most_common(TOLD):
        near = [other for other in searcher.names.nearest(name) if other.casefold() != name.casefold()]
        lines.append(f"  {name} ({_pictures(count)})" + (f": did you mean {', '.join(near)}?" if near else ""))
    more = [f"  and {len(unknown) - TOLD:,} more"] if len(unknown) > TOLD else []
    what = "label is no taxon" if len(unknown) == 1 else "labels are no taxa"
    advice = f"Mend them; or go on without them: --skip-unknown; or add them first: bioclip-search index add NAME --index {index}."
    return "\n".join([f"{len(unknown):,} {what} of the index {index}, {_pictures(unknown.total())}:", *lines, *more, advice])


def _named(labelled: LabelledSet) -> list[str | None]:
    """The lowest name of each row's lineage."""
    ranks = [name for name in labelled.taxa.column_names if name != "common_name"]
    return pc.coalesce(*(labelled.taxa[rank].cast(pa.string()) for rank in reversed(ranks))).to_pylist()


Key = tuple[int, int]
"""A taxon: the number of its rank, and its number among those of the rank."""


def _taxa_of_rows(searcher: Searcher, labelled: LabelledSet) -> list[Key | None]:
    """The taxon of the index that each row is labelled with; None where it holds none at the label's own rank."""
    numbers: dict[str, int] = {}
    truths = Lineages.of(labelled.taxa, searcher.taxonomy.ranks, numbers)
    _, firsts, of = np.unique(truths.codes, axis=0, return_index=True, return_inverse=True)
    different = truths.take(firsts)
    depths, spans = different.lowest, candidates_of_index(searcher, numbers).intervals(different)
    keys: list[Key | None] = []
    for depth, (start, stop), code in zip(depths.tolist(), spans[np.arange(len(firsts)), depths].tolist(), different.lowest_codes.tolist(), strict=True):
        number = searcher.taxonomy.levels[depth].holding(start) if code >= 0 and stop > start else None
        keys.append(None if number is None else (depth, int(number)))
    return [keys[place] for place in of.reshape(-1).tolist()]


def _without_ancestors(keys: Collection[Key], searcher: Searcher) -> tuple[dict[Key, Taxon], list[str]]:
    """The taxa depth first, and what to say of those that stand above another (rule 2)."""
    taxonomy = searcher.taxonomy
    taxa = {key: taxonomy.taxon(taxonomy.ranks[key[0]], key[1]) for key in sorted(keys)}
    below: Counter[Key] = Counter()
    for high, above in taxa.items():
        below[high] = sum(low[0] > high[0] and above.start <= taxon.start and taxon.stop <= above.stop for low, taxon in taxa.items())
    kept = sorted((key for key in taxa if not below[key]), key=lambda key: taxa[key].start)
    told = [f"{taxa[key].name} ({count:,} within it)" for key, count in below.items() if count]
    if not told:
        return {key: taxa[key] for key in kept}, []
    what = "taxon is no class, for taxa within it are" if len(told) == 1 else "taxa are no classes, for others within them are"
    return {key: taxa[key] for key in kept}, [f"{len(told):,} {what} taught as well, which its pictures may show: {_some(told)}"]


def _pictures(count: int) -> str:
    return f"{count:,} {'picture' if count == 1 else 'pictures'}"


def _is(things: Sequence[str]) -> str:
    return "is" if len(things) == 1 else "are"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:TOLD]) + (f" and {len(names) - TOLD:,} more" if len(names) > TOLD else "")
