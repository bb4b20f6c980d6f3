"""The vectors of names, kept on disk: what an encoder has once made of a text is never made again.

Knows an encoder, a recipe and a folder of shards; what the vectors are for is left to `build` and `candidates`.

Names that have no vector yet are encoded in blocks, in their order, and each block becomes one shard, whole or not at
all. So a build that is killed loses one block; and since the names that are still to be encoded begin just where the
lost block began, it goes on with the very batches that it would have gone on with, and ends with the same bytes. That
matters: an encoder may round a name differently in a batch of one than among 255 others (the starter does, by 0.001).
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from shutil import rmtree

import numpy as np
import pyarrow as pa

from bioclip_search import places
from bioclip_search.encoder import Encoder, encode_recipe
from bioclip_search.errors import IndexFolderError
from bioclip_search.prompts import RANKS, TextRecipe

log = logging.getLogger(__name__)

CACHE_FOLDER = "text-vectors"

SHARD_SENTENCES = 1024
"""Sentences in a block: four batches of the text tower, a minute for a large model on a CPU; a kill loses no more."""

KEY_BYTES = 16
"""Length of the hash that a text goes by; among a billion texts two share one with a chance of one in 10^20."""

LOOKED_UP_TAXA = 4096
"""Taxa whose sentences are made at a time."""

ABANDONED_S = 86_400
"""An unfinished shard of this age (a day) belongs to no running build."""

Block = Sequence[Sequence[str]]
"""The sentences of each name of a block."""

Encode = Callable[[Iterable[Block]], Iterator[np.ndarray]]
"""Blocks in, the vectors of each out, (b, dim) float32, in order."""


class StoredVectors:
    """The vectors of n taxa, on disk until they are asked for: `vectors[rows]` gives (b, dim) float32, unit rows or zero."""

    def __init__(self, store: TextVectors, rows: np.ndarray):
        self._store, self._rows = store, rows  # (n,) int64, numbered through all shards
        self.shape = (len(rows), store.encoder.dim)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        return self._store.gather(self._rows[which])


class TextVectors:
    """All vectors that an encoder has made by a recipe. Several builds may use one folder at a time."""

    def __init__(self, encoder: Encoder, recipe: TextRecipe, home: Path | None = None, encode: Encode | None = None):
        """Opens the store.

        Subtle: what others add after this is not seen, so that a build's batches do not hang on what else runs.

        Args:
            home: Where stores are kept; the user's cache unless given. If it cannot be written, one that goes when this goes.
            encode: Encodes blocks elsewhere: the vectors of each, in order; here unless given.
        """
        self.encoder, self.recipe = encoder, recipe
        self._encode_blocks = encode or (lambda blocks: (encode_recipe(encoder, block) for block in blocks))
        self._folder = _writable(home or places.user_cache() / CACHE_FOLDER, _plain(f"{encoder.fingerprint}-{recipe.fingerprint}"), self)
        self._open()

    def of(self, taxa: pa.Table, *, progress: Callable[[int, int], None] | None = None, say: Callable[[str], None] | None = None) -> StoredVectors:
        """The vectors of taxa, one row each, in their order; those that are not in the store are encoded first.

        Args:
            progress: Called with names encoded and names to encode.
            say: Called with a line on how many names were at hand, and one on the rate.

        Raises:
            IndexFolderError: The store cannot be written.
        """
        taxa = taxa.select([*[rank for rank in RANKS if rank in taxa.column_names], "common_name"])
        rows, new = self._look_up(taxa)
        if torn := [number for number in self._shards_of(rows) if not self._is_whole(number)]:
            self._forget(torn)
            rows, new = self._look_up(taxa)
        say = say or log.info
        say(f"{len(taxa):,} names, {len(new):,} of them to encode")
        start = time.perf_counter()
        self._encode(taxa, new, progress)
        if new:
            say(f"{len(new):,} names encoded, {len(new) / (time.perf_counter() - start):,.1f} a second")
        return StoredVectors(self, rows)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """The vectors with these numbers, (b, dim) float32. Each shard is mapped and let go, so memory stays flat."""
        found = np.empty((len(rows), self.encoder.dim), np.float32)
        numbers = np.searchsorted(self._starts, rows, side="right") - 1  # (b,)
        for number in np.unique(numbers):
            here = numbers == number
            try:
                vectors = np.load(self._shards[number], mmap_mode="r", allow_pickle=False)["vectors"][0]
            except (OSError, ValueError) as error:
                raise IndexFolderError(f"{self._shards[number]}: went away or changed while it was needed ({error}). Run the command again.") from error
            found[here] = vectors[rows[here] - self._starts[number]]
        return found

    def _open(self) -> None:
        """Lists the shards and the keys in them. Their vectors are neither read nor trusted yet."""
        self._known: dict[bytes, int] = {}
        self._shards: list[Path] = []
        self._starts: list[int] = []
        self._count = 0
        self._whole: set[Path] = set()
        for path in sorted(self._folder.glob("*.npy")):
            try:
                keys = _keys(path, self.encoder.dim)
            except (OSError, ValueError, EOFError) as error:
                _set_aside(path, str(error))
                continue
            self._add(path, keys)

    def _add(self, path: Path, keys: list[bytes]) -> None:
        for row, key in enumerate(keys, start=self._count):
            self._known.setdefault(key, row)
        self._shards.append(path)
        self._starts.append(self._count)
        self._count += len(keys)

    def _look_up(self, taxa: pa.Table) -> tuple[np.ndarray, dict[bytes, int]]:
        """The number of each taxon's vector, (n,) int64, and the keys without one with the first taxon of each.

        Subtle: those without one are given the numbers that they will have once they are encoded.
        """
        rows, new = np.empty(len(taxa), np.int64), {}
        order: dict[bytes, int] = {}
        for taxon, sentences in enumerate(self._sentences(taxa)):
            key = hashlib.blake2b("\0".join(sentences).encode(), digest_size=KEY_BYTES).digest()
            row = self._known.get(key)
            if row is None:
                new.setdefault(key, taxon)
                row = self._count + order.setdefault(key, len(order))
            rows[taxon] = row
        return rows, new

    def _encode(self, taxa: pa.Table, new: dict[bytes, int], progress: Callable[[int, int], None] | None) -> None:
        keys, at_once = list(new), max(1, SHARD_SENTENCES // len(self.recipe.templates))
        blocks = [keys[first : first + at_once] for first in range(0, len(keys), at_once)]
        sentences = (list(self._sentences(taxa.take(pa.array([new[key] for key in block])))) for block in blocks)
        done = 0
        for block, vectors in zip(blocks, self._encode_blocks(sentences), strict=True):  # (b, dim)
            self._add(self._write(block, vectors), block)
            done += len(block)
            if progress:
                progress(done, len(keys))

    def _sentences(self, taxa: pa.Table) -> Iterator[list[str]]:
        for first in range(0, len(taxa), LOOKED_UP_TAXA):
            yield from self.recipe.texts(taxa.slice(first, LOOKED_UP_TAXA).to_pylist())

    def _write(self, keys: list[bytes], vectors: np.ndarray) -> Path:
        """Writes a shard, named after the hash of its bytes: two builds that make the same shard write the same file."""
        record = np.zeros(1, _shard_type(len(keys), vectors.shape[1]))
        record["keys"][0] = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES)
        record["vectors"][0] = vectors
        buffer = io.BytesIO()
        np.save(buffer, record, allow_pickle=False)
        path = self._folder / f"{_digest(buffer.getvalue())}.npy"
        try:
            handle, scratch = tempfile.mkstemp(prefix=".unfinished-", dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(buffer.getvalue())
            os.replace(scratch, path)
        except OSError as error:
            raise IndexFolderError(
                f"{self._folder}: cannot keep the vectors of names ({error.strerror}). Make room there; what is encoded is not lost."
            ) from error
        self._whole.add(path)
        return path

    def _shards_of(self, rows: np.ndarray) -> list[int]:
        """The numbers of the shards that hold these rows; none for rows that are still to be encoded."""
        return np.unique(np.searchsorted(self._starts, rows[rows < self._count], side="right") - 1).tolist()

    def _is_whole(self, number: int) -> bool:
        path = self._shards[number]
        if path not in self._whole and path.is_file() and _digest(path.read_bytes()) == path.stem:
            self._whole.add(path)
        return path in self._whole

    def _forget(self, torn: list[int]) -> None:
        """Subtle: the numbers of all other rows stay, for vectors that were given out go by them."""
        stops = [*self._starts[1:], self._count]
        gone = {row for number in torn for row in range(self._starts[number], stops[number])}
        self._known = {key: row for key, row in self._known.items() if row not in gone}
        for number in torn:
            _set_aside(self._shards[number], "its bytes have changed")


def _shard_type(count: int, dim: int) -> np.dtype:
    """One record: the keys of all texts, then all vectors, so that the keys can be read alone."""
    return np.dtype([("keys", "u1", (count, KEY_BYTES)), ("vectors", "<f4", (count, dim))])


def _keys(path: Path, dim: int) -> list[bytes]:
    """The keys of a shard.

    Raises:
        ValueError: It is no shard, or one of vectors of another length.
    """
    record = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(record, np.ndarray) or record.shape != (1,) or not record.dtype.names or record.dtype["keys"].ndim != 2:
        raise ValueError("it holds no vectors of names")
    count = record.dtype["keys"].shape[0]
    if record.dtype != _shard_type(count, dim):
        raise ValueError(f"it holds no vectors of {dim} numbers")
    keys = record["keys"][0].tobytes()
    return [keys[first : first + KEY_BYTES] for first in range(0, len(keys), KEY_BYTES)]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _set_aside(path: Path, reason: str) -> None:
    log.warning("%s: is set aside, and its names are encoded again (%s)", path, reason)
    try:
        os.replace(path, path.with_suffix(".damaged"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise IndexFolderError(f"{path}: is damaged and cannot be put aside ({error.strerror}). Delete it.") from error


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9+_-]", "_", name)


def _writable(home: Path, name: str, owner: object) -> Path:
    """The folder of this name, made if need be; where that is not allowed, one that is deleted together with its owner."""
    folder = home / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob(".unfinished-*"):
            if time.time() - unfinished.stat().st_mtime > ABANDONED_S:
                unfinished.unlink(missing_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        log.warning("%s cannot be written (%s): a build that is stopped will begin anew", folder, error.strerror)
        folder = Path(tempfile.mkdtemp(prefix="bioclip-search-"))
        weakref.finalize(owner, rmtree, folder, ignore_errors=True)
    return folder
