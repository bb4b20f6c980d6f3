"""A tree of life as nested intervals: every taxon of any rank is one contiguous range of leaves.

Leaves are numbered in depth-first order of their lineage, so a clade is `[start, stop)`, its probability a
difference of two prefix sums, and a subset a few ranges. Reading files is left to `tables`, finding a taxon by
its name to `names`.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.errors import TableError
from bioclip_search.intervals import Level
from bioclip_search.prompts import RANKS
from bioclip_search.tables import read_table, text_column


@dataclass(frozen=True)
class Taxon:
    """One node of the tree: a name at a rank, and the leaves below it."""

    name: str
    rank: str
    start: int
    stop: int


@dataclass(frozen=True)
class Contradiction:
    """One name of one rank within one kingdom that stands under several parents."""

    rank: str
    name: str
    parents: tuple[str, ...]
    rows: tuple[int, ...]

    def __str__(self) -> str:
        places = "; ".join(f"{parent} (row {row})" for parent, row in zip(self.parents, self.rows, strict=True))
        return f"{self.rank} {self.name} stands under {places}"


@dataclass(frozen=True)
class ReadingReport:
    """What became of the rows of a table; row numbers count data rows from 1."""

    rows: int
    leaves: int
    duplicate_rows: tuple[int, ...] = ()
    empty_rows: tuple[int, ...] = ()
    contradictions: tuple[Contradiction, ...] = field(default=())

    def lines(self, most: int = 10) -> list[str]:
        """The report in words, at most `most` contradictions of it."""
        told = [f"{self.rows:,} rows read, {self.leaves:,} taxa kept"]
        if self.duplicate_rows:
            told.append(f"{len(self.duplicate_rows):,} rows repeat a lineage and were left out (first: row {self.duplicate_rows[0]})")
        if self.empty_rows:
            told.append(f"{len(self.empty_rows):,} rows name no taxon and were left out (first: row {self.empty_rows[0]})")
        if self.contradictions:
            told.append(f"{len(self.contradictions):,} names stand under several parents and were kept apart:")
            told += [f"  {contradiction}" for contradiction in self.contradictions[:most]]
        return told


class Taxonomy:
    """The leaves of a tree with their lineages, and the interval of every taxon above them."""

    def __init__(self, leaves: pa.Table, ranks: Sequence[str], report: ReadingReport | None = None):
        """Takes leaves that are already in depth-first order, as `from_table` leaves them and an index keeps them."""
        self.leaves = leaves
        self.ranks = tuple(ranks)
        self.report = report or ReadingReport(rows=leaves.num_rows, leaves=leaves.num_rows)
        self.row_of_leaf = np.arange(leaves.num_rows)  # (n,) the row of the table, from 0, that each leaf was read from
        self.leaf_of_row = self.row_of_leaf  # (rows,) the leaf that each row became, -1 where it names no taxon

    @classmethod
    def from_table(cls, source: Any, ranks: Sequence[str] = RANKS) -> Taxonomy:
        """Reads a table with one row per leaf; any rank may be missing anywhere, other columns are kept.

        A species may stand as binomial or as epithet beside its genus. Two rows of one lineage are one leaf, the
        first. A name under two parents is two nodes, and the report says so where both are of one kingdom.

        Args:
            source: Anything that `tables.read_table` reads.
            ranks: The columns that make the lineage, highest rank first.

        Raises:
            TableError: No rank column, or no row that names a taxon.
        """
        table = read_table(source)
        names = lineage_columns(table, ranks)
        codes = np.stack([_codes(names[rank]) for rank in ranks], axis=1)  # (rows, ranks) int32, -1 where missing
        order = np.lexsort(codes.T[::-1])  # stable: of equal lineages the first row comes first
        is_empty = (codes[order] < 0).all(axis=1)
        is_repeat = np.zeros(len(order), bool)
        is_repeat[1:] = (codes[order][1:] == codes[order][:-1]).all(axis=1)
        kept = order[~is_empty & ~is_repeat]
        if not len(kept):
            raise TableError("The table has no row that names a taxon; a taxonomy needs at least one.")
        others = [name for name in table.column_names if name not in (*ranks, "species_epithet", "scientific_name")]
        columns = {rank: names[rank] for rank in ranks} | {name: table[name] for name in others}
        if "common_name" not in columns:
            columns["common_name"] = text_column(table, "common_name")
        leaves = pa.table(columns).take(pa.array(kept)).combine_chunks()
        taxonomy = cls(leaves, ranks)
        taxonomy.row_of_leaf = kept
        taxonomy.leaf_of_row = np.full(len(order), -1)
        taxonomy.leaf_of_row[order[~is_empty]] = np.cumsum(~is_repeat[~is_empty]) - 1
        taxonomy.report = ReadingReport(
            rows=table.num_rows,
            leaves=len(kept),
            duplicate_rows=_row_numbers(order[is_repeat & ~is_empty]),
            empty_rows=_row_numbers(order[is_empty]),
            contradictions=_contradictions(taxonomy),
        )
        return taxonomy

    def __len__(self) -> int:
        return self.leaves.num_rows

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """One level per rank, highest first. Needs no loop: a taxon begins where a path prefix changes."""
        changed = np.ones(len(self), bool)
        changed[1:] = False
        levels = []
        for rank in self.ranks:
            codes = self._codes[rank]
            changed[1:] |= codes[1:] != codes[:-1]
            borders = np.flatnonzero(changed)
            stops = np.append(borders[1:], len(self))
            named = codes[borders] >= 0
            levels.append(Level(rank, borders[named], stops[named]))
        return tuple(levels)

    def level(self, rank: str) -> Level:
        """The taxa of a rank.

        Raises:
            TableError: The taxonomy has no such rank.
        """
        if rank not in self.ranks:
            raise TableError(f"Unknown rank {rank!r}; this taxonomy has {', '.join(self.ranks)}.")
        return self.levels[self.ranks.index(rank)]

    def taxon(self, rank: str, number: int) -> Taxon:
        """The taxon with this number among those of its rank."""
        level = self.level(rank)
        start = int(level.start[number])
        return Taxon(self.leaves[rank][start].as_py(), rank, start, int(level.stop[number]))

    def lineage(self, leaf: int, down_to: str | None = None) -> dict[str, str]:
        """The named ranks above and at a leaf, highest first, ending with the rank `down_to` if given."""
        ranks = self.ranks if down_to is None else self.ranks[: self.ranks.index(down_to) + 1]
        named = {rank: self.leaves[rank][leaf].as_py() for rank in ranks}
        return {rank: name for rank, name in named.items() if name}

    def common_name(self, taxon: Taxon) -> str | None:
        """The vernacular name of the leaf that is this very taxon, None where the table has no such row.

        Subtle: missing ranks sort first, so if the taxon is a leaf itself it is the first of its interval.
        """
        if list(self.lineage(taxon.start))[-1] != taxon.rank:
            return None
        return self.leaves["common_name"][taxon.start].as_py()

    def deepest_ranks(self) -> np.ndarray:
        """For each leaf the number of the rank at which it is named, (n,) int64."""
        named = np.stack([self._codes[rank] >= 0 for rank in self.ranks], axis=1)  # (n, ranks)
        return len(self.ranks) - 1 - np.argmax(named[:, ::-1], axis=1)

    def grown(self, added: pa.Table) -> Taxonomy:
        """This taxonomy with more leaves, each in its place; the rows of these leaves are numbered after those of this one.

        Args:
            added: Leaves with this one's ranks; columns that this one lacks are left out, those that it has alone are null.

        Raises:
            TableError: A leaf has the lineage of another.
        """
        names = self.leaves.column_names
        added = Taxonomy.from_table(added.select([name for name in names if name in added.column_names]), self.ranks)
        rows = np.insert(np.arange(len(self)), self.places(added), len(self) + added.row_of_leaf)
        columns = [_column_like(added.leaves.take(pa.array(added.leaf_of_row)), field) for field in self.leaves.schema]
        both = pa.concat_tables([self.leaves, pa.table(columns, schema=self.leaves.schema)])
        grown = Taxonomy(both.unify_dictionaries().take(pa.array(rows)).combine_chunks(), self.ranks)
        grown.row_of_leaf, grown.leaf_of_row = rows, np.argsort(rows)
        return grown

    def places(self, added: Taxonomy) -> list[int]:
        """For each leaf to add the leaf of this taxonomy before which it belongs.

        Raises:
            TableError: A leaf has the lineage of another.
        """
        if added.report.duplicate_rows:
            raise TableError(f"Two of the taxa to add have one lineage (row {added.report.duplicate_rows[0]}); keep one.")
        return [self._place(added.lineage(leaf)) for leaf in range(len(added))]

    def _place(self, lineage: Mapping[str, str]) -> int:
        """The leaf before which a new one of this lineage belongs: a missing rank goes before all names, names go by alphabet."""
        start, stop = 0, len(self)
        for level in self.levels:
            first, last = np.searchsorted(level.start, (start, stop))
            taxa = range(int(first), int(last))
            name = lineage.get(level.rank)
            if name is None:
                stop = int(level.start[first]) if taxa else stop
                continue
            found = bisect_left(taxa, name.encode(), key=lambda number, level=level: self.leaves[level.rank][int(level.start[number])].as_py().encode())
            if found < len(taxa) and self.leaves[level.rank][int(level.start[taxa[found]])].as_py() == name:
                start, stop = int(level.start[taxa[found]]), int(level.stop[taxa[found]])
            else:
                return int(level.start[taxa[found]]) if found < len(taxa) else stop
        if start < stop:
            raise TableError(f"{list(lineage.values())[-1]} is among the taxa already, with the same lineage. Leave it out.")
        return start

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of ranks and lineages; the same whatever the file, the row order or the vernacular names."""
        digest = hashlib.sha256("\t".join(self.ranks).encode())
        for rank in self.ranks:
            column = self.leaves[rank]
            digest.update("\n".join(pc.fill_null(column, "").to_pylist()).encode())
        return digest.hexdigest()

    @cached_property
    def _codes(self) -> dict[str, np.ndarray]:
        """Per rank a number for each name, equal where the names are, -1 where there is none."""
        return {rank: _plain_codes(self.leaves[rank]) for rank in self.ranks}


