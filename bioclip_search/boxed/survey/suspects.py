"""What a person should look at before a model learns from boxes: organisms without a box, boxes nearly on one another, boxes that fill or barely mark.

Judges nothing for good, and changes nothing; drawing is left to `writing`, mending what cannot be right to `examining`.

The kinds, the first that holds of each picture or box:

1. `unlabelled`: a detector is sure of an organism where no box is. In a picture without boxes first: as background it teaches what is wrong.
2. `doubled`: two boxes of one picture share nearly all of their area; one of them is likely the other's copy, or of the wrong category.
3. `whole`: a box is nearly all of its picture; as a rule nobody drew it, but a label of the picture was turned into a box.
4. `tiny`: a side of a box has fewer pixels than can show what it is; often a slip of the mouse.
5. `cut`: a box lies at the picture's edge, so that the animal may go on beyond it. Sound, and worth a look where there are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, TrueBox, is_organism
from bioclip_search.detect import Detector
from bioclip_search.detectors.boxes import Box, Detection
from bioclip_search.errors import PictureError
from bioclip_search.evaluation.detection import overlaps_of
from bioclip_search.images import open_picture

UNLABELLED, DOUBLED, WHOLE, TINY, CUT = KINDS = ("unlabelled", "doubled", "whole", "tiny", "cut")

WORDS = {
    UNLABELLED: "a detector is sure of an organism where no box is",
    DOUBLED: "two boxes share nearly all of their area",
    WHOLE: "a box is nearly all of its picture",
    TINY: "a box has too few pixels to show what it is",
    CUT: "a box lies at the edge of its picture",
}

SURE = 0.5
"""The confidence from which a find without a box is a suspect. Higher than `identify` asks for, for a person looks at each."""

FREE_IOU = 0.1
"""A find that overlaps every box by less than this (intersection over union) has none: the background of TIDE (Bolya et al., 2020)."""

DOUBLE_IOU = 0.9
"""Two boxes that overlap by this are likely one: a choice of this project, above what two people's boxes around one animal as a rule share."""

WHOLE_SHARE = 0.95
"""Of the picture's area, from which a box is the whole picture."""

TINY_PX = 8
"""A side of fewer pixels is a cell or less of the finest grid (stride 8) on which YOLO looks."""

EDGE_PX = 1.0
"""How near to the picture's edge a box ends that lies at it."""


@dataclass(frozen=True)
class Suspect:
    """A picture, by its set and row, and the boxes in it that are meant; of an unlabelled organism the find."""

    kind: str
    set_number: int
    row: int
    name: str
    boxes_xyxy: tuple[Box, ...]
    categories: tuple[str, ...]
    worth: float
    """How much it asks to be looked at, within its kind: a confidence, an overlap, a share."""


def suspects_in(sets: Sequence[BoxedSet]) -> list[Suspect]:
    """Suspects of examined sets by their boxes alone (rules 2 to 5), by kind and worth."""
    found = [
        suspect
        for number, boxed in enumerate(sets)
        for row, several in enumerate(boxed.boxes)
        for suspect in _of_picture(number, row, boxed.names[row], several, boxed.sizes_wh[row])
    ]
    return in_order(found)


def unlabelled_in(sets: Sequence[BoxedSet], detector: Detector, confidence: float = SURE, progress: Callable[[int, int], None] | None = None) -> list[Suspect]:
    """Suspects of rule 1; every picture is looked at, one after the other."""
    found, done, total = [], 0, sum(map(len, sets))
    for number, boxed in enumerate(sets):
        for row, picture in enumerate(boxed.pictures(np.ones(len(boxed), bool))):
            try:
                finds = detector.detect([open_picture(picture)], confidence)[0]
            except PictureError:  # sets that were examined hold none, unless it was changed since
                finds = []
            found += _free_finds(number, row, boxed, finds)
            done += 1
            if progress:
                progress(done, total)
    return in_order(found)


def in_order(suspects: Sequence[Suspect]) -> list[Suspect]:
    """By kind, those in pictures without boxes first, then by worth; ties by name."""
    return sorted(suspects, key=lambda one: (KINDS.index(one.kind), -one.worth, one.name))


def _free_finds(number: int, row: int, boxed: BoxedSet, finds: Sequence[Detection]) -> Iterator[Suspect]:
    """Subtle: `worth` is one higher in a picture without boxes, so that those come first."""
    finds = [one for one in finds if is_organism(one.category)]
    true = boxed.boxes[row]
    if not finds:
        return
    overlap = np.zeros(len(finds))
    if true:
        crowd = np.array([box.is_crowd for box in true], bool)
        overlap = overlaps_of(_sides(finds), _sides(true), crowd).max(axis=1)
    for find, taken in zip(finds, overlap.tolist(), strict=True):
        if taken < FREE_IOU:
            yield Suspect(UNLABELLED, number, row, boxed.names[row], (find.box_xyxy,), (find.category,), find.confidence + (not true))


def _of_picture(number: int, row: int, name: str, boxes: Sequence[TrueBox], size_wh: np.ndarray) -> Iterator[Suspect]:
    boxes = [box for box in boxes if not box.is_crowd]
    if not boxes:
        return
    sides = _sides(boxes)
    extents = sides[:, 2:] - sides[:, :2]
    share = extents.prod(axis=1) / float(np.prod(size_wh))
    at_edge = (sides[:, :2] <= EDGE_PX).any(axis=1) | (sides[:, 2:] >= size_wh - EDGE_PX).any(axis=1)
    taken = np.zeros(len(boxes), bool)
    overlap = np.triu(overlaps_of(sides, sides, np.zeros(len(boxes), bool)), 1)
    for one, other in np.argwhere(overlap >= DOUBLE_IOU).tolist():
        taken[[one, other]] = True
        yield _suspect(DOUBLED, number, row, name, (boxes[one], boxes[other]), float(overlap[one, other]))
    for place, box in enumerate(boxes):
        least = float(extents[place].min())
        rules = ((WHOLE, share[place] >= WHOLE_SHARE, share[place]), (TINY, least < TINY_PX, -least), (CUT, at_edge[place], share[place]))
        kind = next(((kind, worth) for kind, holds, worth in rules if holds), None)
        if kind is not None and not taken[place]:
            yield _suspect(kind[0], number, row, name, (box,), float(kind[1]))


def _sides(boxes: Sequence[TrueBox | Detection]) -> np.ndarray:
    """(b, 4) float64: left, top, right, bottom."""
    return np.array([box.box_xyxy for box in boxes], np.float64)


def _suspect(kind: str, number: int, row: int, name: str, boxes: Sequence[TrueBox], worth: float) -> Suspect:
    return Suspect(kind, number, row, name, tuple(box.box_xyxy for box in boxes), tuple(box.category for box in boxes), worth)
