"""Finds taxa by scientific or vernacular name in the `names.sqlite` of an index.

Speaks in intervals of `taxonomy`; what is done with them is left to `intervals` and `searcher`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from bioclip_search.errors import IndexDamagedError, UnknownTaxonError
from bioclip_search.intervals import LeafSet
from bioclip_search.taxonomy import Taxon, Taxonomy

SCIENTIFIC, VERNACULAR = "sci", "com"

NEAREST_SHOWN = 3
"""How many near names an error message suggests."""

NEAREST_LIKENESS = 60
"""Names less like the one asked for than this (rapidfuzz ratio, 0 to 100) are not suggested."""

PATH_SIGN = ">"
"""Stands between ancestor and name where a name alone is ambiguous: "Plantae > Oenanthe"."""


def write_names(path: Path, taxonomy: Taxonomy) -> None:
    """Writes every name of the taxonomy, with its rank and interval, into a new SQLite file."""
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA page_size = 8192")
        store.execute(
            "CREATE TABLE name (name TEXT NOT NULL COLLATE NOCASE, kind TEXT NOT NULL, rank TEXT NOT NULL,"
            " start INTEGER NOT NULL, stop INTEGER NOT NULL, PRIMARY KEY (name, kind, start, rank)) WITHOUT ROWID"
        )
        for rows in (_scientific_rows(taxonomy), _vernacular_rows(taxonomy)):
            store.executemany("INSERT OR IGNORE INTO name VALUES (?, ?, ?, ?, ?)", sorted(rows))
        store.commit()
        store.execute("VACUUM")
    store.close()


@dataclass(frozen=True)
class Unknown:
    """A name that was not found, and the nearest ones that exist."""

    name: str
    nearest: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name!r} is not in this index" + (f" (did you mean {', '.join(self.nearest)}?)" if self.nearest else "")


class Names:
    """Looks names up, without regard to case; a scientific name goes before an equal vernacular one."""

    def __init__(self, path: Path, taxonomy: Taxonomy):
        self._taxonomy = taxonomy
        try:
            self._store = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
            self._store.execute("PRAGMA trusted_schema = OFF")
            self._store.execute("SELECT name, kind, rank, start, stop FROM name LIMIT 1").fetchone()
        except sqlite3.DatabaseError as error:
            raise IndexDamagedError(f"{path}: is not a list of names ({error}). Get the index again or rebuild it.") from error

    def find(self, name: str) -> list[Taxon]:
        """The taxa of this name, in depth-first order; empty if there is none.

        Several taxa are homonyms. An ancestor before a ">" says which is meant: "Plantae > Oenanthe".
        """
        *ancestors, last = (part.strip() for part in name.split(PATH_SIGN))
        for kind in (SCIENTIFIC, VERNACULAR):
            rows = self._store.execute("SELECT name, rank, start, stop FROM name WHERE name = ? AND kind = ? ORDER BY start", (last, kind))
            taxa = [self._as_taxon(*row) for row in rows]
            taxa = [taxon for taxon in taxa if self._is_below(taxon, ancestors)]
            if taxa:
                return taxa
        return []

    def the_one(self, name: str) -> Taxon:
        """The only taxon of this name.

        Raises:
            UnknownTaxonError: There is none, or there are several; the message says how to go on.
        """
        taxa = self.find(name)
        if not taxa:
            raise UnknownTaxonError(f"{Unknown(name, self.nearest(name))}.")
        if len(taxa) > 1:
            choices = "; ".join(f'"{self._path(taxon)}"' for taxon in taxa)
            raise UnknownTaxonError(f"{name!r} names {len(taxa)} taxa. Say which one: {choices}.")
        return taxa[0]

    def resolve(self, names: Sequence[str]) -> tuple[LeafSet, list[Unknown]]:
        """All leaves of all taxa that the list names, and the names that were not found, in their order."""
        ranges, unknown = [], []
        for name in names:
            taxa = self.find(name)
            ranges += [(taxon.start, taxon.stop) for taxon in taxa]
            if not taxa:
                unknown.append(Unknown(name, self.nearest(name)))
        return LeafSet.of(ranges, len(self._taxonomy)), unknown

    def nearest(self, name: str) -> tuple[str, ...]:
        """The names most like this one, best first."""
        from rapidfuzz import fuzz, process, utils

        found = process.extract(name, self._all, scorer=fuzz.ratio, processor=utils.default_process, limit=NEAREST_SHOWN, score_cutoff=NEAREST_LIKENESS)
        return tuple(match for match, _, _ in found)

    @property
    def _all(self) -> list[str]:
        return [name for (name,) in self._store.execute("SELECT DISTINCT name FROM name")]

    def _as_taxon(self, name: str, rank: str, start: int, stop: int) -> Taxon:
        """Subtle: a vernacular name's taxon goes by its scientific name."""
        if not 0 <= start < stop <= len(self._taxonomy):
            raise IndexDamagedError(f"The list of names points outside the taxonomy ({name}: {start} to {stop}). Rebuild the index.")
        return Taxon(self._taxonomy.leaves[rank][start].as_py() or name, rank, start, stop)

    def _is_below(self, taxon: Taxon, ancestors: Iterable[str]) -> bool:
        names = {name.casefold() for name in self._taxonomy.lineage(taxon.start, down_to=taxon.rank).values()}
        return all(ancestor.casefold() in names for ancestor in ancestors)

    def _path(self, taxon: Taxon) -> str:
        """The shortest unambiguous way to write the taxon: its name behind that of its parent's lineage."""
        lineage = list(self._taxonomy.lineage(taxon.start, down_to=taxon.rank).values())
        return f" {PATH_SIGN} ".join(lineage)


def _scientific_rows(taxonomy: Taxonomy) -> Iterator[tuple[str, str, str, int, int]]:
    for level in taxonomy.levels:
        names = taxonomy.leaves[level.rank].take(level.start).to_pylist()
        for name, start, stop in zip(names, level.start.tolist(), level.stop.tolist(), strict=True):
            yield name, SCIENTIFIC, level.rank, start, stop


def _vernacular_rows(taxonomy: Taxonomy) -> Iterator[tuple[str, str, str, int, int]]:
    """A leaf's vernacular name stands for the taxon that the leaf names: all of its interval."""
    named = np.flatnonzero(np.asarray(pc.is_valid(taxonomy.leaves["common_name"].combine_chunks())))
    depths = taxonomy.deepest_ranks()[named]
    names = taxonomy.leaves["common_name"].take(named).to_pylist()
    for leaf, depth, name in zip(named.tolist(), depths.tolist(), names, strict=True):
        level = taxonomy.levels[depth]
        yield name, VERNACULAR, level.rank, leaf, int(level.stop[np.searchsorted(level.start, leaf)])
