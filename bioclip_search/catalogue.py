"""An index with the taxa that its rows stand for: their tree, their names, and what a filter keeps of them.

Needs no encoder; what pictures show is left to `searcher`. Rows never move: those of the base come first, then those
that were added. Leaves are the same taxa in depth-first order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bioclip_search.errors import IndexDamagedError, TableError
from bioclip_search.heads.taught import Taught, near_with_head
from bioclip_search.index import Index, find_index
from bioclip_search.index.search import Near
from bioclip_search.intervals import LeafSet
from bioclip_search.listed import listed_names
from bioclip_search.names import Names, Unknown
from bioclip_search.taxonomy import Taxonomy

if TYPE_CHECKING:
    from bioclip_search.geography.geofence import Geofence
    from bioclip_search.geography.locality import Locality
    from bioclip_search.geography.occurrences import Occurrences


@dataclass(frozen=True)
class Restriction:
    """The leaves that all filters leave in play (None: all of them), the names that were not found, and what else to tell."""

    leaves: LeafSet | None
    unknown: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()
    wider: LeafSet | None = None
    """What the filters but the place leave in play (None: all)."""
    place: Locality | None = None


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

    @cached_property
    def taught(self) -> Taught | None:
        """The head of the index among its leaves; None where it has none, or one that is not heard.

        Raises:
            IndexDamagedError: The head cannot be read, or is odd.
            IndexMismatchError: It belongs to other taxa or another encoder.
        """
        from bioclip_search.heads.storing import taught_of

        return None if self.index.card.head is None else taught_of(self.index, self.taxonomy)

    def near(self, queries: np.ndarray, sharpness: float, leaves: LeafSet | None = None, speed: str = "auto") -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each query the leaves in play that matter, (k,) ascending, and their scores, (k,) float32; see `Index.near`, and `scores`.

        Args:
            queries: (b, d) float32, unit rows.
            sharpness: What scores are multiplied by before the softmax.
        """
        if self.taught is not None:
            return near_with_head(self, self.taught, queries, sharpness, leaves, speed)
        found = self.index.near(queries, sharpness, among=self.rows_of(leaves), silent=self.silent_rows, speed=speed)
        return map(self.leaves_of, found)

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """What every query has with every leaf: (b, n) float32, the cosine, and in an index with a head what that adds; -inf for a silent leaf."""
        cosines = self.cosines(queries)
        return cosines if self.taught is None else self.taught.added_to(cosines, queries)

    def cosines(self, queries: np.ndarray) -> np.ndarray:
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
        region: str | None = None,
        geofence: str | Path | Sequence[str | Path] | Geofence | None = None,
        occurrences: str | Path | Occurrences | None = None,
        near: str | tuple[float, float] | None = None,
        month: int | None = None,
    ) -> Restriction:
        """The leaves that all the filters leave in play, the names of the checklist that are unknown, and what is known of the place.

        Args:
            within: A clade, or several, of which a taxon must be in one.
            checklist: Only these taxa and all below them: a file of names, a download of occurrences, or a list.
            exclude: Not these taxa, nor any below them.
            country: Only taxa that may occur there (ISO 3166, two or three letters), by the geofence and by the index, if it
                knows where; with occurrences alone, where to look.
            region: A part of the country (ISO 3166-2), for the geofence.
            geofence: SpeciesNet's rules by country, or several files of which each is laid over those before it.
            occurrences: Records that say how likely each taxon is there: a GBIF download, Darwin Core, Camtrap DP, a table.
            near: The point around which occurrences count, latitude and longitude, instead of the country.
            month: The season in which they count, 1 to 12.

        Raises:
            UnknownTaxonError: A clade, an exclusion, or every name of the checklist is not in the index.
            TableError: Nothing is left in play, or nothing is known of the place.
        """
        of_place = {"country": country, "region": region, "geofence": geofence or None, "occurrences": occurrences, "near": near, "month": month}
        asked = {name: value for name, value in of_place.items() if value is not None}
        wider, unknown, notes = self._filtered(within, checklist, exclude)
        if not asked:
            return Restriction(wider, unknown, notes, wider)
        from bioclip_search.geography.locality import locality

        place = locality(self, **asked)
        leaves = wider if place.leaves is None else place.leaves if wider is None else wider & place.leaves
        if leaves is not None and not len(leaves):
            raise TableError(
                f"The filters leave no taxon of the index {self.index.card.name} for {place.words}. Widen the clade or the checklist, or look at the country."
            )
        return Restriction(leaves, unknown, notes + place.notes, wider, place)

    def _filtered(
        self, within: str | Sequence[str] | None, checklist: str | Path | Sequence[str] | None, exclude: str | Sequence[str] | None
    ) -> tuple[LeafSet | None, tuple[Unknown, ...], tuple[str, ...]]:
        """What the filters by name leave in play (None: all), the names that are unknown, and what else to tell."""
        if within is None and checklist is None and exclude is None:
            return None, (), ()
        leaves, unknown, notes = LeafSet.whole(len(self.taxonomy)), [], ()
        if within is not None:
            leaves &= self._clades(within)
        if checklist is not None:
            names, notes = listed_names(checklist)
            listed, unknown = self.names.resolve(names)
            leaves &= listed
        if exclude is not None:
            leaves = leaves.minus(self._clades(exclude))
        if not len(leaves):
            reasons = "; ".join(str(name) for name in unknown[:5])
            raise TableError(f"The filters leave no taxon of the index {self.index.card.name}. {reasons or 'Widen the clade or the checklist.'}")
        return leaves, tuple(unknown), notes

    def _clades(self, names: str | Sequence[str]) -> LeafSet:
        taxa = [self.names.the_one(name) for name in ([names] if isinstance(names, str) else names)]
        return LeafSet.of([(taxon.start, taxon.stop) for taxon in taxa], len(self.taxonomy))


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
