"""Gives the probability of every leaf from counts of its taxa, smoothed up the tree and out to wider counts.

Pure numpy over the intervals of a tree; what is counted is left to `occurrences`.

Of all that is recorded below a taxon, each of its children is taken to have the share

    P(child | parent) = (count of the child + a · Q(child | parent)) / (counts of all its children + a),

where Q is the same from the next wider counts (a country's from those of everywhere), and from the widest ones the child's
share of its parent's leaves. A leaf's probability is the product down its lineage. So a species that was never recorded
has what smoothing leaves its genus, and a genus without any record what it leaves its family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.intervals import Level


@dataclass(frozen=True, eq=False)
class Counted:
    """Taxa that something was counted of: the number of their rank and their leaves, (k,) int64 each.

    What is counted of a higher taxon is its own, none of its children's.
    """

    depth: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    def within(self, start: int, stop: int) -> np.ndarray:
        """Which of them lie in an interval of leaves, (k,) bool."""
        return (self.start >= start) & (self.stop <= stop)


def leaf_shares(levels: Sequence[Level], size: int, taxa: Counted, counts: Sequence[np.ndarray], weight: float) -> np.ndarray:
    """The logarithm of each leaf's probability, (size,) float64; together they sum to one.

    Args:
        counts: (k,) of each taxon, none negative: the widest first, the narrowest last.
        weight: The a above: so many counts below a parent are worth as much as all that wider counts say.

    The genera [0, 2) and [2, 4) with counts 3 and 1, of leaves 2, 1 | 1, 0, for a weight of 2: the first genus has
    (3 + 2 · 1/2) / (4 + 2) = 2/3, its first leaf (2 + 2 · 1/2) / (3 + 2) = 3/5 of it, so 2/5 of all.
    """
    leaves = Level("leaf", np.arange(size), np.arange(size) + 1)
    ladder = [*levels, leaves]
    depth = np.where(taxa.stop - taxa.start == 1, len(levels), taxa.depth)  # what holds one leaf only is that leaf
    totals = [_totals(taxa, depth, count, len(ladder), size) for count in counts]
    log_shares = np.zeros(size)
    leaves_above = np.full(size, float(size))  # (n,) those of the nearest taxon above each leaf
    counted_above = [np.full(size, count.sum(dtype=np.float64)) for count in counts]  # (n,) all that its children have
    for number, level in enumerate(ladder):
        share = (level.stop - level.start) / leaves_above[level.start]  # (m,)
        inside = _inside(level, size)
        for above, prefix in zip(counted_above, totals, strict=True):
            mass = prefix[number][level.stop] - prefix[number][level.start]
            share = (mass + weight * share) / (above[level.start] + weight)
            below = prefix[number + 1][level.stop] - prefix[number + 1][level.start] if number < len(levels) else mass
            above[inside] = np.repeat(below, level.stop - level.start)
        log_shares[inside] += np.repeat(np.log(share), level.stop - level.start)
        leaves_above[inside] = np.repeat(level.stop - level.start, level.stop - level.start)
    return log_shares


def _totals(taxa: Counted, depth: np.ndarray, count: np.ndarray, ranks: int, size: int) -> list[np.ndarray]:
    """For each rank the prefix sums, (size + 1,) float64, over leaves of what is counted of taxa at that rank or below."""
    prefixes, sums = [], np.zeros(size + 1)
    for number in reversed(range(ranks)):
        at = depth == number
        sums = sums + np.concatenate([[0.0], np.cumsum(np.bincount(taxa.start[at], weights=count[at], minlength=size))])
        prefixes.append(sums)
    return prefixes[::-1]


def _inside(level: Level, size: int) -> np.ndarray | slice:
    """The leaves that lie in any taxon of a level, in order."""
    widths = level.stop - level.start
    if widths.sum() == size:
        return slice(None)
    steps = np.zeros(size + 1, np.int8)
    steps[level.start] += 1
    steps[level.stop] -= 1
    return np.cumsum(steps[:-1]).astype(bool)
