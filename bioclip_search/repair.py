"""Makes again what can be made again of an index: its list of names, broken vectors, flags, and its card.

What is wrong is found by `check`; the lineages, and an encoder inside the index, come from outside and cannot be mended.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.addition import drop_unnamed, files_built, write_added
from bioclip_search.build import seal, write_taxa, write_unit_vectors
from bioclip_search.check import read_taxonomy
from bioclip_search.check.names import check_names
from bioclip_search.check.vectors import UNIT_TOLERANCE, ZERO_LENGTH, flags_of, lengths_of
from bioclip_search.encoder import Encoder, same_space
from bioclip_search.errors import BioclipSearchError, IndexDamagedError, IndexFolderError, IndexMismatchError
from bioclip_search.index import Card, Index, Vectors
from bioclip_search.index.card import SKETCH_PREFIX, FileNote, change_card, note_file
from bioclip_search.index.copying import copy_rows
from bioclip_search.index.folder import NAMES_FILE, TAXA_FILE, VECTORS_FILE, files_needed, stop_if_outside
from bioclip_search.index.replacing import new_contents
from bioclip_search.names import write_names
from bioclip_search.names.reading import Store
from bioclip_search.prompts import TextRecipe
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.text_vectors import TextVectors
from bioclip_search.trim import all_entries


def repair_index(folder: Path, *, encoder: Encoder | None = None, device: str = "auto") -> list[str]:
    """Mends an index as far as it can be, and says in lines what was mended and what was not.

    The mended index is written beside the old one and takes its place when it is whole. Nothing is written where there
    is nothing to mend.

    Args:
        encoder: The encoder of the index at hand; else the one that the card names is loaded, if it is needed.

    Raises:
        IndexDamagedError: The card or the lineages are lost, so that nothing can be made again.
    """
    card = Card.read(folder)
    changed = _changed_files(folder, card)
    taxonomy = read_taxonomy(folder, card)
    if taxonomy.content_hash != card.taxonomy.content_hash:
        raise IndexDamagedError(
            f"{folder / TAXA_FILE}: its lineages are not those that the card was written for, and cannot be made again. Build the index again."
        )
    mended = _mend_added(folder, card, taxonomy, changed) + _leave_out_calibration(folder, changed)
    if mended:
        card = Card.read(folder)
        changed &= set(card.files)
    vectors = _vectors_again(folder, card, taxonomy, encoder, device, lost=VECTORS_FILE in changed)
    lost = sorted(name for name in changed if not _is_mended(name))
    told = [*mended, *vectors.told, *(f"{name}: was changed and cannot be made again; copy it from where it came" for name in lost)]
    names_are_good = NAMES_FILE not in changed and _names_are_good(folder, taxonomy)
    others_are_good = not changed - {NAMES_FILE, *lost} and np.array_equal(vectors.zero, flags_of(taxonomy.leaves))
    if names_are_good and others_are_good and not vectors.encoded:
        return told if mended else [*told, "nothing was mended"]
    with new_contents(folder) as fresh:
        for name in card.files:
            if (folder / name).is_file() and (not _is_mended(name) or (name == NAMES_FILE and names_are_good)):
                _link(folder / name, fresh / name)
        vectors.write(fresh / VECTORS_FILE)
        write_taxa(fresh / TAXA_FILE, taxonomy, vectors.zero)
        if not names_are_good:
            told.append(_write_names(folder / NAMES_FILE, fresh / NAMES_FILE, taxonomy))
        counted = replace(card, vectors=replace(card.vectors, count=len(taxonomy)), taxonomy=replace(card.taxonomy, leaves=len(taxonomy)))
        seal(fresh, counted, sketch=bool(card.speeds))
        _disown(fresh, {name: card.files[name] for name in lost})
        del vectors  # Subtle: Windows renames no folder of which a file is still mapped.
    return told


def _changed_files(folder: Path, card: Card) -> set[str]:
    """The files that are missing or are not those of the card."""
    for name in sorted({*files_needed(card), *card.files}):
        stop_if_outside(folder, name)
    return {name for name, note in card.files.items() if not (folder / name).is_file() or note_file(folder / name) != note}


def _mend_added(folder: Path, card: Card, base: Taxonomy, changed: set[str]) -> list[str]:
    """Writes the names of what was added again, or leaves all of it out where its taxa or vectors are lost; a line on either."""
    if card.added is None:
        return []
    home = folder / card.added.folder
    lost = {name for name in (TAXA_FILE, VECTORS_FILE, NAMES_FILE) if f"{home.name}/{name}" in changed}
    if not lost:
        return []
    if lost == {NAMES_FILE}:
        table = parquet.read_table(home / TAXA_FILE).drop_columns("zero_vector")
        write_added(folder, card, base, table, Vectors(home / VECTORS_FILE).rows(0, card.added.count).copy())
        return [f"{home.name}/{NAMES_FILE}: was made again from the taxa"]
    change_card(folder, files=files_built(card), added=None)
    drop_unnamed(folder, None)
    return [f"{home.name}: is damaged, so the {card.added.count:,} taxa that were added are left out. Add them again with `bioclip-search index add`."]


def _leave_out_calibration(folder: Path, changed: set[str]) -> list[str]:
    """Takes the evidence of a calibration off the card where it is lost, for it cannot be made again; its temperature stays."""
    card = Card.read(folder)
    evidence = card.calibration.evidence if card.calibration else None
    if evidence not in changed:
        return []
    files = {name: note for name, note in card.files.items() if name != evidence}
    change_card(folder, calibration=replace(card.calibration, evidence=None), files=files)
    (folder / evidence).unlink(missing_ok=True)
    return [f"{evidence}: is damaged, so no accuracy can be promised any more. Calibrate the index again with `bioclip-search calibrate`."]


def _is_mended(name: str) -> bool:
    """Whether a file can be made again; a sketch is, with the card."""
    return name in {TAXA_FILE, VECTORS_FILE, NAMES_FILE} or name.startswith(SKETCH_PREFIX)


def _names_are_good(folder: Path, taxonomy: Taxonomy) -> bool:
    try:
        return not any(check_names(Index(folder, verify=False), taxonomy))
    except IndexFolderError:
        return False


@dataclass(frozen=True, eq=False)
class _VectorsAgain:
    """What the vectors will be: how to write them, which are zero, how many were encoded again, and what to tell."""

    write: Callable[[Path], None]
    zero: np.ndarray  # (n,) bool
    encoded: int
    told: list[str]


def _vectors_again(folder: Path, card: Card, taxonomy: Taxonomy, encoder: Encoder | None, device: str, *, lost: bool) -> _VectorsAgain:
    """Encodes again what is broken or zero, or everything where the file is lost.

    Raises:
        IndexDamagedError: Everything is lost and the encoder is not at hand.
    """
    vectors = None if lost else _readable(folder, taxonomy)
    lengths = np.zeros(len(taxonomy)) if vectors is None else lengths_of(vectors)
    rows = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))  # NaN too
    told, encoded = [], None
    if len(rows):
        try:
            encoded = _encode(folder, card, taxonomy.leaves.take(pa.array(rows)), encoder, device)
            told.append(f"{VECTORS_FILE}: {len(rows):,} vectors were made again from their texts")
        except BioclipSearchError as error:
            if vectors is None:
                raise IndexDamagedError(f"{folder / VECTORS_FILE}: is lost, and cannot be made again without the encoder. {error}") from error
            told.append(f"{VECTORS_FILE}: {len(rows):,} vectors were not mended, for that needs the encoder. {error}")
    zero = lengths < ZERO_LENGTH
    if encoded is not None:
        zero[rows] = ~encoded.any(axis=1)
    if vectors is None:
        return _VectorsAgain(lambda path: _write_all(path, encoded, card), zero, len(rows), told)
    instead = {} if encoded is None else dict(zip(rows.tolist(), encoded, strict=True))
    changes = sum(bool(vector.any()) or not lengths[row] < ZERO_LENGTH for row, vector in instead.items())
    return _VectorsAgain(lambda path: _write_some(path, vectors, instead, card), zero, changes, told)


def _readable(folder: Path, taxonomy: Taxonomy) -> Vectors | None:
    try:
        vectors = Index(folder, verify=False).vectors
    except IndexFolderError:
        return None
    return vectors if len(vectors) == len(taxonomy) else None


def _encode(folder: Path, card: Card, taxa: pa.Table, encoder: Encoder | None, device: str) -> np.ndarray:
    if encoder is None:
        from bioclip_search.encoder.opening import open_encoder

        encoder = open_encoder(Index(folder, verify=False).encoder_source, device=device, preprocess=card.encoder.preprocess)
    if not same_space(encoder.fingerprint, card.encoder.fingerprint):
        raise IndexMismatchError(f"The index was made with the encoder {card.encoder.fingerprint}, and {encoder.name} is {encoder.fingerprint}.")
    return TextVectors(encoder, TextRecipe.from_card(card.recipe)).of(taxa)[:]


def _write_all(path: Path, encoded: np.ndarray, card: Card) -> None:
    write_unit_vectors(path, encoded, np.arange(len(encoded)), card.vectors.kind)


def _write_some(path: Path, vectors: Vectors, instead: dict[int, np.ndarray], card: Card) -> None:
    """Copies all rows but those.

    Subtle: int8 cuts off what lies outside the range that it was trained on; then it is trained again on what is there.
    """
    copy_rows(path, [vectors], np.arange(len(vectors)), instead)
    written = Vectors(path)
    lengths = [np.linalg.norm(written.rows(row, row + 1)) for row, vector in instead.items() if vector.any()]
    if not np.allclose(lengths, 1, atol=UNIT_TOLERANCE):
        whole = vectors.rows(0, len(vectors)).copy()
        whole[list(instead)] = list(instead.values())
        _write_all(path, whole, card)


def _write_names(old: Path, new: Path, taxonomy: Taxonomy) -> str:
    """Writes the list of names, with what can still be read of the names that do not stand in the taxa themselves."""
    try:
        with closing(Store(old)) as store:
            further = pa.concat_tables(all_entries(store, len(taxonomy)))
    except (IndexDamagedError, pa.ArrowInvalid):
        write_names(new, taxonomy)
        return f"{NAMES_FILE}: was made again from the taxa; synonyms and names in other languages, if it held any, are lost"
    write_names(new, taxonomy, further)
    return f"{NAMES_FILE}: was made again from the taxa, and from what could be read of the old one"


def _link(old: Path, new: Path) -> None:
    """The same file in another folder; no room is taken where the system has hard links."""
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)


def _disown(folder: Path, notes: dict[str, FileNote]) -> None:
    """Lets the card go on saying what these files should be, so that they are still found to be changed."""
    card = Card.read(folder)
    replace(card, files={**card.files, **notes}).write(folder)
