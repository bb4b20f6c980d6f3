"""Groups of crops that look alike, so that a person can decide about several at once: (n,) group numbers from (n, dim) vectors.

Pure numpy; which crops and in which order is left to `worklist`.

Likeness is the cosine after the mean of all vectors is taken off, for the vectors of one encoder all lie in a narrow cone, a narrower
one with some encoders than with others. The crop of the largest doubt that is in no group yet leads a new one; those that are like
the leader join, the likest first.
"""

from __future__ import annotations

import numpy as np

LIKE = 0.6
"""Least likeness to the leader. At 0.6 two thirds of the pairs are of one family, among 1,030 pictures of 351 families (BioCLIP 2's vectors), and
of one species among a trap's pictures of nine (the starter's), and 4 of 10 pairs of a burst are found; at 0.5 there are twice as many wrong pairs."""

SAME = 0.95
"""Cosine, nothing taken off, of crops that are nearly one picture: where a few crops are all alike, nothing but noise is left beside their mean."""

MOST_IN_GROUP = 24
"""More than this cannot be looked over at once."""

BLOCK = 256
"""Crops compared with all others at once: (256, n) float32 is 5 MB for 5,000."""


def groups_of_alike(vectors: np.ndarray, like: float = LIKE, most: int = MOST_IN_GROUP) -> np.ndarray:
    """The group of each crop, (n,) int64, counted from 0 in the order of their leaders.

    Args:
        vectors: (n, dim), the largest doubt first; a row of zeros, or one that is no number, is like nothing.
    """
    unit, apart = _directions(vectors)
    groups = np.full(len(vectors), -1, np.int64)
    count = 0
    for start in range(0, len(vectors), BLOCK):
        leaders = start + np.flatnonzero(groups[start : start + BLOCK] < 0)  # (b,)
        others = start + np.flatnonzero(groups[start:] < 0)  # (m,), the leaders first
        likeness = apart[leaders] @ apart[others].T  # (b, m)
        is_alike = (likeness >= like) | (unit[leaders] @ unit[others].T >= SAME)
        for place, leader in enumerate(leaders.tolist()):
            if groups[leader] < 0:
                found = np.flatnonzero(is_alike[place] & (groups[others] < 0) & (others != leader))
                likest = found[np.argsort(-likeness[place, found], kind="stable")[: most - 1]]
                groups[[leader, *others[likest]]] = count
                count += 1
    return groups


def _directions(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows as they are, and about their mean, (n, dim) float32 each; zeros where there was no vector."""
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    is_there = np.isfinite(length) & (length > 0)  # (n, 1)
    unit = np.where(is_there, vectors / np.where(is_there, length, 1), 0)
    apart = np.where(is_there, unit - unit.sum(axis=0) / max(1, int(is_there.sum())), 0)
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    return unit, np.where(length > 1e-6, apart / np.where(length > 1e-6, length, 1), 0)
