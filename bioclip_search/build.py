"""Makes an index folder out of taxa and an encoder, or of taxa and vectors at hand.

Stands on top of `taxonomy`, `names`, `text_vectors`, `published` and `index`; holds only the order in which they work.
Looking through an index is left to `check`, taking a part of one to `trim`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search import places
from bioclip_search.encoder import Encoder, same_space, unit_rows
from bioclip_search.encoder.opening import STARTER
from bioclip_search.errors import IndexFolderError
from bioclip_search.index import Card, Index, write_vectors
from bioclip_search.index.card import CARD_FILE, SKETCH_PREFIX, EncoderNote, TaxonomyNote, VectorsNote, note_file
from bioclip_search.index.folder import ENCODER_FOLDER, NAMES_FILE, TAXA_FILE, VECTORS_FILE
from bioclip_search.index.replacing import new_folder, stop_if_there
from bioclip_search.index.sketching import write_sketches
from bioclip_search.index.vectors import BLOCK_ROWS, TRAINING_ROWS, Vectors
from bioclip_search.names import write_names
from bioclip_search.prompts import RANKS, TextRecipe
from bioclip_search.published import MATRIX_RECIPES, MatrixColumns, Published, recipe_of
from bioclip_search.tables import read_header, read_table
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.text_vectors import Encode, StoredVectors, TextVectors

TABLE_SUFFIXES = {".csv", ".tsv", ".txt", ".parquet", ".pq"}

POINTING = ("parent_key", "accepted_key", "parent_name", "accepted_name", "status", "language", "country")
"""Columns, as `checklists` calls them, that make a table more than a list of taxa."""


@dataclass(frozen=True, eq=False)
class TaxaRead:
    """What a source gave: the taxonomy, further names of its taxa if there are any, and the report in words."""

    taxonomy: Taxonomy
    further: pa.Table | None
    report: tuple[str, ...]


def read_taxa(
    source: Any, columns: Mapping[str, str] | None = None, *, as_it_stands: bool = False, progress: Callable[[int, int], None] | None = None
) -> TaxaRead:
    """The taxa of a table or checklist.

    1. A table whose columns are called as ours, and which points at no other rows, is taken as it stands: each row is a
       taxon to be told apart, of whatever rank.
    2. All else is a checklist, as `checklists.read_checklist` reads it: taxa above others are no answers of their own,
       synonyms and names in other languages lead to their taxon.

    Args:
        columns: What columns of ours are called in the source.
        as_it_stands: Take a table by rule 1 in any case, for its rows go with vectors.
        progress: Called with steps done and steps in all.

    Raises:
        TableError: It cannot be read, or holds no taxon.
    """
    if as_it_stands or not isinstance(source, str | Path) or (not columns and _is_ours(Path(source))):
        table = read_table(source)
        ours = {theirs.strip().lower(): name for name, theirs in (columns or {}).items()}
        taxonomy = Taxonomy.from_table(table.rename_columns([ours.get(name, name) for name in table.column_names]))
        return TaxaRead(taxonomy, None, tuple(taxonomy.report.lines()))
    from bioclip_search.checklists import read_checklist

    checklist = read_checklist(source, columns=columns, progress=progress)
    taxonomy = Taxonomy.from_table(checklist.taxa)
    return TaxaRead(taxonomy, checklist.names, (*checklist.report.lines(), *taxonomy.report.lines()))


def build_index(
    out: Path,
    taxonomy: Taxonomy,
    encoder: Encoder,
    *,
    recipe: TextRecipe | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
    encode: Encode | None = None,
    **options: Any,
) -> Index:
    """Encodes the texts of every leaf and writes the index folder `out`, whole or not at all.

    What is encoded is kept in the user's cache: a build that was stopped goes on where it was, and ends with the same
    bytes; one with other taxa encodes only the names that are new.

    Args:
        progress: Called with names encoded and names to encode.
        say: Called with a line on the names that were at hand, and one on the rate.
        encode: Encodes elsewhere, as `TextVectors` takes it.
        options: What `write_index` takes: `kind` (flat, fp16, int8), `encoder_folder` (copied into the index, so
            that it needs nothing else), `encoder_source`, `preprocess`, and `about` for the card.

    Raises:
        IndexFolderError: `out` exists, or the kind is unknown.
    """
    stop_if_there(out)
    recipe = recipe or usual_recipe(encoder)
    vectors = TextVectors(encoder, recipe, encode=encode).of(taxonomy.leaves, progress=progress, say=say)  # (n, dim)
    return write_index(out, taxonomy, vectors, encoder, recipe, **options)


def build_from_vectors(
    out: Path, taxonomy: Taxonomy, vectors: np.ndarray | str | Path, encoder: Encoder, *, recipe: TextRecipe | None = None, **options: Any
) -> Index:
    """As `build_index`, with the text vectors given: one row per row of the table that the taxonomy was read from.

    Args:
        vectors: (rows, dim) of any float type, or the path of such a `.npy`.

    Raises:
        IndexFolderError: `out` exists, or the vectors do not fit the table and the encoder.
    """
    if isinstance(vectors, str | Path):
        vectors = _mapped(Path(vectors))
    stop_if_there(out)
    if vectors.shape != (taxonomy.report.rows, encoder.dim):
        raise IndexFolderError(
            f"Expected {taxonomy.report.rows} vectors of {encoder.dim} numbers, one per row of the table; got an array of shape {vectors.shape}."
        )
    return write_index(out, taxonomy, vectors, encoder, recipe or usual_recipe(encoder), order=taxonomy.row_of_leaf, **options)


def _mapped(path: Path) -> np.ndarray:
    """The numbers of a `.npy`, left on disk until they are asked for."""
    advice = "Give one that `numpy.save` wrote: a row of numbers per row of the table."
    try:
        numbers = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise IndexFolderError(f"{path}: is no .npy file of numbers ({error}). {advice}") from error
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "fiu":
        if not isinstance(numbers, np.ndarray):
            numbers.close()
        raise IndexFolderError(f"{path}: holds no plain numbers. {advice}")
    return numbers


def build_published(
    out: Path, published: Published, encoder: Encoder, *, recipe: TextRecipe | None = None, say: Callable[[str], None] | None = None, **options: Any
) -> Index:
    """As `build_index`, from a matrix that was published; nothing is encoded but a few texts, to see that they fit.

    Args:
        recipe: How the texts were made, where that is known; else it is found out.
        say: Called with the lines on what became of its rows.

    Raises:
        IndexFolderError: `out` exists, or a vector holds NaN.
        IndexMismatchError: The vectors were made by another encoder or recipe.
    """
    stop_if_there(out)
    taxonomy = Taxonomy.from_table(published.taxa)
    for line in taxonomy.report.lines() if say else ():
        say(line)
    recipe = recipe_of(published, taxonomy, encoder, [recipe] if recipe else MATRIX_RECIPES)
    about = {"vectors": f"read from {published.vectors.path.name}", **options.pop("about", {})}
    return write_index(out, taxonomy, published.vectors, encoder, recipe, order=taxonomy.row_of_leaf, about=about, **options)


def usual_recipe(encoder: Encoder) -> TextRecipe:
    """How texts are made for an encoder where nothing else is asked for: the starter's own for the starter's, BioCLIP's for all others.

    The starter was taught with bare lineages; a sentence around them means less to it.
    """
    shipped = places.shipped("index")
    if shipped is not None and (shipped / STARTER / CARD_FILE).is_file():
        card = Card.read(shipped / STARTER)
        if same_space(encoder.fingerprint, card.encoder.fingerprint):
            return TextRecipe.from_card(card.recipe)
    return TextRecipe()


def write_index(
    out: Path,
    taxonomy: Taxonomy,
    vectors: np.ndarray | StoredVectors | MatrixColumns,
    encoder: Encoder,
    recipe: TextRecipe,
    *,
    order: np.ndarray | None = None,
    further: pa.Table | None = None,
    kind: str = "flat",
    preprocess: str = "open_clip",
    encoder_source: str | None = None,
    encoder_folder: Path | None = None,
    sketch: bool = True,
    about: dict[str, Any] | None = None,
) -> Index:
    """Writes an index folder from vectors at hand; leaf i has row `order[i]`, or row i without an order.

    They are made unit rows; a zero row stays zero, is flagged, and will never be an answer.

    Args:
        further: Other names of the taxa, as `names.write_names` takes them.
        sketch: Make sketches of the vectors, for `--speed balanced`, where these are many enough to gain by it.

    Raises:
        IndexFolderError: `out` exists, or a vector holds NaN.
    """
    order = np.arange(len(taxonomy)) if order is None else order
    source = ENCODER_FOLDER if encoder_folder else encoder_source or encoder.name
    with new_folder(out) as folder:
        zero = write_unit_vectors(folder / VECTORS_FILE, vectors, order, kind)
        write_taxa(folder / TAXA_FILE, taxonomy, zero)
        write_names(folder / NAMES_FILE, taxonomy, further)
        if encoder_folder:
            shutil.copytree(encoder_folder, folder / ENCODER_FOLDER)
        card = Card(
            name=out.name,
            encoder=EncoderNote(source, encoder.fingerprint, preprocess, encoder.dim, encoder.logit_scale),
            recipe=asdict(recipe),
            taxonomy=TaxonomyNote(taxonomy.content_hash, taxonomy.ranks, len(taxonomy)),
            vectors=VectorsNote(kind, len(taxonomy), encoder.dim),
            about=about or {},
        )
        seal(folder, card, sketch=sketch)
    return Index(out)


def seal(folder: Path, card: Card, *, sketch: bool = True) -> None:
    """Writes the card of a folder whose vectors, taxa and names are all there, and vouches for each file.

    Args:
        sketch: Make sketches of the vectors where these are many enough to gain by it.
    """
    for old in folder.glob(f"{SKETCH_PREFIX}*"):
        shutil.rmtree(old)
    speeds = write_sketches(folder, Vectors(folder / VECTORS_FILE), card.encoder.logit_scale) if sketch else {}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CARD_FILE)
    replace(card, speeds=speeds, files={path.relative_to(folder).as_posix(): note_file(path) for path in files}).write(folder)


def write_unit_vectors(path: Path, vectors: np.ndarray | StoredVectors | MatrixColumns, order: np.ndarray, kind: str) -> np.ndarray:
    """Writes the rows in order, block by block, and tells which of them are zero, (n,) bool."""
    zero = np.zeros(len(order), bool)

    def blocks() -> Iterator[np.ndarray]:
        for first in range(0, len(order), BLOCK_ROWS):
            rows = unit_rows(np.asarray(vectors[order[first : first + BLOCK_ROWS]], np.float32))  # (b, dim)
            zero[first : first + BLOCK_ROWS] = ~rows.any(axis=1)
            yield rows

    sample = unit_rows(np.asarray(vectors[order[:: max(1, len(order) // TRAINING_ROWS)]], np.float32)) if kind != "flat" else None
    write_vectors(path, blocks(), vectors.shape[1], kind, sample, count=len(order))
    return zero


def write_taxa(path: Path, taxonomy: Taxonomy, zero: np.ndarray) -> None:
    leaves = taxonomy.leaves
    if "zero_vector" in leaves.column_names:
        leaves = leaves.drop_columns("zero_vector")
    parquet.write_table(leaves.append_column("zero_vector", pa.array(zero)), path, compression="zstd")


def _is_ours(path: Path) -> bool:
    """Whether this is a table with ranks as its columns and none that points at a parent or an accepted name, or tells more of a taxon.

    Subtle: the column `countries` is one of ours; a table of an index has it.
    """
    from bioclip_search.checklists.plain import OTHER_NAMES

    if path.suffix.lower() not in TABLE_SUFFIXES or not path.is_file():
        return False
    header = read_header(path)
    pointing = {word for column in POINTING for word in (column.replace("_", ""), *OTHER_NAMES[column].split())} - {"countries"}
    return bool(set(RANKS) & set(header)) and not pointing & {re.sub("[^a-z]", "", name) for name in header}
