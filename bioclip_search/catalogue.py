"""An index with the taxa that its rows stand for: their tree, their names, and what a filter keeps of them.

Needs no encoder; what pictures show is left to `searcher`. Rows never move: those of the base come first, then those
that were added. Leaves are the same taxa in depth-first order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.countries import alpha3, spellings
from bioclip_search.errors import IndexDamagedError, TableError
from bioclip_search.index import Index, find_index
from bioclip_search.index.search import Near
from bioclip_search.intervals import LeafSet
from bioclip_search.names import Names, Unknown
from bioclip_search.tables import read_names
from bioclip_search.taxonomy import Taxonomy

COUNTRIES = "countries"
"""The column that lists where a taxon occurs, ISO 3166 alpha-3."""


@dataclass(frozen=True)
class Restriction:
    """The leaves that all filters leave in play (None: all of them), the names that were not found, and what else to tell."""

    leaves: LeafSet | None
    unknown: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()


class Catalogue:
    """The taxa of one index."""

    def __init__(self, index: Index):
        self.index = index

    @classmethod
    def open(cls, index: str | Path = "starter") -> Catalogue:
        """Opens an index by name or path.

        Raises:
            IndexFolderError: There is none, or it is damaged.
        """
        return cls(Index(find_index(index)))

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The tree over all rows, with `row_of_leaf` and `leaf_of_row` between its leaves and the rows."""
        added = self.index.added
        return self.base if added is None else self.base.grown(_read_leaves(added.taxa_path, self.base.ranks, self.index.card.added.count))

    @cached_property
    def base(self) -> Taxonomy:
        """The tree over the rows that the index was built with."""
        note = self.index.card.taxonomy
        return Taxonomy(_read_leaves(self.index.taxa_path, note.ranks, note.leaves), note.ranks)

    @cached_property
    def names(self) -> Names:
        added = self.index.added
        paths = [self.index.names_path] + ([added.names_path] if added else [])
        return Names(paths, self.taxonomy, self.taxonomy.leaf_of_row)

    @cached_property
    def silent_rows(self) -> np.ndarray:
        """The numbers of the rows whose text gave a zero vector, ascending; they can never be an answer."""
        silent = np.asarray(self.taxonomy.leaves["zero_vector"].combine_chunks())
        return np.sort(self.taxonomy.row_of_leaf[silent])

    def stop_if_silent(self, leaves: LeafSet | None) -> None:
        """Makes sure that some taxon in play can be an answer.

        Raises:
            TableError: The text of none of them gave a vector.
        """
        silent, in_play = self.silent_rows, len(self.taxonomy) if leaves is None else len(leaves)
        if len(silent) >= in_play and (leaves is None or leaves.mask[self.taxonomy.leaf_of_row[silent]].sum() == in_play):
            raise TableError(
                f"No taxon in play has a vector, so none can be an answer. Widen the filters, or see what `bioclip-search index check {self.index.card.name}` says."
            )

    def rows_of(self, leaves: LeafSet | None) -> LeafSet | None:
        """The same taxa as a set of rows."""
        if leaves is None or self.index.added is None:
            return leaves
        return LeafSet.from_mask(leaves.mask[self.taxonomy.leaf_of_row])

    def leaves_of(self, near: Near) -> tuple[np.ndarray, np.ndarray]:
        """The leaves of the rows that matter, (k,) ascending, and their cosines."""
        if self.index.added is None:
            return near
        leaves = self.taxonomy.leaf_of_row[near.rows]
        order = np.argsort(leaves)
        return leaves[order], near.scores[order]

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """The cosine of every query with every leaf, all computed: (b, n) float32, -inf for a silent one."""
        parts = [part.scores(queries) for part in self.index.parts]
        scores = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        scores[:, self.silent_rows] = -np.inf
        return scores if self.index.added is None else scores[:, self.taxonomy.row_of_leaf]

    def restrict(
        self,
        *,
        within: str | Sequence[str] | None = None,
        checklist: str | Path | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        country: str | None = None,
    ) -> Restriction:
        """The leaves that all the filters leave in play, and the names of the checklist that are unknown.

        Args:
            within: A clade, or several, of which a taxon must be in one.
            checklist: Only these taxa and all below them: a file of names or a list.
            exclude: Not these taxa, nor any below them.
            country: Only taxa that occur there (ISO 3166, two or three letters), for an index that knows where.

        Raises:
            UnknownTaxonError: A clade, an exclusion, or every name of the checklist is not in the index.
            TableError: Nothing is left in play, or the index does not know where its taxa occur.
        """
        if within is None and checklist is None and exclude is None and country is None:
            return Restriction(None)
        leaves, unknown, notes = LeafSet.whole(len(self.taxonomy)), [], []
        if within is not None:
            leaves &= self._clades(within)
        if checklist is not None:
            listed, unknown = self.names.resolve(read_names(checklist))
            leaves &= listed
        if exclude is not None:
            leaves = leaves.minus(self._clades(exclude))
        if country is not None:
            leaves &= self._occurring_in(country, notes)
        if not len(leaves):
            reasons = "; ".join(str(name) for name in unknown[:5])
            raise TableError(f"The filters leave no taxon of the index {self.index.card.name}. {reasons or 'Widen the clade or the checklist.'}")
        return Restriction(leaves, tuple(unknown), tuple(notes))

    def _clades(self, names: str | Sequence[str]) -> LeafSet:
        taxa = [self.names.the_one(name) for name in ([names] if isinstance(names, str) else names)]
        return LeafSet.of([(taxon.start, taxon.stop) for taxon in taxa], len(self.taxonomy))

    def _occurring_in(self, country: str, notes: list[str]) -> LeafSet:
        code = alpha3(country)
        if code is None:
            raise TableError(f"{country!r} is no country code; give two or three letters of ISO 3166, such as DE or DEU.")
        leaves = self.taxonomy.leaves
        if COUNTRIES not in leaves.column_names:
            raise TableError(
                f"The index {self.index.card.name} does not know where its taxa occur; build it from a checklist that tells their distribution, or give --checklist with the names of the country's taxa."
            )
        lists = _country_lists(leaves[COUNTRIES].combine_chunks())
        told = pc.list_flatten(lists)
        mask = np.zeros(len(leaves), bool)
        mask[np.asarray(pc.list_parent_indices(lists).filter(pc.is_in(told, value_set=pa.array(spellings(code)))))] = True
        if not mask.any():
            known = ", ".join(sorted(pc.unique(told.drop_null()).to_pylist())[:10]) or "none"
            raise TableError(f"No taxon of the index {self.index.card.name} is told for {code}; it knows {known}.")
        untold = pc.sum(pc.equal(pc.fill_null(pc.list_value_length(lists), 0), 0)).as_py()
        if untold:
            notes.append(f"{untold:,} taxa without any country were left out")
        return LeafSet.from_mask(mask)


def _country_lists(column: pa.Array) -> pa.Array:
    """The codes of each taxon as a list; a table of one's own has them in a text, such as "NOR; SWE"."""
    if pa.types.is_list(column.type):
        return column
    return pc.split_pattern_regex(pc.utf8_upper(column.cast(pa.string())), r"[^A-Z]+")


def _read_leaves(path: Path, ranks: Sequence[str], count: int) -> pa.Table:
    """The leaves as the card counts them.

    Subtle: `parquet.read_table` would import pandas, which takes longer than all the rest of the opening.

    Raises:
        IndexDamagedError: The file is no such table; its rows are counted before they are read.
    """
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, read_dictionary=list(ranks), memory_map=True) as file:
            if file.metadata.num_rows != count:
                raise ValueError(f"it has {file.metadata.num_rows} rows, the card says {count}")
            leaves = file.read().unify_dictionaries().combine_chunks()
        leaves.select(["common_name", "zero_vector"])
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise IndexDamagedError(f"{path}: is not a table of the taxa ({str(error).splitlines()[0]}). Get the index again or rebuild it.") from error
    return leaves
