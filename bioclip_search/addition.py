"""Adds taxa to an index in seconds: from their names, and optionally a few photographs.

What was built is not touched: all that was ever added stands in one small folder within that of the index, and the card
says which. Where a new leaf belongs is left to `taxonomy`, merging everything into one again to `trim`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.build import write_taxa
from bioclip_search.encoder import Encoder, encode_recipe
from bioclip_search.errors import PictureError
from bioclip_search.images import open_picture
from bioclip_search.index import Card, Index, write_vectors
from bioclip_search.index.card import ADDED_PREFIX, AddedNote, FileNote, change_card, note_file
from bioclip_search.index.folder import NAMES_FILE, TAXA_FILE, VECTORS_FILE, stop_if_shipped
from bioclip_search.index.replacing import alone_in, writing
from bioclip_search.names.store import ACCEPTED, entries, write_store
from bioclip_search.placing import place_taxa
from bioclip_search.prompts import RANKS, TextRecipe
from bioclip_search.prototypes import PhotoWeight, fuse, weigh_photos
from bioclip_search.searcher import Searcher
from bioclip_search.tables import read_table
from bioclip_search.taxonomy import Taxonomy


@dataclass(frozen=True, eq=False)
class Addition:
    """What was added: the index as it is now, the lineages of the new taxa, and the weight of each one's photographs."""

    index: Index
    lineages: tuple[dict[str, str], ...]
    weights: tuple[PhotoWeight | None, ...]


def add_taxa(index: Index, taxa: Any, encoder: Encoder, *, within: str | None = None, photos: Mapping[int, Sequence[Any]] | None = None) -> Addition:
    """Adds the rows of a table to an index; answers about the taxa that were there stay as they were but for what the new ones take.

    Args:
        taxa: What `tables.read_table` reads. Ranks that it lacks are filled in from the genus, family … in the index.
        within: The taxon of the index below which all rows belong, where their own words do not tell.
        photos: Pictures of the taxon of a row, by the row's number from 0; their vectors are fused with that of its text.

    Raises:
        IndexFolderError: The index is shipped with the program, belongs to another encoder, or cannot be written.
        TableError: A taxon is in the index already, or nothing tells where it belongs.
        PictureError: A picture cannot be read.
    """
    stop_if_shipped(index, f"Make a copy of your own to add to: bioclip-search index trim {index.card.name} --out mine")
    with alone_in(index.folder):
        if Card.read(index.folder) != index.card:  # another program added to it meanwhile
            index = Index(index.folder)
        searcher = Searcher(index, encoder, speed="exact")
        table = place_taxa(searcher.catalogue, read_table(taxa), within)
        vectors, weights = _vectors(searcher, table, photos or {})
        write_added(index.folder, index.card, searcher.catalogue.base, *_with_those_before(index, table, vectors))
    lineages = [{rank: name for rank, name in row.items() if name} for row in table.select(list(index.card.taxonomy.ranks)).to_pylist()]
    return Addition(Index(index.folder), tuple(lineages), tuple(weights))


def _vectors(searcher: Searcher, table: pa.Table, photos: Mapping[int, Sequence[Any]]) -> tuple[np.ndarray, list[PhotoWeight | None]]:
    """The vector of each row, (m, d), and how much its photographs count."""
    recipe = TextRecipe.from_card(searcher.index.card.recipe)
    rows = table.select([*[rank for rank in table.column_names if rank in RANKS], "common_name"]).to_pylist()
    vectors = encode_recipe(searcher.encoder, list(recipe.texts(rows)))  # (m, d)
    weights: list[PhotoWeight | None] = [None] * len(rows)
    for number, pictures in photos.items():
        if pictures:
            seen = searcher.encoder.encode_images([_opened(picture, searcher.encoder.input_px) for picture in pictures])  # (p, d)
            weights[number] = weigh_photos(vectors[number], seen, searcher.catalogue.cosines(seen).max(axis=1))
            vectors[number] = fuse(vectors[number], seen, weights[number].weight)
    return vectors, weights


def _opened(picture: Any, enough_px: int) -> Any:
    try:
        return open_picture(picture, enough_px=enough_px)
    except PictureError as error:
        raise PictureError(f"{picture}: {error}") from error


def _with_those_before(index: Index, table: pa.Table, vectors: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    before = index.added
    if before is None:
        return table, vectors
    table = pa.concat_tables([parquet.read_table(before.taxa_path).drop_columns("zero_vector"), table], promote_options="default")
    return table, np.concatenate([before.vectors.rows(0, len(before.vectors)), vectors])


def write_added(home: Path, card: Card, base: Taxonomy, table: pa.Table, vectors: np.ndarray) -> None:
    """Writes all that was ever added as a new folder of the index; it counts from the moment that the card names it."""
    grown = base.grown(table)
    number = int(card.added.folder.removeprefix(ADDED_PREFIX)) + 1 if card.added else 1
    folder = home / f"{ADDED_PREFIX}{number}"
    shutil.rmtree(folder, ignore_errors=True)  # left by one that was stopped
    try:
        with writing(folder):
            folder.mkdir()
            write_vectors(folder / VECTORS_FILE, [vectors], vectors.shape[1])
            write_taxa(folder / TAXA_FILE, Taxonomy(table, grown.ranks), ~vectors.any(axis=1))
            write_store(folder / NAMES_FILE, _new_names(grown, table, len(base)))
            new = {path.relative_to(home).as_posix(): note_file(path) for path in sorted(folder.iterdir())}
            change_card(home, files=files_built(card) | new, added=AddedNote(folder.name, len(vectors)))
    finally:
        added = Card.read(home).added
        drop_unnamed(home, added.folder if added else None)


def files_built(card: Card) -> dict[str, FileNote]:
    """The files that the index was built with."""
    return {name: note for name, note in card.files.items() if not (card.added and name.startswith(f"{card.added.folder}/"))}


def drop_unnamed(home: Path, kept: str | None) -> None:
    """Deletes the folders of additions that the card does not name any more. Subtle: Windows keeps a file that is still mapped."""
    for folder in home.glob(f"{ADDED_PREFIX}*"):
        if folder.name != kept:
            shutil.rmtree(folder, ignore_errors=True)


def _new_names(grown: Taxonomy, table: pa.Table, base: int) -> pa.Table:
    """The names of the added rows and of the taxa above them that the base does not have."""
    small = Taxonomy.from_table(table, grown.ranks)
    names = entries(small, rows=base + small.row_of_leaf)

    def is_new(rank: str, row: int, kind: str) -> bool:
        level = grown.level(rank)
        number = level.holding(int(grown.leaf_of_row[row]))
        return kind != ACCEPTED or int(grown.row_of_leaf[level.start[number] : level.stop[number]].min()) >= base

    return names.filter(
        pa.array([is_new(*entry) for entry in zip(*(names[column].to_pylist() for column in ("rank", "row", "kind")), strict=True)], pa.bool_())
    )
