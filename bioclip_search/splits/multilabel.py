"""Deals pictures that show several things each into parts, every kind of thing by the shares, without parting a group.

Pure numpy; what is counted (boxes by category, by size) is left to who asks, pictures with one class each to `folds`.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data", 2011), by groups:

1. The label that the fewest groups left over hold is dealt first, for a rare one could not be mended later.
2. Of its groups those with most of it go first; each goes to the part that lacks most of this label, of equal ones to that
   which lacks most pictures, then to one that is drawn.
3. What no label is left in is dealt by pictures alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bioclip_search.errors import TableError
from bioclip_search.splits.folds import checked_shares


def split_boxes(labels: np.ndarray, shares: Sequence[float], groups: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """A part from 0 for each of n pictures, (n,) int64, so that every label is shared out as asked; no group is parted.

    Args:
        labels: (n, m) numbers from 0 on: how many boxes of each kind a picture has.
        shares: Of the parts; they need not sum to 1, and a part with share 0 gets nothing.
        groups: (n,) int, as `together.groups_of` gives them; None: every picture stands for itself.

    Raises:
        TableError: A share or a count cannot be, or labels and groups are not of as many pictures.

    >>> split_boxes(np.array([[2, 0], [2, 0], [0, 1], [0, 1]]), (0.5, 0.5)).reshape(2, 2).sum(axis=1).tolist()
    [1, 1]
    """
    counts, wanted = _checked(labels), checked_shares(shares)
    groups = np.arange(len(counts)) if groups is None else np.asarray(groups)
    if len(groups) != len(counts):
        raise TableError(f"There are labels of {len(counts):,} pictures and groups of {len(groups):,}; both are needed for every picture.")
    group_of = np.unique(groups, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(group_of)  # (g,) pictures
    held = np.zeros((len(sizes), counts.shape[1]))
    np.add.at(held, group_of, counts)  # (g, m)
    return _dealt(held, sizes, wanted, np.random.default_rng(seed))[group_of]


def _checked(labels: np.ndarray) -> np.ndarray:
    counts = np.asarray(labels, np.float64)
    if counts.ndim != 2 or not np.isfinite(counts).all() or (counts < 0).any():
        raise TableError(f"The labels are a row a picture and a column a kind, each a count from 0 on; they came as an array of shape {counts.shape}.")
    return counts


def _dealt(held: np.ndarray, sizes: np.ndarray, shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The part of each group, (g,) int64."""
    lacking = shares[:, None] * held.sum(axis=0)  # (p, m)
    lacking_pictures = shares * sizes.sum()  # (p,)
    part_of, is_left = np.full(len(sizes), -1), np.ones(len(sizes), bool)
    holders = (held > 0).sum(axis=0)  # (m,) groups left that hold each label
    while is_left.any():
        label = _rarest(holders)
        weight = sizes if label is None else held[:, label]
        mine = np.flatnonzero(is_left & (weight > 0))
        for group in mine[np.lexsort((random.random(len(mine)), -weight[mine]))].tolist():
            first = lacking_pictures if label is None else lacking[:, label]
            part = _most_lacking(first, lacking_pictures, shares, random)
            part_of[group], is_left[group] = part, False
            lacking[part] -= held[group]
            lacking_pictures[part] -= sizes[group]
        holders = ((held > 0) & is_left[:, None]).sum(axis=0)
    return part_of.astype(np.int64)


def _rarest(holders: np.ndarray) -> int | None:
    """The label that the fewest groups hold, of equal ones the first; None where none is left."""
    present = np.flatnonzero(holders)
    return int(present[np.argmin(holders[present])]) if len(present) else None


def _most_lacking(first: np.ndarray, then: np.ndarray, shares: np.ndarray, random: np.random.Generator) -> int:
    """The part that lacks most by the first measure, of equal ones by the second, then a drawn one; never one with share 0."""
    noise = random.random(len(shares))
    order = np.lexsort((noise, -then.round(9), -first.round(9), shares <= 0))  # the last key counts most
    return int(order[0])
