"""Finds the taxa of a taxonomy that the keys of a geofence name, without a loop over taxa.

What the rules of a key mean is left to `geofence`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.names import Names
from bioclip_search.names.store import SYNONYM
from bioclip_search.taxonomy import Taxonomy

RANK_OF_TOKEN = ("class", "order", "family", "genus", "species")

ANIMALS = frozenset(("animalia", "metazoa"))
"""SpeciesNet knows no other kingdom, and its keys name none."""


Found = tuple[str, tuple[int, int], dict[str, str], int]
"""The rank of a taxon, its leaves, its lineage in small letters, and the number of the key that names it."""


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
    by_rank = {rank: wanted for rank, wanted in _by_rank(keys).items() if rank in taxonomy.ranks}
    own = [
        (rank, taxon, lineage, number)
        for rank, wanted in by_rank.items()
        for taxon, lineage in _taxa_named(taxonomy, rank, wanted)
        for number in wanted[lineage[rank]]
    ]
    found = [one for one in own if _is_in_class(one, keys)]
    matched = {number for *_, number in found}
    further = [one for one in _synonyms(names, by_rank, matched) if _is_in_class(one, keys)] if names is not None else []
    by_synonym = {number for *_, number in further}
    differing = by_synonym | {one[3] for one in found if _differs(one, keys)}
    return FoundKeys(
        nodes=tuple((taxonomy.ranks.index(rank), *taxon, number) for rank, taxon, _, number in found + further),
        unmatched=tuple(key for number, key in enumerate(keys) if number not in matched | by_synonym),
        by_name=tuple(keys[number] for number in sorted(differing)),
    )


def _by_rank(keys: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """For each rank the names that are looked for there, in small letters, and the keys that ask for them."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, key in enumerate(keys):
        parts = key.split(";")
        depth = max(place for place, part in enumerate(parts) if part)
        name = " ".join(parts[3:]) if depth == 4 else parts[depth]
        found[RANK_OF_TOKEN[depth]][name].append(number)
    return found


def _taxa_named(taxonomy: Taxonomy, rank: str, wanted: Mapping[str, list[int]]) -> Iterator[tuple[tuple[int, int], dict[str, str]]]:
    """The taxa of a rank that bear one of the names: their leaves, and their lineage in small letters."""
    level = taxonomy.level(rank)
    names = pc.utf8_lower(taxonomy.leaves[rank].take(pa.array(level.start)).cast(pa.string()))
    hits = np.flatnonzero(np.asarray(pc.is_in(names, value_set=pa.array(list(wanted), pa.string()))))
    ranks = taxonomy.ranks[: taxonomy.ranks.index(rank) + 1]
    rows = taxonomy.leaves.select(ranks).take(pa.array(level.start[hits]))
    columns = [pc.utf8_lower(column.cast(pa.string())).to_pylist() for column in rows.columns]
    for start, stop, lineage in zip(level.start[hits].tolist(), level.stop[hits].tolist(), zip(*columns, strict=True), strict=True):
        yield (start, stop), {at: name for at, name in zip(ranks, lineage, strict=True) if name}


def _synonyms(names: Names, by_rank: Mapping[str, Mapping[str, list[int]]], matched: set[int]) -> Iterator[Found]:
    """The taxa that the keys not matched name by a synonym of their rank."""
    for rank, wanted in by_rank.items():
        for name in (name for name, numbers in wanted.items() if not matched.issuperset(numbers)):
            taxa = {names.taxon(entry) for entry in names.entries(name[:1].upper() + name[1:]) if entry.kind == SYNONYM}
            for taxon in (taxon for taxon in sorted(taxa, key=lambda taxon: taxon.start) if taxon.rank == rank):
                lineage = {at: told.lower() for at, told in names.taxonomy.lineage(taxon.start, down_to=rank).items()}
                yield from ((rank, (taxon.start, taxon.stop), lineage, number) for number in wanted[name] if number not in matched)


def _is_in_class(found: Found, keys: Sequence[str]) -> bool:
    """Rules 1 and 3."""
    _, _, lineage, number = found
    wanted = keys[number].split(";")[0]
    return not wanted or (lineage["class"] == wanted if "class" in lineage else lineage.get("kingdom", "animalia") in ANIMALS)


def _differs(found: Found, keys: Sequence[str]) -> bool:
    """Rule 2: whether the ranks between the class and the name are others here."""
    rank, _, lineage, number = found
    above = RANK_OF_TOKEN[: RANK_OF_TOKEN.index(rank)]
    return any(told and lineage.get(other, told) != told for other, told in zip(above, keys[number].split(";"), strict=False))
