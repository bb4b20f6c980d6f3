"""Which taxa lie near each other in the space of the model's texts: species by their cosine, higher taxa by their means.

Pure; what is told of a taxon besides is `species`'s. Nothing is kept of the vectors but three numbers a taxon, so that a million leaves fit.

All texts have much in common (of the starter's the mean has a length of 0.66), and the mean of many leaves holds more of that than of the
taxon: by bare means the cats lie nearest to raccoons, hares and cuckoo-shrikes. So the mean of the whole index is taken off first (Mu and
Viswanath, "All-but-the-Top", ICLR 2018); then weasels, dogs and raccoons come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.catalogue import Catalogue
from bioclip_search.intervals import Level
from bioclip_search.taxonomy import Taxon, Taxonomy

MEAN_OF = 4096
"""Leaves, evenly spread, whose mean stands for a large taxon: its direction is then off by no more than a few hundredths."""

BLOCK_LEAVES = 1 << 13
"""Vectors that are held at once: 25 MB of 768 numbers."""

LEAST_LENGTH = 1e-6
"""A mean that is shorter than this, once the common part is off, points nowhere."""


@dataclass(frozen=True)
class Near:
    """A taxon, and its cosine with the one in question, as `near_taxa` takes it."""

    taxon: Taxon
    score: float


@dataclass(frozen=True, eq=False)
class Means:
    """The m taxa of one rank by their means: how many leaves have a vector, the length of the mean, and its product with `common`, (m,) each.

    `common` is the mean of the whole index, (d,) float32. Where every taxon has one leaf, `is_plain`: nothing is taken off.
    """

    rank: str
    voiced: np.ndarray
    length: np.ndarray
    toward: np.ndarray
    common: np.ndarray
    is_plain: bool


def means_of(catalogue: Catalogue, rank: str) -> Means:
    """The means of a rank; goes through all vectors once, some seconds for a million, so keep it."""
    taxonomy = catalogue.taxonomy
    level = taxonomy.level(rank)
    is_voiced = np.ones(len(taxonomy), bool)
    is_voiced[taxonomy.leaf_of_row[catalogue.silent_rows]] = False
    counts = np.concatenate(([0], np.cumsum(is_voiced)))  # (n + 1,)
    voiced = counts[level.stop] - counts[level.start]  # (m,)
    is_plain = bool((level.stop - level.start == 1).all())
    common = np.zeros(catalogue.index.card.vectors.dim, np.float32) if is_plain else mean_vector(catalogue, 0, len(taxonomy))
    length, toward = np.where(voiced > 0, 1.0, 0.0), np.zeros(len(level))
    if not is_plain and common is not None:
        for number, total in _sums(catalogue, level):
            length[number] = np.linalg.norm(total) / max(voiced[number], 1)
            toward[number] = total @ common / max(voiced[number], 1)
    return Means(rank, voiced, length, toward, common if common is not None else np.zeros(0, np.float32), is_plain)


def near_taxa(catalogue: Catalogue, taxon: Taxon, means: Means | None = None) -> Sequence[Near]:
    """All other taxa of its rank that have a vector, nearest first, equals in depth-first order; empty where it has none itself.

    Args:
        means: Those of its rank, where they are at hand.
    """
    own = mean_vector(catalogue, taxon.start, taxon.stop)
    if own is None:
        return []
    means = means or means_of(catalogue, taxon.rank)
    level = catalogue.taxonomy.level(taxon.rank)
    scores = catalogue.cosines(own[np.newaxis])[0].astype(np.float64)  # (n,)
    sums = np.concatenate(([0.0], np.cumsum(np.where(scores > -np.inf, scores, 0.0))))  # (n + 1,)
    products = (sums[level.stop] - sums[level.start]) / np.maximum(means.voiced, 1)  # (m,)
    if not means.is_plain:
        products = _without_common(products, own.astype(np.float64), means)
    products[(means.voiced == 0) | (level.start == taxon.start)] = -np.inf
    order = np.argsort(-products, kind="stable")[: int((products > -np.inf).sum())]
    return _Nearest(catalogue.taxonomy, taxon.rank, order, products)


def mean_vector(catalogue: Catalogue, start: int, stop: int) -> np.ndarray | None:
    """The mean of the vectors of the leaves [start, stop), (d,) float32, of `MEAN_OF` of them at most; None where none has one."""
    rows = np.setdiff1d(catalogue.taxonomy.row_of_leaf[start:stop], catalogue.silent_rows, assume_unique=True)
    rows = rows[:: max(1, -(-len(rows) // MEAN_OF))]
    return vectors_of(catalogue, rows).mean(axis=0) if len(rows) else None


def vectors_of(catalogue: Catalogue, rows: np.ndarray) -> np.ndarray:
    """The vectors of these rows of the index, those that were added included: (k, d) float32, in their order."""
    return catalogue.index.rows_at(rows)


def _without_common(products: np.ndarray, own: np.ndarray, means: Means) -> np.ndarray:
    """The cosines of all means with one, the common part taken off both, (m,); -inf where nothing is left of one."""
    common = means.common.astype(np.float64)
    shared = common @ common
    left = products - means.toward - own @ common + shared  # (own - common) · (mean - common)
    lengths = np.sqrt(np.maximum(means.length**2 - 2 * means.toward + shared, 0.0)) * np.linalg.norm(own - common)
    return np.where(lengths > LEAST_LENGTH, left / np.maximum(lengths, LEAST_LENGTH), -np.inf)


def _sums(catalogue: Catalogue, level: Level) -> Iterator[tuple[int, np.ndarray]]:
    """Each taxon's number and the sum of the vectors of its leaves, (d,) float64, block by block."""
    row_of_leaf = catalogue.taxonomy.row_of_leaf
    borders = np.unique(np.concatenate((level.start, level.stop)))
    pending, total = -1, None
    for first in range(0, len(row_of_leaf), BLOCK_LEAVES):
        stop = min(first + BLOCK_LEAVES, len(row_of_leaf))
        edges = np.concatenate(([first], borders[(borders > first) & (borders < stop)]))
        pieces = np.add.reduceat(vectors_of(catalogue, row_of_leaf[first:stop]).astype(np.float64), edges - first, axis=0)
        for number, piece in zip(level.numbers(edges).tolist(), pieces, strict=True):
            if number == pending and total is not None:
                total += piece
                continue
            if pending >= 0 and total is not None:
                yield pending, total
            pending, total = number, piece
    if pending >= 0 and total is not None:
        yield pending, total


class _Nearest(Sequence):
    """Near taxa that are named when they are asked for: a rank may have a million of them."""

    def __init__(self, taxonomy: Taxonomy, rank: str, order: np.ndarray, scores: np.ndarray):
        self._taxonomy, self._rank, self._order, self._scores = taxonomy, rank, order, scores

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int | slice) -> Near | list[Near]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = int(self._order[place])
        return Near(self._taxonomy.taxon(self._rank, number), float(self._scores[number]))
