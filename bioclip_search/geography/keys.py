"""Finds the taxa of a taxonomy that the keys of a geofence name, without a loop over taxa.

What the rules of a key mean is left to `geofence`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.names import Names
from bioclip_search.names.store import SYNONYM
from bioclip_search.taxonomy import Taxon, Taxonomy

RANK_OF_TOKEN = ("class", "order", "family", "genus", "species")

ANIMALS = frozenset(("animalia", "metazoa"))
"""SpeciesNet knows no other kingdom, and its keys name none."""


@dataclass(frozen=True)
class FoundKeys:
    """The taxa that keys name, as (number of the rank, start, stop, number of the key)."""

    nodes: tuple[tuple[int, int, int, int], ...]
    unmatched: tuple[str, ...]
    by_name: tuple[str, ...]


def match_keys(keys: Sequence[str], taxonomy: Taxonomy, names: Names | None = None) -> FoundKeys:
    """All taxa of a key's name and rank that are in its class.

    1. A taxon in another class is another one; where its class is missing, it must be an animal.
    2. Order and family may differ, for lists disagree on them (Artiodactyla, Cetartiodactyla): such keys are told.
    3. A key that gives no class names the taxa of any.
    4. A name that no taxon bears is looked for among the synonyms, where `names` are given; such keys are told, too.
    """
    nodes, matched, differing = [], set(), set()
    for rank, wanted in _by_rank(keys).items():
        if rank not in taxonomy.ranks:
            continue
        for taxon, lineage in _taxa_named(taxonomy, rank, wanted):
            for number in wanted[lineage[rank]]:
                told = dict(zip(RANK_OF_TOKEN[: RANK_OF_TOKEN.index(rank)], keys[number].split(";"), strict=False))
                if not _is_in_class(lineage, told.get("class", "")):
                    continue
                nodes.append((*taxon, number))
                matched.add(number)
                if any(name and lineage.get(other, name) != name for other, name in told.items()):
                    differing.add(number)
    for rank, wanted in _by_rank(keys).items() if names is not None else ():
        for number, name in [(number, name) for name, numbers in wanted.items() for number in numbers if number not in matched]:
            for taxon in _synonyms(names, name, rank):
                lineage = {at: told.lower() for at, told in taxonomy.lineage(taxon.start, down_to=taxon.rank).items()}
                if _is_in_class(lineage, keys[number].split(";")[0]):
                    nodes.append((taxonomy.ranks.index(rank), taxon.start, taxon.stop, number))
                    matched.add(number)
                    differing.add(number)
    unmatched = tuple(key for number, key in enumerate(keys) if number not in matched)
    return FoundKeys(tuple(nodes), unmatched, tuple(keys[number] for number in sorted(differing)))


def _by_rank(keys: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """For each rank the names that are looked for there, in small letters, and the keys that ask for them."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, key in enumerate(keys):
        parts = key.split(";")
        depth = max(place for place, part in enumerate(parts) if part)
        name = " ".join(parts[3:]) if depth == 4 else parts[depth]
        found[RANK_OF_TOKEN[depth]][name].append(number)
    return found


def _taxa_named(taxonomy: Taxonomy, rank: str, wanted: dict[str, list[int]]) -> list[tuple[tuple[int, int, int], dict[str, str]]]:
    """The taxa of a rank that bear one of the names, each with its lineage in small letters."""
    level, depth = taxonomy.level(rank), taxonomy.ranks.index(rank)
    names = pc.utf8_lower(taxonomy.leaves[rank].take(pa.array(level.start)).cast(pa.string()))
    hits = np.flatnonzero(np.asarray(pc.is_in(names, value_set=pa.array(list(wanted), pa.string()))))
    rows = taxonomy.leaves.select(taxonomy.ranks[: depth + 1]).take(pa.array(level.start[hits]))
    columns = [pc.utf8_lower(column.cast(pa.string())).to_pylist() for column in rows.columns]
    taxa = zip(level.start[hits].tolist(), level.stop[hits].tolist(), zip(*columns, strict=True), strict=True)
    return [((depth, start, stop), {at: name for at, name in zip(taxonomy.ranks, lineage, strict=False) if name}) for start, stop, lineage in taxa]


def _synonyms(names: Names, name: str, rank: str) -> set[Taxon]:
    """The taxa of a rank that a name is a synonym of."""
    taxa = {names.taxon(entry) for entry in names.entries(name[:1].upper() + name[1:]) if entry.kind == SYNONYM}
    return {taxon for taxon in taxa if taxon.rank == rank}


def _is_in_class(lineage: dict[str, str], wanted: str) -> bool:
    if not wanted:
        return True
    if "class" in lineage:
        return lineage["class"] == wanted
    return lineage.get("kingdom", "animalia") in ANIMALS
