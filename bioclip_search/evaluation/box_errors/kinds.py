"""The class of error of every find and of every true box that was not found.

What a class costs is left to `gains`, drawing to `sheets`; the overlaps and the rule by which finds take boxes are those of `detection`.

The classes are TIDE's (Bolya, Foley, Hays and Hoffman: TIDE, a general toolbox for identifying object detection errors,
ECCV 2020; tidecv/quantify.py). In each picture the most confident finds take boxes of their category, as in `detection` at an
overlap of 0.5. A find that takes none lies in a crowd region and does not count, or is, by the first rule that holds:

1. misplaced: it overlaps a box of its category by 0.1 up to 0.5.
2. wrong category: it overlaps a box of another category by 0.5 or more.
3. double: it overlaps by 0.5 or more a box of its category that a surer find has taken.
4. background: it overlaps no box by more than 0.1.
5. wrong category and place: it overlaps a box of another category by 0.1 up to 0.5.

A true box that no find takes is missed, unless a find of rule 1 or 2 is meant for it: mending that find finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.boxed.sets import TrueBox
from bioclip_search.detectors.boxes import Detection
from bioclip_search.evaluation.detection import AREAS_PX, MOST_FINDS, overlaps_of

RIGHT, UNCOUNTED = "right", "not counted"
KINDS = MISPLACED, MISCALLED, BOTH, DOUBLE, BACKGROUND, MISSED = ("misplaced", "wrong category", "wrong category and place", "double", "background", "missed")
"""The classes of error, in the order in which they are told."""

IN_WORDS = {
    MISPLACED: "at an organism, but the box fits badly (overlap 0.1 to 0.5)",
    MISCALLED: "the box fits, the category is another",
    BOTH: "the box fits badly and the category is another",
    DOUBLE: "a second box for one organism",
    BACKGROUND: "nothing is there, or nobody drew a box for it",
    MISSED: "an organism without a find",
}

FITS, TOUCHES = 0.5, 0.1
"""The overlaps (intersection over union) from which a find fits a box, and from which it is meant for it: TIDE's t_f and t_b."""


@dataclass(frozen=True)
class Judged:
    """One find, or one true box that was missed, and what it is.

    Attributes:
        picture: The number of the picture among those looked at.
        kind: `RIGHT`, `UNCOUNTED` or one of `KINDS`.
        find: None where the box was missed.
        true: The box that the find took, is a double of, or is meant for; None for background.
        place: The number of `true` in its picture, -1 for none.
        iou: Their overlap; of a missed box its greatest with any find.
    """

    picture: int
    kind: str
    find: Detection | None
    true: TrueBox | None
    place: int = -1
    iou: float = 0.0

    @property
    def size(self) -> str:
        """small, medium or large, by COCO's areas: of the true box, where there is one."""
        left, top, right, bottom = (self.true or self.find).box_xyxy
        area = (right - left) * (bottom - top)
        return next(name for name, (least, most) in AREAS_PX.items() if least <= area < most)

    @property
    def category(self) -> str:
        """The category that is there, or that was found where nothing is."""
        return (self.true or self.find).category


def judge_finds(found: Sequence[Sequence[Detection]], true: Sequence[Sequence[TrueBox]], min_confidence: float = 0.0) -> list[Judged]:
    """Every find of at least this confidence and every missed box, picture by picture: the surest find first, missed boxes last.

    Args:
        found: As `detection.comparable` gives them, as `true`: of one category where categories do not count.
    """
    return [one for number, (finds, boxes) in enumerate(zip(found, true, strict=True)) for one in _judge_picture(number, finds, boxes, min_confidence)]


def _judge_picture(number: int, finds: Sequence[Detection], boxes: Sequence[TrueBox], min_confidence: float) -> Iterator[Judged]:
    finds = _counted([one for one in finds if one.confidence >= min_confidence])
    if not finds or not boxes:
        yield from (Judged(number, BACKGROUND, find, None) for find in finds)
        yield from (Judged(number, MISSED, None, box, place) for place, box in enumerate(boxes) if not box.is_crowd)
        return
    crowd = np.array([box.is_crowd for box in boxes])
    iou = overlaps_of(np.array([one.box_xyxy for one in finds]), np.array([box.box_xyxy for box in boxes]), crowd)  # (f, t)
    same = np.array([[one.category == box.category for box in boxes] for one in finds])  # (f, t)
    taken_by = _take(np.where(same & ~crowd, iou, -1.0))
    reached = set(taken_by.values())
    for row, find in enumerate(finds):
        if row in taken_by:
            kind, place = RIGHT, taken_by[row]
        else:
            kind, place = _kind(iou[row], same[row], crowd)
            reached |= {place} if kind in (MISPLACED, MISCALLED) else set()
        yield Judged(number, kind, find, boxes[place] if place >= 0 else None, place, float(iou[row, place]) if place >= 0 else 0.0)
    for place, box in enumerate(boxes):
        if not crowd[place] and place not in reached:
            yield Judged(number, MISSED, None, box, place, float(iou[:, place].max()))


def _counted(finds: Sequence[Detection]) -> list[Detection]:
    """The surest finds of each category, as COCO counts them, all in one order."""
    left: dict[str, int] = {}
    kept = []
    for one in sorted(finds, key=lambda one: -one.confidence):
        left[one.category] = left.get(one.category, 0) + 1
        if left[one.category] <= MOST_FINDS:
            kept.append(one)
    return kept


def _take(iou: np.ndarray) -> dict[int, int]:
    """The box that each find takes, surest first; `iou` is (f, t), below 0 where it may not."""
    iou, taken = iou.copy(), {}
    for row in range(len(iou)):
        place = iou.shape[1] - 1 - int(np.argmax(iou[row, ::-1]))  # of equal overlaps COCO takes the last
        if iou[row, place] >= FITS:
            taken[row] = place
            iou[:, place] = -1.0
    return taken


def _kind(iou: np.ndarray, same: np.ndarray, crowd: np.ndarray) -> tuple[str, int]:
    """The rule that holds first for a find that takes no box, and the box that it is meant for, -1 for none; all (t,)."""
    if (crowd & same & (iou >= FITS)).any():
        return UNCOUNTED, -1
    own, others = np.where(same & ~crowd, iou, 0.0), np.where(same | crowd, 0.0, iou)
    near, other = int(np.argmax(own)), int(np.argmax(others))
    if TOUCHES <= own[near] < FITS:
        return MISPLACED, near
    if others[other] >= FITS:
        return MISCALLED, other
    if own[near] >= FITS:
        return DOUBLE, near
    return (BOTH, other) if others[other] >= TOUCHES else (BACKGROUND, -1)
