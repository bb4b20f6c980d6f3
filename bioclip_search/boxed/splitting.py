"""Deals pictures with boxes into train, val and test so that every part has its share of every kind of box, and no burst is parted.

How they are dealt is left to `splits.multilabel`, what belongs together to `splits.together`, writing to the writers beside this room.

What is shared out evenly:

1. The boxes of each category.
2. The boxes that are small, medium and large by COCO's areas (`evaluation.detection.AREAS_PX`).
3. The boxes that are tall, squarish and wide.
4. The pictures with no box, one, two, a few, and many.

Silver pictures, whose boxes a detector drew, are always in train, with all of their bursts: what a detector drew must not judge one.
The shares are then those of all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, column_of
from bioclip_search.boxed.writing_yolo import TEST, TRAIN, VAL, part_words
from bioclip_search.errors import TableError
from bioclip_search.evaluation.detection import AREAS_PX
from bioclip_search.splits.multilabel import split_boxes
from bioclip_search.splits.straddling import kept_whole
from bioclip_search.splits.together import groups_of

PARTS = (TRAIN, VAL, TEST)
By = Literal["burst", "deployment", "none"]
BY: tuple[By, ...] = ("burst", "deployment", "none")

RATIOS = {"tall": (0.0, 2 / 3), "squarish": (2 / 3, 3 / 2), "wide": (3 / 2, float("inf"))}
"""Width over height of a box; the bounds are each other's inverse, so that a picture on its side changes tall and wide only."""

COUNTS = {"no box": (0, 1), "1 box": (1, 2), "2 boxes": (2, 3), "3 to 5 boxes": (3, 6), "6 or more boxes": (6, np.inf)}

FEW = "{name} is in {count} only, so it cannot be in each of the {parts} parts"


NEVER_JUDGE = "boxes that a detector drew teach, and never judge"
SILVER = "All silver pictures ({count:,}) are in train with all pictures of their bursts: " + NEVER_JUDGE


@dataclass(frozen=True, eq=False)
class BoxSplit:
    """How pictures were dealt.

    Attributes:
        sets: The same, with their new parts.
        labels: The kinds, as they are called; `counts` (p, m): how much of each is in each part; `shares` (p,): what was wanted of each.
        notes: What is worth telling, in words.
    """

    sets: tuple[BoxedSet, ...]
    labels: tuple[str, ...]
    counts: np.ndarray
    shares: np.ndarray
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[dict[str, float | int | str]]:
        """One for each kind: how many there are, and the share that each part was to have and has."""
        yield self._row("pictures", np.array([sum((boxed.parts == part).sum() for boxed in self.sets) for part in PARTS]))
        for label, counts in zip(self.labels, self.counts.T, strict=True):
            yield self._row(label, counts)

    def _row(self, label: str, counts: np.ndarray) -> dict[str, float | int | str]:
        total = counts.sum()
        told: dict[str, float | int | str] = {"kind": label, "in_all": int(total)}
        for part, wanted, got in zip(PARTS, self.shares, counts, strict=True):
            told |= {f"{part}_wanted": round(float(wanted), 4), f"{part}_got": round(float(got / total), 4) if total else 0.0}
        return told


def split_sets(sets: Sequence[BoxedSet], shares: Sequence[float] = (0.8, 0.1, 0.1), *, by: By = "burst", seed: int = 0) -> BoxSplit:
    """The sets dealt anew into train, val and test.

    Args:
        sets: Examined, or copies of a picture are not known.
        by: What is never parted: a burst, all pictures of a deployment, or nothing but copies of one picture.

    Raises:
        TableError: A share cannot be, there are no pictures, or no deployment is known to go by.
    """
    if not sum(map(len, sets)):
        raise TableError("There are no pictures to split.")
    if len(shares) != len(PARTS):
        raise TableError(f"A split has {len(PARTS)} shares, for {', '.join(PARTS)}; {len(shares)} came. A share of 0 leaves a part out.")
    labels, counts = labels_of(sets)
    groups = groups_in_sets(sets, by)
    is_silver = _silver(sets)
    is_free = ~np.isin(groups, groups[is_silver])
    parts = np.zeros(len(groups), np.int64)  # the number of train
    if is_free.any():
        parts[is_free] = split_boxes(counts[is_free], shares, groups[is_free], seed)
    of_part = np.stack([counts[parts == number].sum(axis=0) for number in range(len(PARTS))])
    wanted = np.asarray(shares, np.float64) / np.sum(shares)
    called = np.array(PARTS, object)[parts]
    notes = tuple(_scarce(labels, counts[is_free], groups[is_free], int((wanted > 0).sum()), by))
    notes += (SILVER.format(count=int(is_silver.sum())),) if is_silver.any() else ()
    return BoxSplit(tuple(_with_parts(sets, called)), labels, of_part, wanted, notes)


