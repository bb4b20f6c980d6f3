"""Which leaves of a tree the classes of a head stand for: all those below the taxon of each.

Pure numpy; a class above species has several leaves, which share what it is given as their texts divide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

NO_CLASS = -1


@dataclass(frozen=True, eq=False)
class Reach:
    """The interval of leaves `[start, stop)` of each class, (k, 2) int64; 0, 0 for one that the tree lacks. One may lie within another."""

    intervals: np.ndarray

    @cached_property
    def leaves(self) -> np.ndarray:
        """The leaves that any class holds, (t,) int64 ascending."""
        return np.unique(np.concatenate([np.arange(start, stop) for start, stop in self.intervals.tolist()] or [np.empty(0, np.int64)])).astype(np.int64)

    @cached_property
    def classes(self) -> np.ndarray:
        """The classes that hold each of these leaves, (t, m) int64, filled up with `NO_CLASS`."""
        held = [np.arange(start, stop) for start, stop in self.intervals.tolist()]
        leaf = np.searchsorted(self.leaves, np.concatenate([*held, np.empty(0, np.int64)]).astype(np.int64))
        number = np.repeat(np.arange(len(held)), [len(one) for one in held])
        order = np.argsort(leaf, kind="stable")
        leaf, number = leaf[order], number[order]
        place = np.arange(len(leaf)) - np.searchsorted(leaf, leaf)  # among the classes of its leaf
        found = np.full((len(self.leaves), int(place.max(initial=0)) + 1), NO_CLASS, np.int64)
        found[leaf, place] = number
        return found

    def of(self, scores: np.ndarray) -> np.ndarray:
        """What a head says of these leaves: (b, k) log probabilities of the classes → (b, t), of any class that holds the leaf.

        A class that is NaN was not taught; neither was a leaf that only such classes hold.
        """
        if self.classes.shape[1] == 1:
            return scores[:, self.classes[:, 0]]
        found = np.full((len(scores), len(self.leaves)), -np.inf)
        for classes in self.classes.T:
            is_heard = (classes != NO_CLASS) & ~np.isnan(scores[:, classes])  # (b, t)
            found = np.logaddexp(found, np.where(is_heard, scores[:, classes], -np.inf))
        return np.where(found == -np.inf, np.nan, found)
