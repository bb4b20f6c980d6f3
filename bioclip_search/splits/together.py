"""Which rows must stay together when pictures are split: those of one burst, crops of one picture, and the same bytes twice.

Pure numpy; how they are then dealt out is left to `folds` and `multilabel`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from bioclip_search.errors import TableError


def groups_of(
    n: int,
    *,
    bursts: Sequence[Hashable | None] | np.ndarray | None = None,
    picture_of_row: Sequence[Hashable | None] | np.ndarray | None = None,
    contents: Sequence[Hashable | None] | np.ndarray | None = None,
) -> np.ndarray:
    """The group of each of n rows, (n,) int64, numbered in the order of their first rows; rows of one group must not be parted.

    Subtle: what is told goes on: if a burst holds a picture whose copy lies in another burst, the two bursts are one group.

    Args:
        bursts: The burst of each row by any name, None where it is not known.
        picture_of_row: The picture that each row is a crop of, by its number or as `pictures_as_one` names it.
        contents: What each file holds, as a hash or the bytes themselves; None where it is not known.

    Raises:
        TableError: What is told is not of as many rows.

    >>> groups_of(5, bursts=["dawn", "dawn", None, None, "dusk"], picture_of_row=np.array([0, 1, 2, 1, 3])).tolist()
    [0, 0, 1, 0, 2]
    """
    told = {"bursts": bursts, "picture_of_row": picture_of_row, "contents": contents}
    keys = [_numbered(values, n, name) for name, values in told.items() if values is not None]
    lowest = np.arange(n)  # the lowest row known to be of the same group
    while True:
        before = lowest
        for key in keys:
            least = np.full(int(key.max(initial=-1)) + 1, n)
            np.minimum.at(least, key, lowest)
            lowest = least[key]
        lowest = lowest[lowest]  # two steps at once, so that long chains do not take long
        if np.array_equal(lowest, before):
            return np.unique(lowest, return_inverse=True)[1].reshape(-1).astype(np.int64)


def as_one(columns: Sequence[np.ndarray | None], sizes: Sequence[int]) -> list[Any]:
    """What several sets of these sizes tell of their rows, one set after the other; None for every row of a set that tells nothing.

    >>> as_one([np.array(["dawn"]), None], [1, 2])
    ['dawn', None, None]
    """
    return [value for column, size in zip(columns, sizes, strict=True) for value in ([None] * size if column is None else column.tolist())]


def pictures_as_one(columns: Sequence[np.ndarray | None], sizes: Sequence[int]) -> list[tuple[int, int] | None]:
    """`picture_of_row` of several sets, each of which numbers its own pictures.

    >>> pictures_as_one([np.array([0, 0]), None, np.array([0])], [2, 1, 1])
    [(0, 0), (0, 0), None, (2, 0)]
    """
    of_set = np.repeat(np.arange(len(sizes)), sizes).tolist()
    return [None if picture is None else (number, picture) for number, picture in zip(of_set, as_one(columns, sizes), strict=True)]


def _numbered(values: Sequence[Hashable | None] | np.ndarray, n: int, name: str) -> np.ndarray:
    """A number for each row, equal where the values are; a row of which nothing is known has one of its own."""
    if len(values) != n:
        raise TableError(f"{name} tells of {len(values):,} rows, and there are {n:,}. It needs one value a row, None where nothing is known.")
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    numbers: dict[Hashable, int] = {}
    keys = [("row", row) if value is None else ("value", value) for row, value in enumerate(listed)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
