"""Unit vectors in a FAISS index on disk: the nearest few by FAISS, or the scores of all by blocks.

Knows rows and numbers only; which taxon a row stands for is left to those who ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cache, cached_property
from pathlib import Path

import faiss
import numpy as np
from threadpoolctl import ThreadpoolController

from bioclip_search.errors import IndexDamagedError, IndexFolderError
from bioclip_search.intervals import LeafSet
from bioclip_search.stream import work_ahead

KINDS = {"flat": None, "fp16": faiss.ScalarQuantizer.QT_fp16, "int8": faiss.ScalarQuantizer.QT_8bit}
"""How vectors may be kept: fp32 as they are, halved, or quartered (one byte a number, scaled per dimension)."""

BLOCK_ROWS = 1 << 15
"""Rows written at a time."""

SCORED_ROWS = 1 << 11
"""Rows decoded and scored at a time: large enough for BLAS, small enough to stay in the CPU's cache in between."""

DECODED_MAX_BYTES = 1 << 26
"""Vectors that fit into this when decoded (64 MiB) are decoded once and kept."""

BLAS_THRESHOLD = 20
"""Queries from which FAISS's flat search multiplies matrices. FAISS 1.14 raised its own to 128000, 8 times slower."""


TRAINING_ROWS = 200_000
"""Rows from which a quantiser learns the range of each dimension."""


def write_vectors(path: Path, blocks: Iterable[np.ndarray], dim: int, kind: str = "flat", sample: np.ndarray | None = None, count: int = 0) -> None:
    """Writes blocks of (b, dim) float32 unit rows, in their order, as a FAISS inner-product index.

    Args:
        kind: One of `KINDS`.
        sample: Rows drawn from all over the vectors, which `int8` learns its ranges from.
        count: How many rows will come, where that is known: without it the index doubles whenever it is full.

    Raises:
        IndexFolderError: The kind is unknown, or a vector holds NaN or infinity.
    """
    if kind not in KINDS:
        raise IndexFolderError(f"Unknown kind of vectors {kind!r}; choose one of {', '.join(KINDS)}.")
    if kind == "flat":
        index = faiss.IndexFlatIP(dim)
    else:
        index = faiss.IndexScalarQuantizer(dim, KINDS[kind], faiss.METRIC_INNER_PRODUCT)
        index.train(np.ascontiguousarray(sample, np.float32))
    index.codes.resize(count * index.sa_code_size())
    index.codes.resize(0)  # Subtle: the room that was made is kept.
    for block in blocks:
        if not np.isfinite(block).all():
            raise IndexFolderError("A vector holds NaN or infinity; encode its text again before building an index.")
        index.add(np.ascontiguousarray(block, np.float32))
    save(index, path)


def save(index: faiss.Index, path: Path) -> None:
    """Writes an index of FAISS.

    Subtle: a full disk may show only when the file is closed, and FAISS raises nothing then; so it is opened again.

    Raises:
        OSError: It cannot be written.
    """
    try:
        faiss.write_index(index, str(path))
        _read_mapped(path)
    except RuntimeError as error:
        raise OSError(f"vectors cannot be written: {str(error).splitlines()[0]}") from error


class Vectors:
    """The vectors of an index, memory-mapped: opening reads next to nothing."""

    def __init__(self, path: Path):
        try:
            self._index = _read_mapped(path)
        except RuntimeError as error:
            raise IndexDamagedError(f"{path}: is no FAISS index ({str(error).splitlines()[0]}). Get the index again.") from error
        self.count, self.dim = self._index.ntotal, self._index.d

    def __len__(self) -> int:
        return self.count

    def rows(self, start: int, stop: int) -> np.ndarray:
        """The vectors of some rows, decoded: (stop - start, d) float32."""
        if self._decoded is not None:
            return self._decoded[start:stop]
        return self._index.sa_decode(self._codes[start:stop])

    def rows_at(self, numbers: np.ndarray) -> np.ndarray:
        """The vectors of the rows with these numbers, decoded: (k, d) float32."""
        if self._decoded is not None:
            return self._decoded[numbers]
        return self._index.sa_decode(self._codes[numbers])

    def scores(self, queries: np.ndarray, among: LeafSet | None = None) -> np.ndarray:
        """The cosine of every query with every row: (b, n) float32, -inf outside `among`.

        Args:
            queries: (b, d) float32, unit rows.
            among: The rows that take part; the others are not even read.
        """
        ranges = [(0, self.count)] if among is None else among.ranges.tolist()
        make = np.empty if among is None else lambda shape, dtype: np.full(shape, -np.inf, dtype)
        scores = make((len(queries), self.count), np.float32)  # (b, n)
        if self._decoded is not None:
            for start, stop in ranges:
                np.matmul(queries, self._decoded[start:stop].T, out=scores[:, start:stop])
            return scores
        blocks = [slice(first, min(first + SCORED_ROWS, stop)) for start, stop in ranges for first in range(start, stop, SCORED_ROWS)]

        def score(block: slice) -> None:
            np.matmul(queries, self.rows(block.start, block.stop).T, out=scores[:, block])

        with one_blas_thread():
            for _ in work_ahead(score, blocks):
                pass
        return scores

    def scores_among(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The cosine of every query with these rows alone, (b, k) float32."""
        return queries @ self.rows_at(rows).T

    def search(self, queries: np.ndarray, k: int, among: LeafSet | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k rows nearest to each query: cosines (b, k) float32 and row numbers (b, k) int64, best first.

        Where fewer rows take part than k, the rest is -inf and -1. The set goes into the search as a bitmap, so it
        costs no recall.
        """
        faiss.cvar.distance_compute_blas_threshold = BLAS_THRESHOLD
        parameters = None
        if among is not None:
            bitmap = np.packbits(among.mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(bitmap)
            parameters = faiss.SearchParameters(sel=selector)
        scores, rows = self._index.search(np.ascontiguousarray(queries, np.float32), k, params=parameters)
        return np.where(rows >= 0, scores, -np.inf).astype(np.float32), rows

    @cached_property
    def _codes(self) -> np.ndarray:
        """The bytes of the mapped file as FAISS keeps them, (n, bytes per row) uint8, not copied."""
        return np.asarray(_MappedBytes(self._index))

    @cached_property
    def _decoded(self) -> np.ndarray | None:
        """All rows as float32 where they are few, else None.

        Subtle: FAISS lays fp32 vectors at an odd place of the file, where numpy multiplies ten times slower; so they
        too are decoded, that is copied, before they are used.
        """
        if self.count * self.dim * 4 <= DECODED_MAX_BYTES:
            return self._index.sa_decode(self._codes)
        return None


def one_blas_thread() -> AbstractContextManager:
    """Keeps BLAS to one thread each. Subtle: its own threads wait for each other, and long where others work."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def _read_mapped(path: Path) -> faiss.Index:
    """Maps the file; where the system or the kind of index does not allow that, reads it."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError:
        return faiss.read_index(str(path))


class _MappedBytes:
    """The codes of an index as numpy sees them. Subtle: an array made of this keeps the index, and so the map, alive."""

    def __init__(self, index: faiss.IndexFlatCodes):
        self._index = index
        shape = (index.ntotal, index.sa_code_size())
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": shape, "data": (int(index.codes.data()), True)}
