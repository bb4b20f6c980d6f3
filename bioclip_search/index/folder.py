"""Finds index folders by name or path, and opens one after its bytes were verified against its card.

What the rows stand for is left to `searcher`, making a folder to `build`.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from bioclip_search import places
from bioclip_search.errors import IndexDamagedError, IndexFolderError
from bioclip_search.index.card import CARD_FILE, Card, SpeedNote, is_inside, note_file
from bioclip_search.index.search import Near, search, search_all
from bioclip_search.index.sketch import SKETCH_FILES, Sketch
from bioclip_search.index.vectors import Vectors
from bioclip_search.intervals import LeafSet

log = logging.getLogger(__name__)

SPEEDS = ("auto", "exact", "balanced", "fast")
"""How a search may go; each falls back to the next exacter one that the index has. `auto` is balanced where there is a sketch."""

TAXA_FILE, VECTORS_FILE, NAMES_FILE, ENCODER_FOLDER = "taxa.parquet", "vectors.faiss", "names.sqlite", "encoder"

ALWAYS_HASHED_BYTES = 1 << 26
"""Files up to this size (64 MiB) are hashed at every opening; a larger one again only after it was touched."""


class Index:
    """An index folder whose files are what its card says. Opening is lazy: vectors are mapped, not read."""

    def __init__(self, folder: Path, *, verify: bool = True):
        """Opens a folder.

        Raises:
            IndexFolderError: It is no index folder.
            IndexDamagedError: A file is missing or was changed.
            IndexMismatchError: It is of another format version.
        """
        self.folder = folder
        self.card = Card.read(folder)
        self._sketches: dict[str, Sketch] = {}
        if verify:
            self.card = _verified(folder, self.card)

    @cached_property
    def vectors(self) -> Vectors:
        vectors = Vectors(self.folder / VECTORS_FILE)
        expected = (self.card.vectors.count, self.card.vectors.dim)
        if (vectors.count, vectors.dim) != expected or vectors.count != self.card.taxonomy.leaves:
            raise IndexDamagedError(f"{self.folder}: holds {vectors.count} vectors of {vectors.dim} numbers, its card says {expected}. Rebuild it.")
        return vectors

    def near(self, queries: np.ndarray, sharpness: float, *, among: LeafSet | None = None, silent: np.ndarray | None = None, speed: str = "auto") -> list[Near]:
        """The rows that matter to each query with their cosines, those that were added included; see `search`.

        Args:
            queries: (b, d) float32, unit rows.
            sharpness: What the cosines are multiplied by before the softmax.
            among: The rows that take part, as a set over all rows.
            silent: The numbers of rows that never do, ascending.
            speed: One of `SPEEDS`.
        """
        count, note = len(self.vectors), self._note_of(speed)
        in_base = among if among is None or self.added is None else LeafSet.from_mask(among.mask[:count])
        silent = np.empty(0, np.int64) if silent is None else silent
        if note is None:
            found = search_all(self.vectors, queries, sharpness, in_base, silent[silent < count])
        else:
            found, _ = search(self.vectors, self._sketch(note.sketch), note, queries, sharpness, in_base, silent[silent < count])
        if self.added is None:
            return found
        rows = np.arange(count, self.card.count) if among is None else count + np.flatnonzero(among.mask[count:])
        return self._with_added(found, queries, np.setdiff1d(rows, silent, assume_unique=True))

    @cached_property
    def added(self) -> Added | None:
        """What was added after the index was built, None where nothing was."""
        note = self.card.added
        if note is None:
            return None
        added = Added(self.folder / note.folder)
        if (added.vectors.count, added.vectors.dim) != (note.count, self.vectors.dim):
            raise IndexDamagedError(f"{added.folder}: holds {added.vectors.count} vectors, the card says {note.count}. Get the index again or rebuild it.")
        return added

    @property
    def parts(self) -> list[Vectors]:
        """The vectors in the order of the rows: those it was built with, then those that were added."""
        return [self.vectors] if self.added is None else [self.vectors, self.added.vectors]

    def rows_at(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of these rows, those that were added included: (k, d) float32, in their order."""
        found, first = np.empty((len(rows), self.card.vectors.dim), np.float32), 0
        for part in self.parts:
            here = (rows >= first) & (rows < first + len(part))
            if here.any():
                found[here] = part.rows_at(rows[here] - first)
            first += len(part)
        return found

    def _with_added(self, found: list[Near], queries: np.ndarray, rows: np.ndarray) -> list[Near]:
        """What was found, and these added rows whatever their scores: they are few."""
        scores = self.added.vectors.scores(queries)[:, rows - len(self.vectors)]  # (b, m)
        return [Near(np.concatenate([near.rows, rows]), np.concatenate([near.scores, new])) for near, new in zip(found, scores, strict=True)]

    def _note_of(self, speed: str) -> SpeedNote | None:
        if speed not in SPEEDS:
            raise IndexFolderError(f"Unknown speed {speed!r}; choose one of {', '.join(SPEEDS)}.")
        speeds = self.card.speeds
        return {"exact": None, "fast": speeds.get("fast", speeds.get("balanced"))}.get(speed, speeds.get("balanced"))

    def _sketch(self, name: str) -> Sketch:
        if name not in self._sketches:
            self._sketches[name] = Sketch(self.folder / name, len(self.vectors), self.vectors.dim)
        return self._sketches[name]

    @property
    def taxa_path(self) -> Path:
        return self.folder / TAXA_FILE

    @property
    def names_path(self) -> Path:
        return self.folder / NAMES_FILE

    @property
    def encoder_source(self) -> str:
        """What to give to `load_model`: the card's word, or the folder of the encoder that travels with the index."""
        source = self.card.encoder.source
        return str(self.folder / ENCODER_FOLDER) if source == ENCODER_FOLDER else source


