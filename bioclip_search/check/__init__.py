"""Everything that is wrong or odd about an index, each as a finding with what to do about it.

    files ─ taxa ─ names ─ vectors          (this order: what cannot be read is not looked into)

Mending is left to `repair`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pyarrow import parquet

from bioclip_search.catalogue import Catalogue
from bioclip_search.check.finding import FAULT, NOTE, Finding, found_one
from bioclip_search.check.names import check_names
from bioclip_search.check.taxa import check_keys, check_lineages, check_order, check_words, text_codes
from bioclip_search.check.vectors import check_likeness, check_vectors, flags_of
from bioclip_search.errors import BioclipSearchError, IndexDamagedError, IndexFolderError
from bioclip_search.heads.storing import taught_of
from bioclip_search.index import Card, Index
from bioclip_search.index.card import note_file
from bioclip_search.index.folder import TAXA_FILE, files_needed, stop_if_outside
from bioclip_search.index.sketch import Sketch
from bioclip_search.prompts import TextRecipe
from bioclip_search.taxonomy import Taxonomy

__all__ = ["FAULT", "NOTE", "Finding", "check_index", "read_taxonomy"]

STEPS = 4
"""Files, taxa, names and vectors, in this order; the last takes longest."""

GET_AGAIN = "Get the index again, or see what `bioclip-search index check --repair` can mend."


def check_index(folder: Path, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """Everything that is wrong or odd about an index, faults and notes; empty where there is nothing to say.

    Hashes every file again, and compares taxa, vectors and names with each other and with the card.

    Args:
        progress: Called with steps done and steps in all (`STEPS`).
    """
    told = progress or (lambda done, total: None)
    try:
        card = Card.read(folder)
        for name in sorted({*files_needed(card), *card.files}):
            stop_if_outside(folder, name)
    except IndexFolderError as error:
        return [found_one("card", str(error).split(". ")[0].rstrip("."), "Get the index again, or build it again.")]
    told(0, STEPS)
    found = list(_check_files(folder, card))
    told(1, STEPS)
    return [*found, *_check_contents(folder, card, lambda done: told(done, STEPS))]


def read_taxonomy(folder: Path, card: Card) -> Taxonomy:
    """The leaves of an index as a tree, whether or not its files are those of the card.

    Raises:
        IndexFolderError: They cannot be read.
    """
    try:
        return Taxonomy(parquet.read_table(folder / TAXA_FILE), card.taxonomy.ranks)
    except (OSError, ValueError, KeyError) as error:
        raise IndexFolderError(
            f"{folder / TAXA_FILE}: cannot be read ({str(error).splitlines()[0]}), and cannot be made again. Build the index again."
        ) from error


def _check_files(folder: Path, card: Card) -> Iterator[Finding]:
    for name in sorted(files_needed(card) - set(card.files)):
        yield found_one("file", f"the card says nothing of {name}", "Build the index again.")
    for name, note in card.files.items():
        if not (folder / name).is_file():
            yield found_one("file", f"{name} is missing", GET_AGAIN)
        elif note_file(folder / name) != note:
            yield found_one("file", f"{name} was changed after the index was made", GET_AGAIN)


def _check_contents(folder: Path, card: Card, done: Callable[[int], None]) -> Iterator[Finding]:
    try:
        taxonomy = read_taxonomy(folder, card)
        yield from check_order(taxonomy, card)
        yield from check_lineages(taxonomy)
        texts = text_codes(taxonomy, TextRecipe.from_card(card.recipe))
        yield from check_words(taxonomy, texts)
        yield from check_keys(taxonomy)
        done(2)
        index = Index(folder, verify=False)
        yield from check_names(index, taxonomy)
        done(3)
        if len(index.vectors) == len(taxonomy):
            yield from check_vectors(index.vectors, taxonomy, flags_of(taxonomy.leaves))
            yield from check_likeness(index.vectors, taxonomy, texts, card.encoder.logit_scale)
        done(STEPS)
        for sketch in sorted({note.sketch for note in card.speeds.values()}):
            yield from _check_sketch(folder / sketch, index)
        if card.head:
            taught_of(index, Catalogue(index).taxonomy)
        if index.added:
            leaves = parquet.read_table(index.added.taxa_path)
            yield from check_vectors(index.added.vectors, Taxonomy(leaves, taxonomy.ranks), flags_of(leaves))
    except (BioclipSearchError, KeyError, OSError, ValueError) as error:
        yield found_one("contents", f"cannot be looked through any further ({str(error).rstrip('.')})", GET_AGAIN)


def _check_sketch(folder: Path, index: Index) -> Iterator[Finding]:
    try:
        Sketch(folder, len(index.vectors), index.vectors.dim)
    except IndexDamagedError as error:
        yield found_one("sketch", str(error).split(". ")[0], "`bioclip-search index check --repair` makes it again.")
