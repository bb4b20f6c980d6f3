"""A sketch of an index's vectors: coarse scores of all rows from a small part of the numbers.

Rows stand in depth-first order of the tree, so neighbours are relatives. Every `NEIGHBOURS` rows are cut in two where
they differ most, as where one family ends and the next begins. A row is kept as the mean of its part, a few numbers
that say how it differs from that (its places along the directions in which such differences are largest, the principal
components), and the length of what is left out. That is little where vectors gather by taxon or lie near a flat of few
directions, and much where they have no structure. Whether a sketch is good enough is measured in `sketching`, what is
done with it is left to `search`.
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
"""Rows that are cut in two parts, each with a mean."""

BLOCK_ROWS = 1 << 12
"""Rows scored at a time, a multiple of `NEIGHBOURS`: their scores stay in the CPU's cache between the two steps."""

SKETCH_FILES = MEANS_FILE, SIZES_FILE, DIRECTIONS_FILE, PLACES_FILE, LEFT_OUT_FILE = "means.npy", "sizes.npy", "directions.npy", "places.npy", "left_out.npy"


class Sketch:
    """Memory-mapped: `means` (m, d) and `sizes` (m,) uint8 of the parts, `directions` (d, k), `places` (n, k), `left_out` (n,); the others float32."""

    def __init__(self, folder: Path, count: int, dim: int):
        """Opens the sketch of `count` rows of `dim` numbers.

        Raises:
            IndexDamagedError: A file is missing, is no array, or does not fit the rows.
        """
        try:
            parts = [np.lib.format.open_memmap(folder / name, mode="r") for name in SKETCH_FILES]
        except (OSError, ValueError) as error:
            raise IndexDamagedError(f"{folder}: is no sketch of vectors ({error}). Build the index again, or use --speed exact.") from error
        means, k = 2 * -(-count // NEIGHBOURS), parts[2].shape[-1] if parts[2].ndim else 0
        expected = [((means, dim), "<f4"), ((means,), "|u1"), ((dim, k), "<f4"), ((count, k), "<f4"), ((count,), "<f4")]
        if [(part.shape, part.dtype.str) for part in parts] != expected or not _fill(parts[1], count):
            raise IndexDamagedError(f"{folder}: does not fit {count} vectors of {dim} numbers. Build the index again, or use --speed exact.")
        self.name = folder.name
        self.means, self.sizes, self.directions, self.places, self.left_out = parts
        self.bytes = sum(part.nbytes for part in parts)
        self.most_left_out = float(self.left_out.max(initial=0))  # NaN if any is
        if not np.isfinite(self.most_left_out):
            raise IndexDamagedError(f"{folder}: holds NaN or infinity. Build the index again, or use --speed exact.")

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
        first = block.start // NEIGHBOURS
        parts = slice(2 * first, 2 * -(-block.stop // NEIGHBOURS))
        spread = np.repeat(queries @ self.means[parts].T, self.sizes[parts], axis=1)
        skipped = block.start - first * NEIGHBOURS
        return spread[:, skipped : skipped + block.stop - block.start]


def means_of_parts(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The means of the parts that rows are cut into, (m, d) float32, and how many rows each has, (m,) uint8."""
    whole = len(rows) // NEIGHBOURS * NEIGHBOURS
    found = [_cut_in_two(rows[:whole].reshape(-1, NEIGHBOURS, rows.shape[1]))]
    if whole < len(rows):
        found.append(_cut_in_two(rows[whole:][None]))
    means, sizes = zip(*found, strict=True)
    return np.concatenate(means), np.concatenate(sizes)


def means_of_all(vectors: Vectors) -> tuple[np.ndarray, np.ndarray]:
    """`means_of_parts` over all rows."""
    means, sizes = zip(*(means_of_parts(rows) for _, rows in _decoded(vectors)), strict=True)
    return np.concatenate(means), np.concatenate(sizes)


def write_sketch(folder: Path, vectors: Vectors, means: np.ndarray, sizes: np.ndarray, directions: np.ndarray) -> None:
    """Writes the files of a sketch into the folder, which is made."""
    folder.mkdir(parents=True)
    np.save(folder / MEANS_FILE, means)
    np.save(folder / SIZES_FILE, sizes)
    np.save(folder / DIRECTIONS_FILE, np.ascontiguousarray(directions))
    places = np.lib.format.open_memmap(folder / PLACES_FILE, "w+", np.float32, (len(vectors), directions.shape[1]))
    left_out = np.empty(len(vectors), np.float32)
    for block, rows in _decoded(vectors):
        first = 2 * (block.start // NEIGHBOURS)
        apart = differences(rows, means[first:], sizes[first:])  # (b, d)
        places[block] = apart @ directions
        left_out[block] = np.linalg.norm(apart - places[block] @ directions.T, axis=1)
    places.flush()
    np.save(folder / LEFT_OUT_FILE, left_out)


def differences(rows: np.ndarray, means: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Rows less the mean of the part that they stand in, (b, d); the first row must be the first of its neighbours."""
    parts = 2 * -(-len(rows) // NEIGHBOURS)
    return rows - np.repeat(means[:parts], sizes[:parts], axis=0)


def _cut_in_two(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (2 m, d) and sizes (2 m,) of the two parts of each block, (m, s, d), cut where they leave the least variance.

    The sum of squares of a part about its mean is that of its rows less the square of their sum by their number, so the
    best cut has the largest sum of those last terms.
    """
    size = blocks.shape[1]
    sums = np.cumsum(blocks, axis=1, dtype=np.float32)  # (m, s, d)
    before, whole = sums[:, :-1], sums[:, -1:]
    first = np.arange(1, size)
    told = np.square(before).sum(axis=2) / first + np.square(whole - before).sum(axis=2) / (size - first)  # (m, s - 1)
    cut = told.argmax(axis=1) + 1 if size > 1 else np.ones(len(blocks), np.int64)
    left = np.take_along_axis(sums, (cut - 1)[:, None, None], axis=1)  # (m, 1, d)
    sizes = np.stack([cut, size - cut], axis=1)  # (m, 2)
    means = np.concatenate([left, whole - left], axis=1) / np.maximum(sizes, 1)[:, :, None]  # (m, 2, d)
    return means.reshape(-1, blocks.shape[2]).astype(np.float32), sizes.ravel().astype(np.uint8)


def _fill(sizes: np.ndarray, count: int) -> bool:
    """Whether the sizes of the parts, two by two, make up all neighbours."""
    return bool((sizes.reshape(-1, 2).sum(axis=1, dtype=np.int64) == np.minimum(NEIGHBOURS, count - np.arange(0, count, NEIGHBOURS))).all())


def _decoded(vectors: Vectors) -> Iterator[tuple[slice, np.ndarray]]:
    for block in _blocks([(0, len(vectors))]):
        yield block, vectors.rows(block.start, block.stop)


def _blocks(ranges: Iterable[tuple[int, int]]) -> Iterator[slice]:
    """The ranges cut at multiples of `BLOCK_ROWS`."""
    for start, stop in ranges:
        edges = [start, *range((start // BLOCK_ROWS + 1) * BLOCK_ROWS, stop, BLOCK_ROWS), stop]
        yield from (slice(first, last) for first, last in pairwise(edges) if first < last)
