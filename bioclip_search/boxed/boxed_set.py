"""A set of pictures with the boxes that people drew on them, and what is known of each picture: its part, size, burst and deployment.

Reading one from a file is left to the readers beside this room, looking into the pictures to `examining`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.detect import is_wildlife
from bioclip_search.detectors.boxes import Box
from bioclip_search.splits.together import as_one

ORGANISM = "organism"
"""What a box is called where nothing is told of it."""

NO_ORGANISM = frozenset({"human", "people", "car", "empty", "blank", "nothing", "__ignore__"})
"""Categories that stand for no organism to be named, in lower case, besides those of `detect.NOT_WILDLIFE`."""

SILVER_KEY = b"bioclip-search silver"
"""The key of the metadata of a silver set in Parquet, whose boxes a detector drew (`silver.writing`)."""

SILVER_LIST = "silver.txt"
"""The list of silver pictures in a folder of YOLO, which has no word for them: a path in each line, told from the folder."""


@dataclass(frozen=True)
class TrueBox:
    """One box that a person drew; `is_crowd` marks a region in which finds do not count."""

    box_xyxy: Box
    category: str
    is_crowd: bool = False


@dataclass(frozen=True, eq=False)
class BoxedSet:
    """n pictures with the boxes in each, which may be none.

    Attributes:
        parts: (n,) str; the split of each picture.
        pictures: Given which are wanted, (n,) bool, those pictures in order, as files or bytes.
        dropped: Boxes without an area or outside of what a picture can be, which are left out.
        bursts: (n,) object; the burst that a picture was taken in, by any name, None where it is not known; None: no picture tells. A split never parts one.
        deployments: (n,) object; the camera's stay at one place, as `bursts`.
        taken: (n,) object; when a picture was taken, in ISO 8601, with a zone where one is told.
        categories: Those that the file tells of, with and without boxes; (): it tells of none apart.
        sizes_wh: (n, 2) int64, of the upright pictures in pixels, as the file tells them until the pictures were examined; 0 where it does not.
            None: it tells none.
        contents: (n,) object, the SHA-256 of each picture's bytes, once they were examined.
        silver: (n,) bool; whether a detector drew the boxes and no person, so that they may teach and never judge; None: people drew all.
        notes: What is worth telling of the set, in words.
    """

    name: str
    boxes: tuple[tuple[TrueBox, ...], ...]
    parts: np.ndarray
    names: tuple[str, ...]
    pictures: Callable[[np.ndarray], Iterator[Any]]
    dropped: int = 0
    bursts: np.ndarray | None = None
    deployments: np.ndarray | None = None
    taken: np.ndarray | None = None
    categories: tuple[str, ...] = ()
    sizes_wh: np.ndarray | None = None
    contents: np.ndarray | None = None
    silver: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)


def kept(boxed: BoxedSet, wanted: np.ndarray) -> BoxedSet:
    """The set with only the wanted pictures, (n,) bool, in order."""
    rows = np.flatnonzero(wanted).tolist()
    columns = {name: getattr(boxed, name) for name in ("bursts", "deployments", "taken", "sizes_wh", "contents", "silver")}
    return replace(
        boxed,
        boxes=tuple(boxed.boxes[row] for row in rows),
        parts=boxed.parts[wanted],
        names=tuple(boxed.names[row] for row in rows),
        pictures=partial(_of_kept, boxed.pictures, np.asarray(wanted, bool)),
        **{name: None if column is None else column[wanted] for name, column in columns.items()},
    )


def _of_kept(pictures: Callable[[np.ndarray], Iterator[Any]], kept: np.ndarray, wanted: np.ndarray) -> Iterator[Any]:
    whole = np.zeros(len(kept), bool)
    whole[np.flatnonzero(kept)[wanted]] = True
    return pictures(whole)


def told_column(values: Iterable[Any]) -> np.ndarray | None:
    """(n,) object, a column of a set: the values as texts, times in ISO 8601, None where nothing is told; None if nothing is told at all."""
    column = np.array([None if value is None or value == "" else value.isoformat() if isinstance(value, datetime) else str(value) for value in values], object)
    return column if any(value is not None for value in column) else None


def flagged_column(values: Iterable[Any]) -> np.ndarray | None:
    """(n,) bool, a column of a set; None where nothing holds."""
    column = np.array([bool(value) for value in values], bool)
    return column if column.any() else None


def pictures_at(paths: Sequence[Path], wanted: np.ndarray) -> Iterator[Path]:
    """`BoxedSet.pictures` of a set whose pictures are files."""
    return (paths[row] for row in np.flatnonzero(wanted).tolist())


def column_of(sets: Sequence[BoxedSet], name: str) -> list[Any]:
    """`bursts`, `deployments` or another such column of all sets as one, None where a set does not tell it."""
    return as_one([getattr(boxed, name) for boxed in sets], list(map(len, sets)))


def is_organism(category: str) -> bool:
    """Whether boxes of a category count: all but people, vehicles and nothing.

    >>> [is_organism(category) for category in ("Procyon lotor", "Human", "vehicle", "empty")]
    [True, False, False, False]
    """
    return is_wildlife(category.lower()) and category.lower() not in NO_ORGANISM


def box_from_corner(bbox: Sequence[float]) -> Box | None:
    """The box of (left, top, width, height), None if it has no area or a side that is no number."""
    left, top, width, height = map(float, bbox)
    return checked_box((left, top, left + width, top + height))


def checked_box(box_xyxy: Sequence[float]) -> Box | None:
    """The box, None if it has no area or a side that is no number."""
    left, top, right, bottom = map(float, box_xyxy)
    is_box = all(map(math.isfinite, (left, top, right, bottom))) and right > left and bottom > top
    return (left, top, right, bottom) if is_box else None
