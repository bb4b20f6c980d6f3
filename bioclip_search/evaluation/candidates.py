"""The taxa that a picture may be called in a measure, as a tree of labels with a vector for each.

The words come from the recipe of the index, the vectors from its encoder; comparing with pictures is left to `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.evaluation.verdicts import RIGHT, Lineages, is_label, judge_at_rank
from bioclip_search.searcher import Searcher
from bioclip_search.tables import read_table, text_column
from bioclip_search.taxonomy import Taxonomy, lineage_columns
from bioclip_search.text_vectors import TextVectors

OWN, MIXED, INDEX = "own", "mixed", "index"
"""A set's own labels; those of all sets and the distractors; every taxon of the index."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """A list of c taxa. `scores` takes (b, dim) unit rows and gives (b, c) float32 cosines that may be overwritten."""

    name: str
    taxonomy: Taxonomy
    lineages: Lineages
    scores: Callable[[np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return len(self.taxonomy)

    def hold(self, truths: Lineages) -> np.ndarray:
        """Whether each label is on the list, (n,) bool."""
        rows = [self._leaves_of.get(key, []) for key in zip(truths.lowest.tolist(), truths.lowest_codes.tolist(), strict=True)]
        return np.array([bool(is_label(self.lineages.take(found), truths.take([i] * len(found))).any()) for i, found in enumerate(rows)], bool)

    def intervals(self, truths: Lineages) -> np.ndarray:
        """The leaves of the taxon that each label names at each rank, `[start, stop)`: (n, ranks, 2) int64; 0, 0 where it names none or none is listed."""
        found = np.zeros((len(truths), len(self.taxonomy.ranks), 2), np.int64)
        for depth, level in enumerate(self.taxonomy.levels):
            nodes = self.lineages.take(level.start)
            numbers_of: dict[int, list[int]] = {}
            for number, code in enumerate(nodes.at(depth).tolist()):
                numbers_of.setdefault(code, []).append(number)
            for i, code in enumerate(truths.at(depth).tolist()):
                same = numbers_of.get(code, []) if code >= 0 else []
                fits = judge_at_rank(nodes.take(same), truths.take([i] * len(same)), depth) == RIGHT
                if fits.any():
                    number = same[int(np.argmax(fits))]
                    found[i, depth] = level.start[number], level.stop[number]
        return found

    @cached_property
    def _leaves_of(self) -> dict[tuple[int, int], list[int]]:
        """The leaves that stop at a rank with a name, by both numbers."""
        leaves: dict[tuple[int, int], list[int]] = {}
        for leaf, key in enumerate(zip(self.lineages.lowest.tolist(), self.lineages.lowest_codes.tolist(), strict=True)):
            leaves.setdefault(key, []).append(leaf)
        return leaves


def candidates_of_index(searcher: Searcher, numbers: dict[str, int]) -> Candidates:
    """All taxa of the index, with the vectors that are kept there."""
    return Candidates(INDEX, searcher.taxonomy, Lineages.of(searcher.taxonomy.leaves, searcher.taxonomy.ranks, numbers), searcher.scores)


def candidates_of_labels(name: str, tables: Sequence[pa.Table], texts: TextVectors, ranks: Sequence[str], numbers: dict[str, int]) -> Candidates:
    """The different labels of the tables, which hold the ranks and common_name; a text without a vector can never be an answer."""
    taxonomy = label_tree(pa.concat_tables(tables), ranks)
    vectors = texts.of(taxonomy.leaves)[:]  # (c, dim)
    silent = ~vectors.any(axis=1)

    def scores(queries: np.ndarray) -> np.ndarray:
        found = queries @ vectors.T  # (b, c)
        found[:, silent] = -np.inf
        return found

    return Candidates(name, taxonomy, Lineages.of(taxonomy.leaves, ranks, numbers), scores)


def taxa_of(source: Any, ranks: Sequence[str]) -> pa.Table:
    """The ranks and common_name of a table of taxa: anything that `tables.read_table` reads.

    Raises:
        TableError: It cannot be read, or has no column of taxa.
    """
    table = read_table(source)
    return pa.table({**lineage_columns(table, ranks), "common_name": text_column(table, "common_name")})


def are_listed(truths: Lineages, table: pa.Table, ranks: Sequence[str], numbers: dict[str, int]) -> np.ndarray:
    """Whether each label is among the taxa of a table, which holds the ranks and common_name: (n,) bool."""
    tree = label_tree(table, ranks)
    return Candidates("listed", tree, Lineages.of(tree.leaves, ranks, numbers), lambda vectors: vectors).hold(truths)


def label_tree(table: pa.Table, ranks: Sequence[str]) -> Taxonomy:
    """The different labels as the leaves of a tree, of equal ones the first.

    1. Labels at one taxon are equal if it is of the lowest rank (its vernacular names are synonyms), or if their
       vernacular names are equal too (snail and slug are two labels at Gastropoda).
    2. A taxon is its lowest name and its kingdom; where two tables fill in its lineage differently, the first stands.

    Subtle: rule 1 lets two leaves share a lineage, which `Taxonomy.from_table` alone would not; so it sorts by a last
    rank, the vernacular name, which is then taken off.
    """
    first_of: dict[tuple[str | int | None, ...], int] = {}
    for row, key in enumerate(_keys(table, ranks)):
        if key is not None:
            first_of.setdefault(key, row)
    kept = table.take(pa.array(first_of.values(), pa.int64()))
    vernacular = pc.if_else(pc.is_valid(kept[ranks[-1]]), pa.scalar(None, pa.string()), kept["common_name"])
    sorted_leaves = Taxonomy.from_table(kept.append_column("vernacular", vernacular), (*ranks, "vernacular")).leaves
    return Taxonomy(sorted_leaves.select([*ranks, "common_name"]), ranks)


def leaves_of_labels(table: pa.Table, tree: Taxonomy) -> np.ndarray:
    """The leaf of `label_tree` that each label is, (n,) int64; -1 where it names no taxon, or one that the tree lacks."""
    leaf_of = {key: leaf for leaf, key in enumerate(_keys(tree.leaves, tree.ranks))}
    return np.array([leaf_of.get(key, -1) for key in _keys(table, tree.ranks)], np.int64)


def _keys(table: pa.Table, ranks: Sequence[str]) -> Iterator[tuple[str | int | None, ...] | None]:
    """What makes labels equal, by the rules of `label_tree`; None for a row that names no taxon."""
    columns = [table[rank] for rank in (ranks[0], *ranks, "common_name")]
    for kingdom, *lineage, common_name in zip(*(column.to_pylist() for column in columns), strict=True):
        depth = max((number for number, name in enumerate(lineage) if name), default=None)
        yield None if depth is None else (kingdom, depth, lineage[depth], None if depth == len(ranks) - 1 else common_name)
