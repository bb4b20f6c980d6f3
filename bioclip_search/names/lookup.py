"""Gives the taxa that a name means, over all the stores of names of an index.

Speaks in intervals of `taxonomy`; what is done with them is left to `intervals` and `searcher`, search while typing to
`search`, lists to `match`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bioclip_search.errors import IndexDamagedError, UnknownTaxonError
from bioclip_search.intervals import LeafSet
from bioclip_search.names.fold import fold, fold_scientific, key
from bioclip_search.names.languages import plain_language
from bioclip_search.names.near import likest_names
from bioclip_search.names.parse import parse
from bioclip_search.names.reading import Entry, Store, open_store
from bioclip_search.names.store import ACCEPTED, VERNACULAR
from bioclip_search.taxonomy import Taxon, Taxonomy

NEAREST_SHOWN = 3
"""How many near names an error message suggests."""

PATH_SIGN = ">"
"""Stands between ancestor and name where a name alone is ambiguous: "Plantae > Oenanthe"."""


@dataclass(frozen=True)
class Unknown:
    """A name that was not found, and the nearest ones that exist."""

    name: str
    nearest: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name!r} is not in this index" + (f" (did you mean {', '.join(self.nearest)}?)" if self.nearest else "")


class Names:
    """Looks names up; spellings that differ in case, accents, hyphens or spaces only are one name."""

    def __init__(self, paths: Path | Store | Sequence[Path | Store], taxonomy: Taxonomy, leaf_of_row: np.ndarray | None = None):
        """Opens the stores of an index: that of its base, and one for each time taxa were added.

        Args:
            leaf_of_row: (rows,) the leaf that each row of the index became; None where row i is leaf i.

        Raises:
            IndexDamagedError: A store cannot be read.
        """
        self.taxonomy = taxonomy
        self._leaf_of_row = np.arange(len(taxonomy)) if leaf_of_row is None else leaf_of_row
        paths = [paths] if isinstance(paths, Path | Store) else list(paths)
        self.stores = [path if isinstance(path, Store) else open_store(path, taxonomy, self._row_of_leaf) for path in paths]

    def find(self, name: str) -> list[Taxon]:
        """The taxa of this name, in depth-first order; empty if there is none.

        Several taxa are homonyms. Accepted names go before synonyms, and those before vernacular names. An ancestor
        before a ">" says which is meant: "Plantae > Oenanthe". Authors and rank marks are passed over.
        """
        *ancestors, last = (part.strip() for part in name.split(PATH_SIGN))
        entries = self.entries(last) or self._of_bare_words(last)
        for kinds in (lambda entry: entry.kind == ACCEPTED, lambda entry: entry.kind != VERNACULAR, lambda entry: entry.kind == VERNACULAR):
            taxa = {self.taxon(entry) for entry in entries if kinds(entry)}
            taxa = [taxon for taxon in sorted(taxa, key=self._depth_first) if self.is_below(taxon, ancestors)]
            if taxa:
                return taxa
        return []

    def entries(self, name: str) -> list[Entry]:
        """The names of all stores that are spelt so; where some have the same words, only those."""
        spellings = {fold(name), fold_scientific(name)} - {""}
        found = [entry for store in self.stores for spelling in sorted({key(spelling) for spelling in spellings}) for entry in store.exactly(spelling)]
        same_words = [entry for entry in found if fold(entry.name) in spellings]
        return same_words or found

    def _of_bare_words(self, name: str) -> list[Entry]:
        """The scientific names that are spelt so without authors and rank marks; none where the name leaves its species open."""
        parsed = parse(name)
        is_plain = parsed.is_scientific and not (parsed.qualifier or parsed.is_formula or parsed.unread)
        return [entry for entry in self.entries(parsed.canonical) if entry.kind != VERNACULAR] if is_plain else []

    def the_one(self, name: str) -> Taxon:
        """The only taxon of this name.

        Raises:
            UnknownTaxonError: There is none, or there are several; the message says how to go on.
        """
        taxa = self.find(name)
        if not taxa:
            raise UnknownTaxonError(f"{Unknown(name, self.nearest(name))}.")
        if len(taxa) > 1:
            choices = "; ".join(f'"{self.path(taxon)}"' for taxon in taxa)
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
        return LeafSet.of(ranges, len(self.taxonomy)), unknown

    def nearest(self, name: str) -> tuple[str, ...]:
        """The names most like this one, best first."""
        return tuple(likest_names(self.stores, fold(name.split(PATH_SIGN)[-1]), NEAREST_SHOWN))

    def vernacular(self, taxa: Sequence[Taxon], language: str) -> list[str | None]:
        """The vernacular name of each taxon in a language (ISO 639-1), the one told first; None where there is none."""
        wanted = [code for code in self.languages if plain_language(code) == plain_language(language)]
        wanted.sort(key=lambda code: code != language.strip().lower().replace("-", "_"))
        return [self._vernacular(taxon, wanted) if wanted else None for taxon in taxa]

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages of the vernacular names, as their sources write them, in alphabetical order."""
        return tuple(sorted({section.language for store in self.stores for section in store.sections if section.language}))

    def taxon(self, entry: Entry) -> Taxon:
        """The taxon that an entry names, under its accepted name.

        Raises:
            IndexDamagedError: The entry points outside the taxonomy.
        """
        leaf = int(self._leaf_of_row[entry.row]) if 0 <= entry.row < len(self._leaf_of_row) else -1
        number = self.taxonomy.level(entry.rank).holding(leaf) if leaf >= 0 and entry.rank in self.taxonomy.ranks else None
        if number is None:
            raise IndexDamagedError(f"The list of names points outside the taxonomy ({entry.name}: {entry.rank} of row {entry.row}). Rebuild the index.")
        return self.taxonomy.taxon(entry.rank, number)

    def own_entries(self, taxon: Taxon, kind: str, languages: Sequence[str] | None = None) -> Iterator[Entry]:
        """The names of one kind of a taxon, in these languages only if they are given.

        Subtle: a taxon is known by the first of its rows in the base; in what was added, by any.
        """
        for number, store in enumerate(self.stores):
            if rows := self.rows_of(taxon, number):
                found = store.of_taxa(rows[0], rows[0] if number == 0 else rows[1], taxon.rank, kind, languages)
                yield from (entry for entry in found if number == 0 or self.taxon(entry) == taxon)

    def rows_of(self, taxon: Taxon, store: int) -> tuple[int, int] | None:
        """The first and the last row of a taxon's leaves in one store, None where it has none there."""
        low, high = self.stores[store].rows
        if self._rows_are_leaves and len(self.stores) == 1:
            return taxon.start, taxon.stop - 1
        rows = self._row_of_leaf[taxon.start : taxon.stop]
        rows = rows[(rows >= low) & (rows <= high)] if low is not None else rows[:0]
        return (int(rows.min()), int(rows.max())) if len(rows) else None

    def accepted(self, taxon: Taxon) -> Entry | None:
        """The entry of a taxon's accepted name, with its authorship and key."""
        return next(self.own_entries(taxon, ACCEPTED), None)

    def is_below(self, taxon: Taxon, ancestors: Iterable[str]) -> bool:
        """Whether the lineage of a taxon holds all these names."""
        names = {fold_scientific(name) for name in self.taxonomy.lineage(taxon.start, down_to=taxon.rank).values()}
        return all(fold_scientific(ancestor) in names for ancestor in ancestors)

    def path(self, taxon: Taxon) -> str:
        """The whole lineage of a taxon, as `find` takes it."""
        lineage = list(self.taxonomy.lineage(taxon.start, down_to=taxon.rank).values())
        return f" {PATH_SIGN} ".join(lineage)

    def _depth_first(self, taxon: Taxon) -> tuple[int, int, int]:
        """Where a taxon stands among others; of two with the same leaves the higher stands first."""
        return taxon.start, -taxon.stop, self.taxonomy.ranks.index(taxon.rank)

    def _vernacular(self, taxon: Taxon, wanted: Sequence[str]) -> str | None:
        found = sorted(self.own_entries(taxon, VERNACULAR, wanted), key=lambda entry: wanted.index(entry.language))
        return found[0].name if found else None

    @cached_property
    def _row_of_leaf(self) -> np.ndarray:
        rows = np.flatnonzero(self._leaf_of_row >= 0)
        row_of_leaf = np.empty(len(self.taxonomy), np.int64)
        row_of_leaf[self._leaf_of_row[rows]] = rows
        return row_of_leaf

    @cached_property
    def _rows_are_leaves(self) -> bool:
        return np.array_equal(self._leaf_of_row, np.arange(len(self.taxonomy)))
