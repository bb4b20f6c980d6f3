"""Finds the taxon that each recorded name means; of a name that is not known, the genus or family that its row tells.

What the records of a taxon say is left to `occurrences`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.geography.records import CONTEXT
from bioclip_search.names import Names
from bioclip_search.taxonomy import Taxon, Taxonomy

KINGDOMS = frozenset(("animalia", "plantae", "fungi"))
"""Kingdoms on which lists agree, so that two of them contradict each other."""


@dataclass(frozen=True, eq=False)
class Resolved:
    """For each name the taxon it means, as the number of its rank and its leaves; -1 where it means none."""

    depth: np.ndarray  # (k,) int64
    start: np.ndarray  # (k,) int64
    stop: np.ndarray  # (k,) int64
    is_higher: np.ndarray  # (k,) bool: known by its genus or family only


def resolve(table: pa.Table, taxonomy: Taxonomy, names: Names) -> Resolved:
    """The taxa of names with their context, as `records` counts them.

    1. A species name that the taxonomy has once is that species, unless its kingdom contradicts.
    2. Else the name is looked up with its synonyms; of several taxa the one whose lineage holds most of the row's ranks,
       none where two hold equally many.
    3. Else the genus of the row or of its binomial, or the family of the row.
    """
    found = Resolved(*(np.full(len(table), -1) for _ in range(3)), np.zeros(len(table), bool))
    if "species" in taxonomy.ranks:
        numbers, level = _species(table, taxonomy), taxonomy.level("species")
        known = np.flatnonzero(numbers >= 0)
        found.depth[known], found.start[known], found.stop[known] = taxonomy.ranks.index("species"), level.start[numbers[known]], level.stop[numbers[known]]
    rest = np.flatnonzero(found.depth < 0)
    rows = table.take(pa.array(rest)).to_pylist()
    for number, row in zip(rest.tolist(), rows, strict=True):
        taxon, is_higher = _looked_up(row, names)
        if taxon is not None:
            found.depth[number], found.start[number], found.stop[number] = taxonomy.ranks.index(taxon.rank), taxon.start, taxon.stop
            found.is_higher[number] = is_higher
    return found


def _species(table: pa.Table, taxonomy: Taxonomy) -> np.ndarray:
    """Rule 1: the number of the species of each name, (k,) int64, -1 for none."""
    at = pa.array(taxonomy.level("species").start)
    names, asked = taxonomy.leaves["species"].take(at).cast(pa.string()).combine_chunks(), table["name"].combine_chunks()
    numbers = np.asarray(pc.fill_null(pc.index_in(asked, value_set=names), -1)).astype(np.int64)  # (k,) the first of its name
    counts = pc.value_counts(names)
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    numbers[np.asarray(pc.is_in(asked, value_set=twice))] = -1
    if "kingdom" in taxonomy.ranks and len(names):
        own = taxonomy.leaves["kingdom"].take(at).cast(pa.string()).take(pa.array(np.maximum(numbers, 0)))
        numbers[_contradict(pc.utf8_lower(own), pc.utf8_lower(table["kingdom"]))] = -1
    return numbers


def _contradict(kingdoms: pa.ChunkedArray, others: pa.ChunkedArray) -> np.ndarray:
    """Whether two kingdoms are different ones of those that all lists have, (k,) bool."""
    are_known = [pc.is_in(column, value_set=pa.array(sorted(KINGDOMS))) for column in (kingdoms, others)]
    return np.asarray(pc.and_(pc.and_(*are_known), pc.fill_null(pc.not_equal(kingdoms, others), False)))


def _looked_up(row: Mapping[str, str | None], names: Names) -> tuple[Taxon | None, bool]:
    """Rules 2 and 3."""
    if taxon := _best(names.find(row["name"]), row, names):
        return taxon, False
    for rank, name in _higher(row):
        if taxon := _best([found for found in names.find(name) if found.rank == rank], row, names):
            return taxon, True
    return None, False


def _higher(row: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """What stands in for an unknown name, by rank; a taxon above the family would say next to nothing."""
    first = row["name"].split()[0]
    yield from (("genus", name) for name in dict.fromkeys((row["genus"], first if first[:1].isupper() else None)) if name)
    if row["family"]:
        yield "family", row["family"]


def _best(taxa: list[Taxon], row: Mapping[str, str | None], names: Names) -> Taxon | None:
    scored = []
    for taxon in taxa:
        lineage = {rank: name.lower() for rank, name in names.taxonomy.lineage(taxon.start, down_to=taxon.rank).items()}
        told = {rank: row[rank].lower() for rank in CONTEXT if row[rank]}
        if not (told.get("kingdom") in KINGDOMS and lineage.get("kingdom") in KINGDOMS and told["kingdom"] != lineage["kingdom"]):
            scored.append((sum(lineage.get(rank) == name for rank, name in told.items()), taxon))
    highest = [taxon for score, taxon in scored if score == max(score for score, _ in scored)]
    widest = max(highest, key=lambda taxon: taxon.stop - taxon.start, default=None)  # a phylum and its class of one name are no homonyms
    return widest if all(widest.start <= taxon.start and taxon.stop <= widest.stop for taxon in highest) else None