def with_whole_parts(sets: Sequence[BoxedSet], *, mend: bool = False) -> tuple[list[BoxedSet], tuple[str, ...]]:
    """The sets with the parts that they came with, none of which parts a burst or a copy; and notes, where that was mended.

    A burst that is mended and holds silver pictures goes to train.

    Raises:
        TableError: A silver picture is to judge; or a burst lies in two parts and is not to be mended; says which, and what to do.
    """
    names = [name for boxed in sets for name in boxed.names]
    given, groups, is_silver = np.concatenate([boxed.parts for boxed in sets]), groups_in_sets(sets), _silver(sets)
    _stop_if_silver_judges(given, is_silver, names)
    parts, notes = kept_whole(given, groups, mend=mend, names=names)
    parts[np.isin(groups, groups[is_silver & (parts != given)])] = TRAIN
    return _with_parts(sets, parts), notes


def groups_in_sets(sets: Sequence[BoxedSet], by: By = "burst") -> np.ndarray:
    """The group of each picture of all sets, (n,) int64, that no split may part.

    Raises:
        TableError: Deployments are asked for, and none is known.
    """
    n = sum(map(len, sets))
    contents = _column(sets, "contents")
    groups = groups_of(n, bursts=_column(sets, "bursts") if by != "none" else None, contents=contents)
    if by != "deployment":
        return groups
    deployments = _column(sets, "deployments")
    if deployments is None:
        raise TableError("No picture tells its deployment, so none can be kept together. Split by burst, or give the boxes as COCO Camera Traps or Camtrap DP.")
    return groups_of(n, bursts=deployments, picture_of_row=groups)


def labels_of(sets: Sequence[BoxedSet]) -> tuple[tuple[str, ...], np.ndarray]:
    """The kinds that are shared out, and how much of each a picture has, (n, m) int64; crowds do not count."""
    pictures = [[box for box in several if not box.is_crowd] for boxed in sets for several in boxed.boxes]
    per = np.array([len(several) for several in pictures], np.int64)
    owner = np.repeat(np.arange(len(pictures)), per)
    sides = np.array([box.box_xyxy for box in chain.from_iterable(pictures)], np.float64).reshape(-1, 4)
    extent = sides[:, 2:] - sides[:, :2]  # (b, 2)
    categories = np.array([box.category for box in chain.from_iterable(pictures)], object)
    kinds: dict[str, np.ndarray] = {name: np.bincount(owner[categories == name], minlength=len(per)) for name in sorted(set(categories.tolist()))}
    for values, bins in ((extent.prod(axis=1), AREAS_PX), (extent[:, 0] / extent[:, 1], RATIOS)):
        kinds |= {name: np.bincount(owner[(low <= values) & (values < high)], minlength=len(per)) for name, (low, high) in bins.items()}
    kinds |= {name: ((low <= per) & (per < high)).astype(np.int64) for name, (low, high) in COUNTS.items()}
    kinds = {name: counts for name, counts in kinds.items() if counts.any()}
    return tuple(kinds), np.stack(list(kinds.values()), axis=1)


def _silver(sets: Sequence[BoxedSet]) -> np.ndarray:
    return np.array([bool(one) for one in column_of(sets, "silver")], bool)


def _stop_if_silver_judges(parts: np.ndarray, is_silver: np.ndarray, names: Sequence[str]) -> None:
    judging = np.flatnonzero(is_silver & np.isin(part_words(parts), (VAL, TEST))).tolist()
    if judging:
        raise TableError(
            f"Silver pictures are to judge ({len(judging):,}; {names[judging[0]]} is in {parts[judging[0]]}, for example). Boxes that a detector drew tell nothing "
            f"of how right another is: mark them as {TRAIN}, and judge by pictures with boxes that people drew."
        )


def _column(sets: Sequence[BoxedSet], name: str) -> list[str | None] | None:
    """A column of all sets as one; None where none has it."""
    return None if all(getattr(boxed, name) is None for boxed in sets) else column_of(sets, name)


def _with_parts(sets: Sequence[BoxedSet], parts: np.ndarray) -> list[BoxedSet]:
    ends = np.cumsum([len(boxed) for boxed in sets])
    return [replace(boxed, parts=several) for boxed, several in zip(sets, np.split(parts, ends[:-1]), strict=True)]


def _scarce(labels: Sequence[str], counts: np.ndarray, groups: np.ndarray, parts: int, by: By) -> Iterator[str]:
    """Of kinds that too few groups have for each part to get one."""
    for label, column in zip(labels, counts.T, strict=True):
        held = len(np.unique(groups[column > 0]))
        if held < parts:
            what = {"burst": "burst", "deployment": "deployment", "none": "picture"}[by]
            yield FEW.format(name=label, count=f"1 {what}" if held == 1 else f"{held} {what}s", parts=parts)