def lineage_columns(table: pa.Table, ranks: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """The lineage columns with species as binomials; a genus that only the binomial names is filled in."""
    known = {*ranks, "species_epithet", "scientific_name"} & set(table.column_names)
    if not known:
        raise TableError(
            f"The table has none of the columns {', '.join(ranks)} (nor scientific_name); it has {', '.join(table.column_names) or 'no columns'}. Rename its columns."
        )
    names = {rank: text_column(table, rank) for rank in ranks}
    if "species" in names:
        species = pc.coalesce(names["species"], text_column(table, "species_epithet"), text_column(table, "scientific_name"))
        has_space = pc.match_substring(species, " ")
        if "genus" in names:
            first_word = pc.list_element(pc.split_pattern(pc.if_else(has_space, species, "? ?"), " "), 0)
            from_binomial = pc.if_else(pc.fill_null(has_space, False), first_word, pa.scalar(None, pa.string()))
            names["genus"] = pc.coalesce(names["genus"], from_binomial)
            joined = pc.binary_join_element_wise(names["genus"], species, " ")
            species = pc.if_else(has_space, species, pc.coalesce(joined, species))
        names["species"] = species
    return names


def _column_like(table: pa.Table, field: pa.Field) -> pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    column = table[field.name].combine_chunks()
    return column.dictionary_encode() if pa.types.is_dictionary(field.type) else column.cast(field.type)


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """A number for each name in alphabetical order, -1 where there is none; (n,) int32."""
    encoded = column.combine_chunks().dictionary_encode()
    rank_of = np.empty(len(encoded.dictionary) + 1, np.int32)
    rank_of[np.asarray(pc.sort_indices(encoded.dictionary))] = np.arange(len(encoded.dictionary))
    rank_of[-1] = -1
    return rank_of[np.asarray(pc.fill_null(encoded.indices, len(encoded.dictionary)))]


def _plain_codes(column: pa.ChunkedArray) -> np.ndarray:
    """As `_codes`, but in order of appearance: enough to see where one name ends and the next begins."""
    encoded = column.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    return np.asarray(pc.fill_null(encoded.indices, -1)).astype(np.int32, copy=False)


def _row_numbers(rows: np.ndarray) -> tuple[int, ...]:
    return tuple((np.sort(rows) + 1).tolist())


def _contradictions(taxonomy: Taxonomy) -> tuple[Contradiction, ...]:
    """Names that stand under several parents within one kingdom, each told once, at the highest rank it shows.

    Homonyms of two kingdoms are lawful, for plants and animals are named under separate codes.
    """
    found = []
    kingdom = taxonomy._codes[taxonomy.ranks[0]]
    for depth in range(1, len(taxonomy.ranks)):
        level = taxonomy.levels[depth]
        names, kingdoms = taxonomy._codes[level.rank][level.start], kingdom[level.start]
        order = np.lexsort((level.start, kingdoms, names))
        same = (np.diff(names[order]) == 0) & (np.diff(kingdoms[order]) == 0)
        for group in _runs(same):
            starts = level.start[order[group]]
            parents = [_parent(taxonomy, depth, int(start)) for start in starts]
            if len(set(parents)) > 1:
                name = taxonomy.leaves[level.rank][int(starts[0])].as_py()
                found.append(Contradiction(level.rank, name, tuple(parents), tuple((taxonomy.row_of_leaf[starts] + 1).tolist())))
    return tuple(found)


def _parent(taxonomy: Taxonomy, depth: int, leaf: int) -> str:
    above = taxonomy.lineage(leaf, down_to=taxonomy.ranks[depth - 1])
    return " ".join(list(above.items())[-1]) if above else "nothing"


def _runs(same: np.ndarray) -> list[slice]:
    """The runs of equal neighbours, given whether each element equals the one before it."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])).astype(np.int8)))
    return [slice(int(first), int(last) + 1) for first, last in zip(edges[::2], edges[1::2], strict=True)]
