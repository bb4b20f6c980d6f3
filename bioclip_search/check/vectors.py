"""What is wrong with the vectors of an index: broken, zero, or so alike that no picture could tell their taxa apart.

Reads them once, block by block; which taxa they stand for is told, not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.check.finding import FAULT, NOTE, Finding, found_rows
from bioclip_search.check.taxa import name_of
from bioclip_search.index import Vectors
from bioclip_search.intervals import Level
from bioclip_search.taxonomy import Taxonomy

UNIT_TOLERANCE = 0.05
"""How far a vector's length may be from one; int8 rounds it by up to 0.01."""

ZERO_LENGTH = 0.2
"""A shorter vector counts as zero; int8 keeps a zero vector as one of a length of up to 0.1."""

ALIKE_ODDS = 2.0
"""Two taxa of a genus count as alike if no picture can make one more than this many times as probable as the other.

The odds of two taxa are exp(logit scale x (their cosines' difference)), and for unit vectors that difference is at most
the distance of the two, so they are alike where distance <= ln(2) / logit scale: a cosine of 0.99998 at BioCLIP's scale of 100."""

BLOCK_TAXA = 8192
MOST_OF_A_GENUS = 4096
"""A larger genus is compared within runs of so many taxa; the largest real ones have some 3,000 species."""

REPAIR = "`bioclip-search index check --repair` encodes them again."


def check_vectors(vectors: Vectors, taxonomy: Taxonomy, flagged: np.ndarray) -> Iterator[Finding]:
    """Vectors that are broken, of another length than one, or zero without their flag.

    Args:
        flagged: (n,) bool, the taxa that are said to have a zero vector.
    """
    norms = lengths_of(vectors)
    broken, zero = ~np.isfinite(norms), norms < ZERO_LENGTH
    odd = ~broken & ~zero & (np.abs(norms - 1) > UNIT_TOLERANCE)

    def name(row: int) -> str:
        return name_of(taxonomy, row)

    yield from found_rows("broken vector", FAULT, broken, "{} vectors hold NaN or infinity", name, REPAIR)
    yield from found_rows("length", FAULT, odd, "{} vectors are not of length one", name, REPAIR)
    yield from found_rows("flag", FAULT, flagged != zero, "{} taxa have a zero vector without its flag, or the flag without one", name, REPAIR)
    yield from found_rows("zero vector", NOTE, zero & flagged, "{} taxa have a zero vector and can never be an answer", name, REPAIR)


def check_likeness(vectors: Vectors, taxonomy: Taxonomy, texts: np.ndarray, logit_scale: float) -> Iterator[Finding]:
    """Taxa of one genus that no picture could tell apart, though their words differ.

    Args:
        texts: (n,) a number for the words of each taxon.
    """
    if "genus" not in taxonomy.ranks:
        return
    pairs = _near_pairs(vectors, taxonomy.level("genus"), math.log(ALIKE_ODDS) / logit_scale)
    pairs = pairs[texts[pairs[:, 0]] != texts[pairs[:, 1]]]
    other = dict(reversed(pairs.tolist()))
    yield from found_rows(
        "alike",
        NOTE,
        np.unique(pairs[:, 0]),
        f"{{}} taxa are so like another of their genus that no picture makes one {ALIKE_ODDS:g} times as probable",
        lambda row: f"{name_of(taxonomy, row)} and {name_of(taxonomy, other[row])}",
        "Their names mean the same to the encoder; look whether they are spellings of one taxon.",
    )


def lengths_of(vectors: Vectors) -> np.ndarray:
    """The length of each vector, (n,) float32; NaN or infinity where it holds such."""
    blocks = (vectors.rows(first, min(first + BLOCK_TAXA, len(vectors))) for first in range(0, len(vectors), BLOCK_TAXA))
    with np.errstate(all="ignore"):
        return np.concatenate([np.linalg.norm(rows, axis=1) for rows in blocks])


def flags_of(leaves: pa.Table) -> np.ndarray:
    """Which taxa are flagged to have a zero vector, (n,) bool."""
    return np.asarray(pc.fill_null(leaves["zero_vector"].combine_chunks(), False))


def _near_pairs(vectors: Vectors, genera: Level, near: float) -> np.ndarray:
    """The pairs of rows of one genus that are nearer than this, (pairs, 2) int64; zero vectors are near to nothing."""
    pairs = [np.empty((0, 2), np.int64)]
    for first, stop in _blocks(len(vectors), genera.stop):
        rows = vectors.rows(first, stop)  # (b, dim)
        with np.errstate(all="ignore"):
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        low, high = np.searchsorted(genera.start, (first, stop))
        for start, end in zip(genera.start[low:high].tolist(), genera.stop[low:high].tolist(), strict=True):
            for begin in range(start, end - 1, MOST_OF_A_GENUS):
                pairs.append(begin + _near(rows[begin - first : min(begin + MOST_OF_A_GENUS, end) - first], near))
    return np.concatenate(pairs)


def _blocks(count: int, ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Cuts the rows into blocks that part no genus, given where the genera end."""
    first = 0
    while first < count:
        stop = min(first + BLOCK_TAXA, count)
        if stop < count:
            within = int(np.searchsorted(ends, stop, side="right"))  # the first genus that ends after
            before = int(ends[within - 1]) if within else 0
            stop = before if before > first else int(ends[within]) if within < len(ends) else stop
        yield first, stop
        first = stop


def _near(rows: np.ndarray, near: float) -> np.ndarray:
    """The pairs of unit rows that are nearer than this, (pairs, 2). NaN is near to nothing."""
    cosines = rows @ rows.T  # (b, b)
    pairs = np.argwhere(cosines > 1 - near**2 / 2)
    return pairs[pairs[:, 0] < pairs[:, 1]]
