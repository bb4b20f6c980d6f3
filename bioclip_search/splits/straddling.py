"""Groups that a given split parts, such as a burst with frames in train and in test: which these are, and how that is mended.

Pure numpy and words; what belongs together is left to `together`.

Pictures of one burst show the same animal in the same light, so that a model which was taught one of them knows the others:
a figure over such a split is too good (Beery et al., "Recognition in Terra Incognita", 2018, split by place for this reason).

How a split is mended: every group that it parts goes whole to the part that has most of its pictures; of equal parts to the one
with fewer pictures in all, so that what is held back does not shrink; of equals again to the first by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.errors import TableError

MEND_OPTION = "--mend-split"
"""The option of all commands that mends a split."""


@dataclass(frozen=True, eq=False)
class Straddling:
    """Groups that lie in more than one part.

    Attributes:
        groups: (g,) int64, their numbers, ascending.
        rows: (r,) int64, all rows of them, ascending.
        example: Two rows of one of them that lie in two parts, None where there are none.
    """

    groups: np.ndarray
    rows: np.ndarray
    example: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return len(self.groups) > 0

    def told(self, parts: Sequence[str] | np.ndarray, names: Sequence[str] | None = None) -> str:
        """In words, one sentence: how many there are, and two pictures as an example; "" where there are none."""
        if self.example is None:
            return ""
        one, other = self.example
        called = [names[row] if names is not None else f"row {row + 1}" for row in self.example]
        bursts = "one burst" if len(self.groups) == 1 else f"{len(self.groups):,} bursts"
        return f"The split parts {bursts} ({len(self.rows):,} pictures that belong together): {called[0]} is in {parts[one]}, and {called[1]} of the same burst in {parts[other]}."


def find_straddling(parts: Sequence[str] | np.ndarray, groups: np.ndarray) -> Straddling:
    """The groups that lie in more than one part.

    Args:
        parts: (n,) the part of each picture.
        groups: (n,) int, as `together.groups_of` gives them.

    Raises:
        TableError: They are not of as many pictures.

    >>> find_straddling(["train", "test", "test"], np.array([0, 0, 1])).rows.tolist()
    [0, 1]
    """
    part_of = _part_numbers(parts, groups)[1]
    order = np.lexsort((part_of, groups))
    same_group = groups[order][1:] == groups[order][:-1]
    is_parted = same_group & (part_of[order][1:] != part_of[order][:-1])
    if not is_parted.any():
        return Straddling(np.empty(0, np.int64), np.empty(0, np.int64))
    found = np.unique(groups[order][1:][is_parted])
    rows = np.flatnonzero(np.isin(groups, found))
    first = rows[groups[rows] == groups[rows[0]]]
    other = first[part_of[first] != part_of[first[0]]][0]
    return Straddling(found.astype(np.int64), rows, (int(first[0]), int(other)))


def mended(parts: Sequence[str] | np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The parts with every group whole, (n,) as they were given, by the rule above.

    >>> mended(["train", "train", "test", "test"], np.array([0, 0, 0, 1])).tolist()
    ['train', 'train', 'train', 'test']
    """
    names, part_of = _part_numbers(parts, groups)
    group_of = np.unique(groups, return_inverse=True)[1].reshape(-1)
    pairs, counts = np.unique(np.stack([group_of, part_of], axis=1), axis=0, return_counts=True)
    in_all = np.bincount(part_of, minlength=len(names))
    order = np.lexsort((pairs[:, 1], in_all[pairs[:, 1]], -counts, pairs[:, 0]))
    is_first = np.diff(pairs[order, 0], prepend=-1) > 0
    return names[pairs[order[is_first], 1]][group_of]


def kept_whole(
    parts: Sequence[str] | np.ndarray, groups: np.ndarray, *, mend: bool = False, names: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The parts of pictures as they may be used, and notes in words: as given where no group is parted, else mended if asked.

    Raises:
        TableError: The split parts a group and is not to be mended; says which, and what to do.
    """
    given = np.array(list(parts), object)
    straddling = find_straddling(given, groups)
    if not straddling:
        return given, ()
    told = straddling.told(given, names)
    if not mend:
        raise TableError(
            f"{told} Pictures of one burst show the same animal, so a model would be asked what it was taught, and look better than it is. "
            f"Give every burst one part, or have it done: {MEND_OPTION}."
        )
    whole = mended(given, groups)
    moved = int((whole != given).sum())
    return whole, (f"{told} Mended: each goes whole to the part that has most of it; {moved:,} {'picture' if moved == 1 else 'pictures'} moved.",)


def _part_numbers(parts: Sequence[str] | np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different parts by name, and the number of each row's."""
    if len(parts) != len(groups):
        raise TableError(f"There are parts of {len(parts):,} pictures and groups of {len(groups):,}; both are needed for every picture.")
    different = sorted(set(parts.tolist() if isinstance(parts, np.ndarray) else parts))
    number = {name: place for place, name in enumerate(different)}
    names = np.array(different, object)
    return names, np.array([number[part] for part in parts], np.int64)
