"""Makes an index folder out of a taxonomy and an encoder (or given vectors), and checks one through and through.

Stands on top of `taxonomy`, `names`, `prompts`, `encoder` and `index`; holds only the order in which they work.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.encoder import Encoder, unit_rows
from bioclip_search.errors import IndexFolderError
from bioclip_search.index import Card, Index, write_vectors
from bioclip_search.index.card import CARD_FILE, EncoderNote, TaxonomyNote, VectorsNote, note_file
from bioclip_search.index.folder import ENCODER_FOLDER, NAMES_FILE, TAXA_FILE, VECTORS_FILE, verify_files
from bioclip_search.index.vectors import BLOCK_ROWS, TRAINING_ROWS
from bioclip_search.names import write_names
from bioclip_search.prompts import TextRecipe
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.text_vectors import StoredVectors, TextVectors

_EXISTS = "{} exists already. Give another name, or delete it first."

BLOCK_TAXA = 4096
"""Taxa whose sentences are held in memory at a time while they are encoded."""


def build_index(
    out: Path,
    taxonomy: Taxonomy,
    encoder: Encoder,
    *,
    recipe: TextRecipe | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> Index:
    """Encodes the texts of every leaf and writes the index folder `out`, whole or not at all.

    What is encoded is kept in the user's cache: a build that was stopped goes on where it was, and ends with the same
    bytes; one with other taxa encodes only the names that are new.

    Args:
        progress: Called with names encoded and names to encode.
        say: Called with a line on the names that were at hand, and one on the rate.
        options: What `write_index` takes: `kind` (flat, fp16, int8), `encoder_folder` (copied into the index, so
            that it needs nothing else), `encoder_source`, `preprocess`, and `about` for the card.

    Raises:
        IndexFolderError: `out` exists, or the kind is unknown.
    """
    if out.exists():
        raise IndexFolderError(_EXISTS.format(out))
    recipe = recipe or TextRecipe()
    vectors = TextVectors(encoder, recipe).of(taxonomy.leaves, progress=progress, say=say)  # (n, dim)
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
        try:
            vectors = np.load(vectors, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise IndexFolderError(f"{vectors}: is no .npy file of numbers ({error}).") from error
    if vectors.shape != (taxonomy.report.rows, encoder.dim):
        raise IndexFolderError(
            f"Expected {taxonomy.report.rows} vectors of {encoder.dim} numbers, one per row of the table; got an array of shape {vectors.shape}."
        )
    return write_index(out, taxonomy, vectors, encoder, recipe or TextRecipe(), order=taxonomy.row_of_leaf, **options)


def write_index(
    out: Path,
    taxonomy: Taxonomy,
    vectors: np.ndarray | StoredVectors,
    encoder: Encoder,
    recipe: TextRecipe,
    *,
    order: np.ndarray | None = None,
    kind: str = "flat",
    preprocess: str = "open_clip",
    encoder_source: str | None = None,
    encoder_folder: Path | None = None,
    about: dict[str, Any] | None = None,
) -> Index:
    """Writes an index folder from vectors at hand; leaf i has row `order[i]`, or row i without an order.

    They are made unit rows; a zero row stays zero, is flagged, and will never be an answer.

    Raises:
        IndexFolderError: `out` exists, or a vector holds NaN.
    """
    order = np.arange(len(taxonomy)) if order is None else order
    with _new_folder(out) as folder:
        zero = _write_unit_vectors(folder / VECTORS_FILE, vectors, order, kind)
        _write_taxa(folder / TAXA_FILE, taxonomy, zero)
        write_names(folder / NAMES_FILE, taxonomy)
        if encoder_folder:
            shutil.copytree(encoder_folder, folder / ENCODER_FOLDER)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        card = Card(
            name=out.name,
            encoder=EncoderNote(
                source=ENCODER_FOLDER if encoder_folder else encoder_source or encoder.name,
                fingerprint=encoder.fingerprint,
                preprocess=preprocess,
                dim=encoder.dim,
                logit_scale=encoder.logit_scale,
            ),
            recipe=asdict(recipe),
            taxonomy=TaxonomyNote(taxonomy.content_hash, taxonomy.ranks, len(taxonomy)),
            vectors=VectorsNote(kind, len(taxonomy), encoder.dim),
            about=about or {},
            files={path.relative_to(folder).as_posix(): note_file(path) for path in files},
        )
        card.write(folder)
    return Index(out)


def change_card(folder: Path, **changes: Any) -> None:
    """Rewrites the card with some of its parts changed; the vectors and taxa stay as they are."""
    card = replace(Card.read(folder), **changes)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        card.write(Path(scratch))
        os.replace(Path(scratch, CARD_FILE), folder / CARD_FILE)


def check_index(folder: Path) -> list[str]:
    """Everything that is wrong with an index, each in one line; empty where it is sound.

    Hashes every file again, and compares taxa, vectors and names with each other and with the card.
    """
    try:
        index = Index(folder, verify=False)
        verify_files(folder, index.card, thorough=True)
        vectors = index.vectors
    except IndexFolderError as error:
        return [str(error)]
    taxonomy = Taxonomy.from_table(parquet.read_table(index.taxa_path), index.card.taxonomy.ranks)
    found = []
    if taxonomy.report.duplicate_rows or taxonomy.report.empty_rows or taxonomy.report.rows != index.card.taxonomy.leaves:
        found.append(f"{TAXA_FILE}: {taxonomy.report.lines()[0]}, the card says {index.card.taxonomy.leaves:,}")
    if taxonomy.content_hash != index.card.taxonomy.content_hash:
        found.append(f"{TAXA_FILE}: its lineages are not those the card was written for")
    norms = np.concatenate([np.linalg.norm(vectors.rows(first, min(first + BLOCK_TAXA, len(vectors))), axis=1) for first in range(0, len(vectors), BLOCK_TAXA)])
    flagged = np.asarray(taxonomy.leaves["zero_vector"].combine_chunks())
    odd = np.flatnonzero(~np.isclose(norms, 1, atol=0.05) & ~flagged)
    if len(odd):
        found.append(f"{VECTORS_FILE}: {len(odd):,} vectors are not of length one (first: row {odd[0] + 1})")
    if flagged.any():
        found.append(f"{TAXA_FILE}: {flagged.sum():,} taxa have a zero vector and can never be an answer")
    return found


def _write_unit_vectors(path: Path, vectors: np.ndarray | StoredVectors, order: np.ndarray, kind: str) -> np.ndarray:
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


def _write_taxa(path: Path, taxonomy: Taxonomy, zero: np.ndarray) -> None:
    leaves = taxonomy.leaves
    if "zero_vector" in leaves.column_names:
        leaves = leaves.drop_columns("zero_vector")
    parquet.write_table(leaves.append_column("zero_vector", pa.array(zero)), path, compression="zstd")


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A scratch folder beside `out` that takes its name when all went well and vanishes otherwise."""
    if out.exists():
        raise IndexFolderError(_EXISTS.format(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        os.replace(scratch, out)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
