"""Deals pictures with one class each into folds or parts, classes as even as can be, without parting a group.

Pure numpy; what a group is is left to `together`, pictures that show several classes to `multilabel`.

Groups are dealt one by one, the largest first, each to where it mends most: the aim is, for every class, as many pictures in
each part as its share says, and a miss of one picture counts more in a small class than in a large one. It is the greedy way
of StratifiedGroupKFold (scikit-learn, `sklearn.model_selection`), with Sainte-Laguë's quotient where the shares are not equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bioclip_search.errors import TableError

NO_CLASS = -1
"""The class of a picture that has none; such pictures are dealt evenly too."""


def stratified_folds(of: np.ndarray, groups: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """A fold from 0 to k - 1 for each picture, (n,) int64: every class spread as evenly as its groups allow, no group parted.

    Of equally good folds the one with the fewest pictures is taken, then one that is drawn. A class with fewer groups than
    folds is not in all of them: `scarce_classes` tells which these are.

    Args:
        of: (n,) int, the class of each picture; `NO_CLASS` for none.
        groups: (n,) int, as `together.groups_of` gives them.

    Raises:
        TableError: k is below 2, or there are fewer groups than folds.

    >>> folds = stratified_folds(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 3]), 2)
    >>> sorted(folds[:4].tolist()), bool(folds[0] == folds[1]), sorted(folds[4:].tolist())
    ([0, 0, 1, 1], True, [0, 1])
    """
    if k < 2:
        raise TableError(f"There must be at least 2 folds, so that one can be asked while the others are taught; not {k}.")
    found = len(np.unique(groups))
    if found < k:
        raise TableError(
            f"{len(of):,} pictures in {found:,} groups cannot be split into {k} folds: pictures of one burst stay together, and every fold needs one group. "
            f"Ask for fewer folds, or give pictures of more bursts."
        )
    return _dealt(of, groups, np.full(k, 1 / k), seed, evens_rows=False)


def stratified_parts(of: np.ndarray, groups: np.ndarray, shares: Sequence[float], seed: int = 0) -> np.ndarray:
    """A part from 0 for each picture, (n,) int64, with about such shares of every class and of all pictures; no group parted.

    A class of one group goes to the part with the largest share, which is the one to be taught.

    Args:
        shares: Of the parts; they need not sum to 1, and a part with share 0 gets nothing.

    Raises:
        TableError: A share is below 0 or no number, or all are 0.

    >>> np.bincount(stratified_parts(np.zeros(10, int), np.arange(10), (0.8, 0.2))).tolist()
    [8, 2]
    """
    return _dealt(of, groups, checked_shares(shares), seed, evens_rows=True)


def scarce_classes(of: np.ndarray, groups: np.ndarray, k: int) -> np.ndarray:
    """The classes that have fewer than k groups, (c,) int64 ascending: some fold holds none of them.

    >>> scarce_classes(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 3, 3]), 2).tolist()
    [1]
    """
    pairs = np.unique(np.stack([of, groups], axis=1)[of != NO_CLASS], axis=0)
    classes, counts = np.unique(pairs[:, 0], return_counts=True)
    return classes[counts < k].astype(np.int64)


def checked_shares(shares: Sequence[float]) -> np.ndarray:
    """The shares as they sum to 1, (p,) float64.

    Raises:
        TableError: A share is below 0 or no number, or all are 0.
    """
    wanted = np.asarray(shares, np.float64)
    if wanted.ndim != 1 or not np.isfinite(wanted).all() or (wanted < 0).any() or not wanted.sum() > 0:
        raise TableError(f"The shares of the parts are numbers from 0 on, one of them above, as in 0.8, 0.1, 0.1; not {', '.join(map(str, shares))}.")
    return wanted / wanted.sum()


def _dealt(of: np.ndarray, groups: np.ndarray, shares: np.ndarray, seed: int, evens_rows: bool) -> np.ndarray:
    """The part of each row. `evens_rows`: all rows are evened as a class is; otherwise they only settle between equals."""
    if len(of) != len(groups):
        raise TableError(f"There are classes of {len(of):,} pictures and groups of {len(groups):,}; both are needed for every picture.")
    group_of = np.unique(groups, return_inverse=True)[1].reshape(-1)
    class_of = np.unique(of, return_inverse=True)[1].reshape(-1)
    held, totals = _held(group_of, class_of), np.bincount(class_of)
    dealt, rows = np.zeros((len(shares), len(totals))), np.zeros(len(shares))  # (p, c), (p,)
    open_to = np.flatnonzero(shares > 0)
    wanted = shares[open_to, None]  # (p, 1)
    part_of = np.zeros(len(held), np.int64)
    for group, noise in _order(held, totals, len(open_to), seed):
        classes, counts = held[group]
        size = counts.sum()
        gain = _missing(dealt[np.ix_(open_to, classes)], counts, wanted, totals[classes])  # (p,)
        fullness = _missing(rows[open_to, None], size[None], wanted, np.array([len(of)]))
        aims = (gain + fullness,) if evens_rows else (fullness, gain)
        best = open_to[np.lexsort((noise, *(aim.round(12) for aim in aims)))[0]]  # the last key counts most
        dealt[best, classes] += counts
        rows[best] += size
        part_of[group] = best
    return part_of[group_of]


def _missing(dealt: np.ndarray, counts: np.ndarray, shares: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """How little each part has yet of some classes, (p,); lowest where they would mend most.

    With n dealt of a class of N, the miss of a part with share s is (n - sN)^2 / sN; this is how much it grows by g more: g (2 (n/s - N) + g/s) / N.
    """
    return (counts * (2 * (dealt / shares - totals) + counts / shares) / totals).sum(axis=1)


def _held(group_of: np.ndarray, class_of: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The classes of each group and how many pictures it has of them."""
    pairs, counts = np.unique(np.stack([group_of, class_of], axis=1), axis=0, return_counts=True)
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))[1:]
    return list(zip(np.split(pairs[:, 1], starts), np.split(counts, starts), strict=True)) if len(pairs) else []


def _order(held: list[tuple[np.ndarray, np.ndarray]], totals: np.ndarray, parts: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Each group with a random number for every part: first the groups that hold most of a class, for they are hardest to place."""
    random = np.random.default_rng(seed)
    weight = np.array([(counts / totals[classes]).max() for classes, counts in held])
    rows = np.array([counts.sum() for _, counts in held])
    for group in np.lexsort((random.random(len(held)), -rows, -weight)).tolist():
        yield group, random.random(parts)