class Added:
    """A small folder within that of an index: vectors, taxa and names of what was added."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.taxa_path, self.names_path = folder / TAXA_FILE, folder / NAMES_FILE

    @cached_property
    def vectors(self) -> Vectors:
        return Vectors(self.folder / VECTORS_FILE)


def find_index(name: str | Path) -> Path:
    """The folder of an index: a path, or the name of one that is shipped or in the user's own index folder.

    Raises:
        IndexFolderError: There is none; the message lists those there are.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    for known in list_indexes():
        if known.name == str(name):
            return known
    known = ", ".join(folder.name for folder in list_indexes()) or "none"
    raise IndexFolderError(f"No index {str(name)!r}: it is no folder, and no name of those installed ({known}). Build one with `bioclip-search index build`.")


def stop_if_shipped(index: Index, instead: str) -> None:
    """Lets nobody change an index that came with the program.

    Raises:
        IndexFolderError: It is one; says what to do `instead`.
    """
    shipped = places.shipped("index")
    if shipped is not None and index.folder.resolve().is_relative_to(shipped.resolve()):
        raise IndexFolderError(f"{index.card.name} is shipped with the program and stays as it is. {instead}")


def list_indexes() -> Iterator[Path]:
    """The user's own index folders, then the shipped ones, each in order of name."""
    for home in (places.user_indexes(), places.shipped("index")):
        if home is not None and home.is_dir():
            yield from sorted(folder for folder in home.iterdir() if (folder / CARD_FILE).is_file())


def verify_files(folder: Path, card: Card, *, thorough: bool = False) -> None:
    """Compares every file with the card: its size always, its SHA-256 unless it is large and known to be untouched.

    Args:
        thorough: Hash the large ones too, whatever is known of them.

    Raises:
        IndexDamagedError: A file is missing, was changed, or lies outside the folder.
    """
    missing = files_needed(card) - set(card.files)
    if missing:
        raise IndexDamagedError(f"{folder}: its card says nothing of {', '.join(sorted(missing))}. Rebuild the index.")
    for name, note in card.files.items():
        path = folder / name
        stop_if_outside(folder, name)
        if not path.is_file():
            raise IndexDamagedError(f"{path}: is missing. Get the index again or rebuild it.")
        if path.stat().st_size == note.size_bytes and not thorough and _known_untouched(path, note.sha256):
            continue
        if path.stat().st_size != note.size_bytes or note_file(path) != note:
            raise IndexDamagedError(f"{path}: was changed after the index was made. Get the index again or rebuild it.")
        _remember(path, note.sha256)


def _verified(folder: Path, card: Card) -> Card:
    """The card, once its files were found to be those that it names.

    Subtle: where `index add` has meanwhile put another card in its place, and deleted what that does not name, the new one counts.
    """
    try:
        verify_files(folder, card)
    except (IndexDamagedError, FileNotFoundError):
        newer = Card.read(folder)
        if newer == card:
            raise
        return _verified(folder, newer)
    return card


def files_needed(card: Card) -> set[str]:
    """The files that an index of this card must have, and the card vouch for."""
    parts = ["", *([f"{card.added.folder}/"] if card.added else [])]
    needed = {part + name for part in parts for name in (TAXA_FILE, VECTORS_FILE, NAMES_FILE)}
    alone = {card.calibration.evidence if card.calibration else None, card.head.file if card.head else None} - {None}
    return needed | alone | {f"{note.sketch}/{name}" for note in card.speeds.values() for name in SKETCH_FILES}


def stop_if_outside(folder: Path, name: str) -> None:
    """Lets no card lead out of its folder.

    Raises:
        IndexDamagedError: The file lies elsewhere, by its name or by a link.
    """
    if not is_inside(name) or not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise IndexDamagedError(f"{folder}: its card names a file outside the folder ({name}). Do not use this index.")


def _known_untouched(path: Path, sha: str) -> bool:
    """Whether a large file was verified before and has kept its size, time and place since."""
    stamp = _stamp(path)
    try:
        return path.stat().st_size > ALWAYS_HASHED_BYTES and json.loads(stamp.read_text()) == _state(path, sha)
    except (OSError, ValueError):
        return False


def _remember(path: Path, sha: str) -> None:
    if path.stat().st_size <= ALWAYS_HASHED_BYTES:
        return
    stamp = _stamp(path)
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(json.dumps(_state(path, sha)))
    except OSError as error:
        log.info("cannot keep a note that %s was verified: %s", path, error)


def _state(path: Path, sha: str) -> dict:
    stat = os.stat(path)
    return {"path": str(path.resolve()), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino, "sha256": sha}


def _stamp(path: Path) -> Path:
    return places.user_cache() / "verified" / (sha256(str(path.resolve()).encode()).hexdigest()[:24] + ".json")
