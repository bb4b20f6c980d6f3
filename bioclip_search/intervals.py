"""Ranges of leaves: the taxa of one rank, and sets that compose (clade, checklist, exclusion, or all at once).

Pure numpy; building the tree is left to `taxonomy`, which leaves a name stands for to `names`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Level:
    """The taxa of one rank in depth-first order: taxon j holds the leaves `[start[j], stop[j])`.

    A leaf whose lineage lacks the rank lies in none of them.
    """

    rank: str
    start: np.ndarray  # (m,) int64, ascending
    stop: np.ndarray  # (m,) int64

    def __len__(self) -> int:
        return len(self.start)

    def holding(self, leaf: int) -> int | None:
        """The taxon that holds the leaf, or None where its lineage lacks this rank."""
        taxon = int(np.searchsorted(self.start, leaf, side="right")) - 1
        return taxon if taxon >= 0 and leaf < self.stop[taxon] else None

    def numbers(self, leaves: np.ndarray) -> np.ndarray:
        """The number of the taxon that holds each leaf, (k,) int64; -1 where its lineage lacks this rank.

        >>> Level("genus", np.array([0, 5]), np.array([3, 9])).numbers(np.array([6, 4, 0])).tolist()
        [1, -1, 0]
        """
        if not len(self):
            return np.full(len(leaves), -1)
        numbers = np.searchsorted(self.start, leaves, side="right") - 1
        return np.where((numbers >= 0) & (leaves < self.stop[numbers]), numbers, -1)

    def among(self, leaves: np.ndarray) -> tuple[Level, np.ndarray]:
        """The taxa that hold any of some leaves, as intervals of places in that list, and their numbers in this level.

        Args:
            leaves: (k,) int64, ascending.

        >>> genera = Level("genus", np.array([0, 3, 5]), np.array([3, 5, 9]))
        >>> found, numbers = genera.among(np.array([1, 2, 6]))
        >>> found.start.tolist(), found.stop.tolist(), numbers.tolist()
        ([0, 2], [2, 3], [0, 2])
        """
        numbers = self.numbers(leaves)  # (k,)
        places = np.flatnonzero(numbers >= 0)
        numbers = numbers[places]
        firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
        lasts = np.append(firsts[1:], len(numbers))[: len(firsts)] - 1
        return Level(self.rank, places[firsts], places[lasts] + 1), numbers[firsts]


@dataclass(frozen=True, eq=False)
class LeafSet:
    """Some of the `size` leaves of a tree, as ascending disjoint ranges `[start, stop)`.

    >>> birds, owls = LeafSet.of([(10, 60)], size=100), LeafSet.of([(20, 30)], size=100)
    >>> birds.minus(owls).ranges.tolist()
    [[10, 20], [30, 60]]
    """

    ranges: np.ndarray  # (k, 2) int64
    size: int

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]], size: int) -> LeafSet:
        """The leaves in any of the ranges, which may overlap and come in any order."""
        sorted_ = np.array(sorted((start, stop) for start, stop in ranges if start < stop), np.int64).reshape(-1, 2)
        reach = np.maximum.accumulate(sorted_[:, 1])
        begins = np.append(True, sorted_[1:, 0] > reach[:-1])[: len(sorted_)]
        ends = np.append(begins[1:], True)[: len(sorted_)]
        return cls(np.stack([sorted_[begins, 0], reach[ends]], axis=1), size)

    @classmethod
    def whole(cls, size: int) -> LeafSet:
        return cls.of([(0, size)], size)

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> LeafSet:
        """The leaves where the mask, (size,) bool, is true."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
        return cls(edges.reshape(-1, 2), len(mask))

    @property
    def mask(self) -> np.ndarray:
        """(size,) bool."""
        steps = np.zeros(self.size + 1, np.int8)
        steps[self.ranges[:, 0]] = 1
        steps[self.ranges[:, 1]] -= 1
        return np.cumsum(steps[:-1]).astype(bool)

    def __len__(self) -> int:
        return int((self.ranges[:, 1] - self.ranges[:, 0]).sum())

    @property
    def numbers(self) -> np.ndarray:
        """The leaves themselves, ascending."""
        return np.concatenate([np.arange(start, stop) for start, stop in self.ranges.tolist()]) if len(self.ranges) else np.empty(0, np.int64)

    def __and__(self, other: LeafSet) -> LeafSet:
        return self._where(other, True)

    def minus(self, other: LeafSet) -> LeafSet:
        """The leaves of this set that are not in the other."""
        return self._where(other, False)

    def _where(self, other: LeafSet, in_other: bool) -> LeafSet:
        """The leaves of this set that are in the other, or are not: no range of either begins or ends between two edges of both."""
        edges = np.unique(np.concatenate([self.ranges.ravel(), other.ranges.ravel()]))
        kept = self._holds(edges[:-1]) & (other._holds(edges[:-1]) == in_other)
        return LeafSet.of(zip(edges[:-1][kept].tolist(), edges[1:][kept].tolist(), strict=True), self.size)

    def _holds(self, leaves: np.ndarray) -> np.ndarray:
        """Whether each leaf is in the set: an odd number of edges lies at or before it."""
        return np.searchsorted(self.ranges.ravel(), leaves, side="right") % 2 == 1
