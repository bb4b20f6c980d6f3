"""The vectors of pictures on disk: those of a whole set, and before it is whole in chunks, so that who is stopped goes on where it was.

Says nothing of where vectors come from, nor by what name they are kept; both are left to `picture_vectors`.

    picture-vectors/DIGEST.npz          all pictures of a question: rows, vectors, failures
    picture-vectors/DIGEST/000000.npz   the first chunk of one that is under way, and so on; the folder goes when the file is there
"""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from bioclip_search.results import Failure
from bioclip_search.swapping import whole_file

log = logging.getLogger(__name__)

CHUNK_PICTURES = 256
"""Pictures between two writings to disk; who is killed loses no more. 80 s of work where an encoder sees three pictures a second."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some pictures of a set: the rows that they stand in, (b,), their vectors (b, dim), and what could not be read."""

    rows: np.ndarray
    vectors: np.ndarray
    failures: tuple[Failure, ...]

    @property
    def looked_at(self) -> int:
        """How many pictures these are, whether they could be read or not."""
        return len(self.rows) + len(self.failures)


def joined(batches: Sequence[Batch], dim: int) -> Batch:
    """All of them as one, in order."""
    batches = [Batch(np.empty(0, np.int64), np.empty((0, dim), np.float32), ()), *batches]
    rows, vectors = np.concatenate([batch.rows for batch in batches]), np.concatenate([batch.vectors for batch in batches])
    return Batch(rows, vectors, tuple(chain.from_iterable(batch.failures for batch in batches)))


def read_whole(path: Path, dim: int, pictures: int) -> Batch | None:
    """What was kept of a set of so many pictures, None where there is nothing sound."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:  # opened here, for numpy leaves a damaged one open
            rows, vectors = kept["rows"], kept["vectors"]
            failures = tuple(Failure(*pair) for pair in json.loads(str(kept["failures"])))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        log.warning("%s is damaged (%s); the pictures are looked at again.", path, error)
        return None
    is_sound = vectors.shape == (len(rows), dim) and np.isfinite(vectors).all() and (not len(rows) or 0 <= rows.min() <= rows.max() < pictures)
    return Batch(rows, vectors, failures) if is_sound else None


def read_chunks(path: Path, dim: int, pictures: int) -> list[Batch]:
    """The chunks of a set that was under way, from the first until one is missing or not sound."""
    chunks: list[Batch] = []
    while (chunk := read_whole(_chunk(path, len(chunks)), dim, pictures)) is not None:
        chunks.append(chunk)
    return chunks


def keep_chunks(path: Path, batches: Iterable[Batch], dim: int, kept: int) -> Iterator[Batch]:
    """Passes batches on and writes them in chunks, of which `kept` are there already; the last may be smaller.

    Where a chunk cannot be written the later ones are not either, and only that is lost.
    """
    under_way: list[Batch] = []
    for batch in batches:
        under_way.append(batch)
        if kept >= 0 and sum(one.looked_at for one in under_way) >= CHUNK_PICTURES:
            kept = kept + 1 if write(_chunk(path, kept), joined(under_way, dim)) else -1
            under_way = []
        yield batch


def keep_whole(path: Path, found: Batch) -> None:
    """Writes a set that is whole; its chunks go."""
    if write(path, found):
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)


def write(path: Path, found: Batch) -> bool:
    """Whole or not at all; a cache that cannot be written is done without. Whether it was written."""
    buffer = io.BytesIO()
    failures = json.dumps([[failure.image, failure.error] for failure in found.failures])
    np.savez(buffer, rows=found.rows, vectors=found.vectors, failures=np.array(failures))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_bytes(buffer.getvalue())
    except OSError as error:
        log.warning("The vectors of the pictures are not kept: %s cannot be written (%s).", path, error)
        return False
    return True


def _chunk(path: Path, number: int) -> Path:
    return path.with_suffix("") / f"{number:06}.npz"
