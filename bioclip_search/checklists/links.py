"""Follows who points at whom: synonyms to their taxon, taxa to their ancestors at every rank, by pointer jumping.

Pure: numpy in, numpy out, no loop over rows. What a link means is left to `resolve`.
Pointer jumping: each round doubles the distance that every row has gone, so n rows take log2(n) rounds
(Jájá, An Introduction to Parallel Algorithms, 1992, section 2.2).
"""

from __future__ import annotations

import numpy as np


def follow(target: np.ndarray, is_end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each row's chain of pointers ends, and which rows lie on a circle.

    Args:
        target: (n,) int, the row that each row points at, -1 for none.
        is_end: (n,) bool, the rows where a chain ends, whatever they point at.

    Returns:
        end: (n,) int64, the end of the chain, -1 where it breaks off or runs into a circle.
        on_circle: (n,) bool, the members of circles; not those that only lead into one.
    """
    n = len(target)
    rows = np.arange(n + 1)
    hop = np.append(np.where(is_end, rows[:n], np.where(target < 0, n, target)), n)  # (n + 1,): n stands for nothing
    for _ in range(n.bit_length()):
        further = hop[hop]
        if np.array_equal(further, hop):
            break
        hop = further
    reached = hop[:n]
    ended = np.append(is_end, False)[reached]
    on_circle = np.zeros(n, bool)
    on_circle[reached[~ended & (reached < n)]] = True  # after n hops or more, only circles are left to stand on
    return np.where(ended, reached, -1), on_circle


def ancestors(parent: np.ndarray, rank: np.ndarray, ranks: int) -> np.ndarray:
    """The nearest row of each rank among a row and those above it, (ranks, n) int32, -1 for none.

    Args:
        parent: (n,) int, the row above, -1 for none; without circles.
        rank: (n,) int, the rank's number, anything outside of 0 … ranks - 1 for rows that are passed over.
    """
    n = len(parent)
    up = np.append(np.where(parent < 0, n, parent), n).astype(np.int32)  # (n + 1,)
    nearest = np.full((ranks, n + 1), -1, np.int32)
    for number in range(ranks):
        own = np.flatnonzero(rank == number)
        nearest[number, own] = own
    while (up < n).any():
        for row in nearest:
            np.copyto(row, row[up], where=row < 0)
        up = up[up]
    return nearest[:, :n]


def circles(target: np.ndarray, on_circle: np.ndarray, most: int, longest: int) -> list[list[int]]:
    """The first circles, each as its rows in the order in which they point at each other, from the lowest; a long one is cut."""
    found: list[list[int]] = []
    seen: set[int] = set()
    for start in np.flatnonzero(on_circle):
        if int(start) in seen:
            continue
        if len(found) == most:
            break
        circle, row = [], int(start)
        while row not in seen:
            seen.add(row)
            circle.append(row)
            row = int(target[row])
        found.append(circle[:longest])
    return found
