"""A sketch of an index's vectors: coarse scores of all rows from a small part of the numbers.

Rows stand in depth-first order of the tree, so neighbours are relatives. A row is kept as the mean of the
`NEIGHBOURS` rows it stands among, a few numbers that say how it differs from them (its places along the directions in
which such differences are largest, the principal components), and the length of what is left out. That is little
where vectors gather by taxon or lie near a flat of few directions, and much where they have no structure. Whether a
sketch is good enough is measured in `sketching`, what is done with it is left to `search`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from bioclip_search.errors import IndexDamagedError
from bioclip_search.index.vectors import Vectors, one_blas_thread
from bioclip_search.intervals import LeafSet
from bioclip_search.stream import work_ahead

NEIGHBOURS = 64
"""Rows that share a mean."""

BLOCK_ROWS = 1 << 12
"""Rows scored at a time, a multiple of `NEIGHBOURS`: their scores stay in the CPU's cache between the two steps."""

SKETCH_FILES = MEANS_FILE, DIRECTIONS_FILE, PLACES_FILE, LEFT_OUT_FILE = "means.npy", "directions.npy", "places.npy", "left_out.npy"


class Sketch:
    """Memory-mapped: `means` (n / 64, d), `directions` (d, k), `places` (n, k) and `left_out` (n,), all float32."""

    def __init__(self, folder: Path, count: int, dim: int):
        """Opens the sketch of `count` rows of `dim` numbers.

        Raises:
            IndexDamagedError: A file is missing, is no array, or does not fit the rows.
        """
        try:
            parts = [np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in SKETCH_FILES]
        except (OSError, ValueError) as error:
            raise IndexDamagedError(f"{folder}: is no sketch of vectors ({error}). Build the index again, or use --speed exact.") from error
        k = parts[1].shape[-1]
        shapes = [(-(-count // NEIGHBOURS), dim), (dim, k), (count, k), (count,)]
        if [part.shape for part in parts] != shapes or any(part.dtype != np.float32 for part in parts):
            raise IndexDamagedError(f"{folder}: does not fit {count} vectors of {dim} numbers. Build the index again, or use --speed exact.")
        self.name = folder.name
        self.means, self.directions, self.places, self.left_out = parts
        self.bytes = sum(part.nbytes for part in parts)
        self.most_left_out = float(self.left_out.max(initial=0))

    def scores(self, queries: np.ndarray, among: LeafSet | None = None) -> np.ndarray:
        """About the cosine of every query with every row: (b, n) float32, -inf outside `among`."""
        count = len(self.places)
        scores = np.empty((len(queries), count), np.float32) if among is None else np.full((len(queries), count), -np.inf, np.float32)  # (b, n)
        along = queries @ self.directions  # (b, k)
        ranges = [(0, count)] if among is None else among.ranges.tolist()

        def score(block: slice) -> None:
            part = scores[:, block]  # (b, rows)
            np.matmul(along, self.places[block].T, out=part)
            part += self._of_means(queries, block)

        with one_blas_thread():
            for _ in work_ahead(score, _blocks(ranges)):
                pass
        return scores

    def _of_means(self, queries: np.ndarray, block: slice) -> np.ndarray:
        """The cosine of every query with the mean behind each row of the block, (b, rows)."""
        first, last = block.start // NEIGHBOURS, -(-block.stop // NEIGHBOURS)
        spread = np.repeat(queries @ self.means[first:last].T, NEIGHBOURS, axis=1)
        skipped = block.start - first * NEIGHBOURS
        return spread[:, skipped : skipped + block.stop - block.start]


def neighbour_means(vectors: Vectors) -> np.ndarray:
    """The mean of every `NEIGHBOURS` rows, (ceil(n / 64), d) float32."""
    return np.concatenate([_means(rows) for _, rows in _decoded(vectors)])


def write_sketch(folder: Path, vectors: Vectors, means: np.ndarray, directions: np.ndarray) -> None:
    """Writes the files of a sketch into the folder, which is made."""
    folder.mkdir(parents=True)
    np.save(folder / MEANS_FILE, means)
    np.save(folder / DIRECTIONS_FILE, np.ascontiguousarray(directions))
    places = np.lib.format.open_memmap(folder / PLACES_FILE, "w+", np.float32, (len(vectors), directions.shape[1]))
    left_out = np.empty(len(vectors), np.float32)
    for block, rows in _decoded(vectors):
        apart = differences(rows, means[block.start // NEIGHBOURS :])  # (b, d)
        places[block] = apart @ directions
        left_out[block] = np.linalg.norm(apart - places[block] @ directions.T, axis=1)
    places.flush()
    np.save(folder / LEFT_OUT_FILE, left_out)


def differences(rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Rows less the mean they stand under, (b, d); the first row must be the first of its neighbours."""
    return rows - np.repeat(means[: -(-len(rows) // NEIGHBOURS)], NEIGHBOURS, axis=0)[: len(rows)]


def _means(rows: np.ndarray) -> np.ndarray:
    starts = np.arange(0, len(rows), NEIGHBOURS)
    return np.add.reduceat(rows, starts, axis=0) / np.diff(np.append(starts, len(rows)))[:, None].astype(np.float32)


def _decoded(vectors: Vectors) -> Iterator[tuple[slice, np.ndarray]]:
    for block in _blocks([(0, len(vectors))]):
        yield block, vectors.rows(block.start, block.stop)


def _blocks(ranges: Iterable[tuple[int, int]]) -> Iterator[slice]:
    """The ranges cut at multiples of `BLOCK_ROWS`."""
    for start, stop in ranges:
        edges = [start, *range((start // BLOCK_ROWS + 1) * BLOCK_ROWS, stop, BLOCK_ROWS), stop]
        yield from (slice(first, last) for first, last in pairwise(edges) if first < last)
