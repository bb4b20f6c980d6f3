"""Everything that is wrong or odd about an index, each as a finding with what to do about it.

    files ─ taxa ─ names ─ vectors          (this order: what cannot be read is not looked into)

Mending is left to `repair`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyarrow import parquet

from bioclip_search.check.finding import FAULT, NOTE, Finding, found_one
from bioclip_search.check.names import check_names
from bioclip_search.check.taxa import check_keys, check_lineages, check_order, check_words, text_codes
from bioclip_search.check.vectors import check_vectors
from bioclip_search.errors import BioclipSearchError, IndexFolderError
from bioclip_search.index import Card, Index
from bioclip_search.index.card import FileNote, is_inside, note_file
from bioclip_search.index.folder import NAMES_FILE, TAXA_FILE, VECTORS_FILE
from bioclip_search.prompts import TextRecipe
from bioclip_search.taxonomy import Taxonomy

__all__ = ["FAULT", "NOTE", "Finding", "check_index", "read_taxonomy"]

GET_AGAIN = "Get the index again, or see what `bioclip-search index check --repair` can mend."


def check_index(folder: Path) -> list[Finding]:
    """Everything that is wrong or odd about an index, faults and notes; empty where there is nothing to say.

    Hashes every file again, and compares taxa, vectors and names with each other and with the card.
    """
    try:
        card = Card.read(folder)
    except IndexFolderError as error:
        return [found_one("card", str(error), "Build the index again.")]
    return [*_check_files(folder, card), *_check_contents(folder, card)]


def read_taxonomy(folder: Path, card: Card) -> Taxonomy:
    """The leaves of an index as a tree, whether or not its files are those of the card.

    Raises:
        IndexFolderError: They cannot be read.
    """
    try:
        return Taxonomy(parquet.read_table(folder / TAXA_FILE), card.taxonomy.ranks)
    except (OSError, ValueError, KeyError) as error:
        raise IndexFolderError(f"{TAXA_FILE} cannot be read ({str(error).splitlines()[0]})") from error


def _check_files(folder: Path, card: Card) -> Iterator[Finding]:
    for name in sorted({TAXA_FILE, VECTORS_FILE, NAMES_FILE} - set(card.files)):
        yield found_one("file", f"the card says nothing of {name}", "Build the index again.")
    for name, note in card.files.items():
        if fault := _fault_of(folder, name, note):
            yield found_one("file", f"{name} {fault}", GET_AGAIN)


def _fault_of(folder: Path, name: str, note: FileNote) -> str:
    path = folder / name
    if not is_inside(name) or not path.resolve().is_relative_to(folder.resolve()):
        return "lies outside the folder: do not use this index"
    if not path.is_file():
        return "is missing"
    return "" if note_file(path) == note else "was changed after the index was made"


def _check_contents(folder: Path, card: Card) -> Iterator[Finding]:
    try:
        taxonomy = read_taxonomy(folder, card)
        yield from check_order(taxonomy, card)
        yield from check_lineages(taxonomy)
        texts = text_codes(taxonomy, TextRecipe(card.recipe["text_type"], tuple(card.recipe["templates"])))
        yield from check_words(taxonomy, texts)
        yield from check_keys(taxonomy)
        if (folder / NAMES_FILE).is_file():
            yield from check_names(folder / NAMES_FILE, taxonomy)
        vectors = Index(folder, verify=False).vectors
        if len(vectors) == len(taxonomy):
            yield from check_vectors(vectors, taxonomy, texts, card.encoder.logit_scale)
    except (BioclipSearchError, KeyError) as error:
        yield found_one("contents", f"cannot be looked through any further ({error})", GET_AGAIN)
