"""What is wrong or odd about the taxa of an index: their order, their lineages, their words.

Whole columns at a time; vectors and names are left to the neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.check.finding import FAULT, NOTE, Finding, found_one, found_rows
from bioclip_search.epithets import epithets_of, flaws
from bioclip_search.index import Card
from bioclip_search.prompts import TextRecipe, describe
from bioclip_search.tables import text_column
from bioclip_search.taxonomy import Taxonomy

REBUILD = "Build the index again from its checklist."
LOOK_AT_LIST = "Mend it in the checklist if you can, and build the index again."

READ_TAXA = 8192


def check_order(taxonomy: Taxonomy, card: Card) -> Iterator[Finding]:
    """Compares the taxa with the card, and with what they would be if they were read anew."""
    if len(taxonomy) != card.taxonomy.leaves:
        yield found_one("counts", f"there are {len(taxonomy):,} taxa, the card says {card.taxonomy.leaves:,}", REBUILD)
    if taxonomy.content_hash != card.taxonomy.content_hash:
        yield found_one("taxonomy", "the lineages are not those that the card was written for", REBUILD)
    again = Taxonomy.from_table(taxonomy.leaves, taxonomy.ranks)
    for kind, rows in (("repeated taxa", again.report.duplicate_rows), ("nameless taxa", again.report.empty_rows)):
        yield from found_rows(kind, FAULT, np.array(rows, np.int64) - 1, "{} " + kind, lambda row: name_of(taxonomy, row), REBUILD)
    moved = np.flatnonzero(np.diff(again.row_of_leaf) < 0)
    yield from found_rows("order", FAULT, moved, "{} taxa do not stand in the order of their tree", lambda row: name_of(taxonomy, row), REBUILD)


def check_lineages(taxonomy: Taxonomy) -> Iterator[Finding]:
    """Ranks that are empty though their siblings have them, and genera that their own species deny."""
    leaves = taxonomy.leaves
    for depth, rank in enumerate(taxonomy.ranks[:-1]):
        which = _lacking(taxonomy, depth)
        what = f"{{}} taxa have no {rank}, though others beside them have"
        yield from found_rows("empty rank", NOTE, which, what, lambda row: name_of(taxonomy, row), LOOK_AT_LIST)
    if {"genus", "species"} <= set(taxonomy.ranks):
        first = pc.replace_substring_regex(text_column(leaves, "species"), r"\s.*$", "")
        denied = pc.and_(pc.match_substring(text_column(leaves, "species"), " "), pc.not_equal(first, text_column(leaves, "genus")))
        yield from found_rows(
            "genus", NOTE, _mask(denied), "{} species stand in a genus that is not their first word", lambda row: _in_genus(taxonomy, row), LOOK_AT_LIST
        )


def check_words(taxonomy: Taxonomy, texts: np.ndarray) -> Iterator[Finding]:
    """Odd epithets, and texts that stand for several taxa."""
    leaves = taxonomy.leaves
    genus, species = text_column(leaves, "genus"), text_column(leaves, "species")
    for flaw, which in flaws(genus, epithets_of(species)).items():
        yield from found_rows("epithet", NOTE, which, f"{{}} epithets are odd: one {flaw}", lambda row: name_of(taxonomy, row), LOOK_AT_LIST)
    order = np.argsort(texts, kind="stable")
    same = texts[order][1:] == texts[order][:-1]
    repeats = np.sort(order[1:][same])
    first_of = dict(zip(texts[order[:-1][same]].tolist(), order[:-1][same].tolist(), strict=True))
    yield from found_rows(
        "equal texts",
        NOTE,
        repeats,
        "{} taxa have the text of another taxon, so no picture can tell them apart",
        lambda row: f"{name_of(taxonomy, row)} and {name_of(taxonomy, first_of[int(texts[row])])}",
        "Choose a --text-type that tells them apart, such as taxon_com, or leave one out.",
    )


def check_keys(taxonomy: Taxonomy) -> Iterator[Finding]:
    """Keys of taxa that stand twice, and keys that point to no taxon."""
    leaves = taxonomy.leaves
    if "taxon_key" not in leaves.column_names:
        return
    keys = text_column(leaves, "taxon_key").combine_chunks()
    codes = np.asarray(pc.fill_null(keys.dictionary_encode().indices, -1))
    _, first = np.unique(codes, return_index=True)
    repeated = np.ones(len(codes), bool)
    repeated[first] = False
    repeated &= codes >= 0
    yield from found_rows(
        "key", NOTE, repeated, "{} taxa have the key of another taxon", lambda row: f"{name_of(taxonomy, row)} {keys[row].as_py()}", LOOK_AT_LIST
    )
    for column in [name for name in ("parent_key", "accepted_key") if name in leaves.column_names]:
        pointing = text_column(leaves, column)
        orphans = pc.and_(pc.is_valid(pointing), pc.invert(pc.is_in(pointing, value_set=keys)))
        yield from found_rows(
            "orphan key", NOTE, _mask(orphans), f"{{}} keys in {column} are of no taxon here", lambda row: name_of(taxonomy, row), LOOK_AT_LIST
        )


def text_codes(taxonomy: Taxonomy, recipe: TextRecipe) -> np.ndarray:
    """A number for the words of each taxon, (n,) int64, equal where the words are."""
    codes = np.empty(len(taxonomy), np.int64)
    columns = [*taxonomy.ranks, "common_name"]
    for first in range(0, len(taxonomy), READ_TAXA):
        taxa = taxonomy.leaves.select(columns).slice(first, READ_TAXA).to_pylist()
        codes[first : first + len(taxa)] = [hash(describe(taxon, recipe.text_type)) for taxon in taxa]
    return codes


def name_of(taxonomy: Taxonomy, leaf: int) -> str:
    """The deepest name of a leaf, and its row as people count."""
    return f"{next(reversed(taxonomy.lineage(leaf).values()), 'nameless')}, row {leaf + 1}"


def _in_genus(taxonomy: Taxonomy, leaf: int) -> str:
    return f"{name_of(taxonomy, leaf)} in {taxonomy.leaves['genus'][leaf].as_py()}"


def _lacking(taxonomy: Taxonomy, depth: int) -> np.ndarray:
    """The leaves without this rank that are named below it, and of whose siblings under the taxon above some have it; (n,) bool.

    Leaves stand in the order of the tree, so siblings stand together: those that agree in all ranks above.
    """
    named = np.stack([_mask(pc.is_valid(taxonomy.leaves[rank])) for rank in taxonomy.ranks], axis=1)  # (n, ranks)
    lacks = ~named[:, depth] & named[:, depth + 1 :].any(axis=1)
    begins = np.ones(len(taxonomy), bool)
    begins[1:] = False
    for rank in taxonomy.ranks[:depth]:
        begins[1:] |= _changes(taxonomy.leaves[rank])
    group = np.cumsum(begins) - 1
    has_sibling = np.bincount(group, weights=named[:, depth])[group] > 0
    return lacks & has_sibling


def _changes(column: pa.ChunkedArray) -> np.ndarray:
    """Where a value differs from the one before it, (n - 1,) bool."""
    encoded = column.combine_chunks()
    codes = np.asarray(pc.fill_null((encoded if pa.types.is_dictionary(encoded.type) else encoded.dictionary_encode()).indices, -1))
    return codes[1:] != codes[:-1]


def _mask(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column, False).combine_chunks())
