"""Cuts rows in a given order in two, without parting a group.

Pure numpy; which order, and what either side is for, is left to who asks; parts that shall be alike in their classes to `folds`.
"""

from __future__ import annotations

import numpy as np


def cut_in_two(rows: np.ndarray, share: float, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first rows, about such a share of them, rounded up, and the others; both (m,) in their order but for groups, which stay whole.

    A group counts where its first row stands. The cut is where the first side has the share or the next group would take it
    further beyond than it falls short; neither side is empty if there are two groups. A single group cannot be cut: it is the first side.

    Args:
        groups: The group of every row that there is, as `together.groups_of` gives them; None: each row stands for itself.

    >>> first, others = cut_in_two(np.array([3, 1, 0, 2]), 0.5, np.array([7, 8, 8, 7]))
    >>> first.tolist(), others.tolist()
    ([3, 0], [1, 2])
    """
    wanted = int(np.ceil(share * len(rows)))
    if groups is None:
        return rows[:wanted], rows[wanted:]
    _, firsts, of = np.unique(groups[rows], return_index=True, return_inverse=True)
    first_of_row = firsts[of.reshape(-1)]
    order = np.argsort(first_of_row, kind="stable")
    ends = np.flatnonzero(np.diff(first_of_row[order], append=-1)) + 1  # rows up to the end of each group
    if len(ends) <= 1:
        return rows, rows[:0]
    best = int(np.argmin(np.abs(ends[:-1] - wanted)))
    return rows[order[: ends[best]]], rows[order[ends[best] :]]
