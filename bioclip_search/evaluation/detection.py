"""How good a detector's boxes are, by the rules of COCO: average precision over overlaps, and recall by the size of the box.

Pure numpy once the detector has looked; reading pictures and true boxes is left to `boxed.sets`, detectors to `detect`.

The rules are those of COCO's own code (cocodataset/cocoapi, PythonAPI/pycocotools/cocoeval.py), with which the tests compare:

1. In each picture the most confident finds, at most 100, take in turn the free true box that they overlap most, if by at
   least the overlap asked for (intersection over union).
2. A find that takes a crowd region (its own area counts then, not the union) is neither right nor wrong; a region may be taken often.
3. All finds of all pictures are gone through by confidence. The precision at a recall is the best at that recall or a
   higher one; average precision is its mean at the recalls 0, 0.01 … 1.
4. mAP50 and mAP75 are at overlaps of 0.5 and 0.75, mAP is the mean over 0.5, 0.55 … 0.95. With categories, each has its
   own, and the mean over those that have a true box is told; by default every organism is of one category.
5. Small boxes have an area below 32² pixels, large ones of 96² or more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bioclip_search.boxed.sets import ORGANISM, BoxedSet, TrueBox, is_organism
from bioclip_search.crops import DETECTOR_CONFIDENCE, confidence_of
from bioclip_search.detect import Detector
from bioclip_search.detectors.boxes import Detection
from bioclip_search.errors import PictureError
from bioclip_search.evaluation.resample import Figure, divided, mean_of, share, with_intervals
from bioclip_search.images import open_picture
from bioclip_search.results import Failure

OVERLAPS = np.round(np.arange(0.5, 1.0, 0.05), 2)
RECALLS = np.linspace(0, 1, 101)
MOST_FINDS = 100
AREAS_PX = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, float("inf"))}

LEAST_CONFIDENCE = 0.01
"""Finds below this are not asked for: they come after all others and hardly move the figures."""


@dataclass(frozen=True, eq=False)
class Looked:
    """What a detector found in the pictures that could be read, beside what is there.

    Attributes:
        rows: The row of each such picture in its set; () where nobody needs to open it again.
        used_confidence: What `identify` asks of this detector.
    """

    found: tuple[tuple[Detection, ...], ...]
    true: tuple[tuple[TrueBox, ...], ...]
    failures: tuple[Failure, ...]
    rows: tuple[int, ...] = ()
    used_confidence: float = DETECTOR_CONFIDENCE


@dataclass(frozen=True, eq=False)
class Matched:
    """All finds of one category, the most confident first, against the true boxes of n pictures.

    Attributes:
        pictures: (f,) the picture of each find.
        right: (o, f) bool, whether it takes a true box at each overlap; `counts` (o, f): whether it is right or wrong at all.
        true_per_picture: (n,) int, true boxes that count.
    """

    pictures: np.ndarray
    right: np.ndarray
    counts: np.ndarray
    true_per_picture: np.ndarray

    @cached_property
    def right_at(self) -> list[np.ndarray]:
        """The places of right finds at each overlap."""
        return [np.flatnonzero(row) for row in self.right]

    @cached_property
    def counted_at(self) -> list[np.ndarray]:
        """The places of finds that are right or wrong at each overlap, once if they are the same at all: without crowds they are."""
        rows = self.counts[:1] if (self.counts == self.counts[:1]).all() else self.counts
        return [np.flatnonzero(row) for row in rows]

    @cached_property
    def counted_before(self) -> list[np.ndarray]:
        """For each right find its place among those that count."""
        several = self.counted_at * len(self.right) if len(self.counted_at) == 1 else self.counted_at
        return [np.searchsorted(counted, right) for counted, right in zip(several, self.right_at, strict=True)]


def look(detector: Detector, boxed: BoxedSet, wanted: np.ndarray, progress: Callable[[int, int], None] | None = None) -> Looked:
    """What the detector finds in the wanted pictures, (n,) bool, one after the other; those that cannot be read are told."""
    rows = np.flatnonzero(wanted).tolist()
    found, true, failures, seen = [], [], [], []
    for done, (row, picture) in enumerate(zip(rows, boxed.pictures(wanted), strict=True), start=1):
        try:
            found.append(tuple(detector.detect([open_picture(picture)], LEAST_CONFIDENCE)[0]))
            true.append(boxed.boxes[row])
            seen.append(row)
        except PictureError as error:
            failures.append(Failure(boxed.names[row], str(error)))
        if progress:
            progress(done, len(rows))
    return Looked(tuple(found), tuple(true), tuple(failures), tuple(seen), confidence_of(detector))


def comparable(looked: Looked, by_category: bool) -> tuple[list[list[Detection]], list[list[TrueBox]]]:
    """The finds that are organisms, and the true boxes, of each picture; all of one category unless categories count."""
    finds = [[one for one in several if is_organism(one.category)] for several in looked.found]
    if by_category:
        return finds, [list(several) for several in looked.true]
    return [[replace(one, category=ORGANISM) for one in several] for several in finds], [
        [replace(box, category=ORGANISM) for box in several] for several in looked.true
    ]


def categories_of_true(true: Sequence[Sequence[TrueBox]]) -> list[str]:
    """The categories that have a true box which counts, sorted."""
    return sorted({box.category for several in true for box in several if not box.is_crowd})


def detection_figures(looked: Looked, *, by_category: bool = False) -> dict[str, float]:
    """The figures, flat, with `_low` and `_high` over the pictures (bootstrap).

    `pictures`, `boxes`: how many. `map50`, `map75`, `map`: rule 4. `recall50`, `recall50_small` …: share of the true boxes that
    are found at an overlap of 0.5, whatever the confidence. `ar100`: that share, mean over the overlaps. `found`: share
    found at 0.5 with the confidence that `identify` asks for, `found_per_picture`: finds with it in a picture.

    Args:
        by_category: Whether a find must also bear the category of the box.
    """
    counts, figures = drawn_figures(looked, by_category)
    return counts | with_intervals(figures, len(looked.true))


def drawn_figures(looked: Looked, by_category: bool) -> tuple[dict[str, int], dict[str, Figure]]:
    """The counts, and each figure as a function of how often each picture counts; without a true box there is no figure."""
    finds, true = comparable(looked, by_category)
    categories = categories_of_true(true)
    matched = [match_boxes(finds, true, category) for category in categories]
    counts = {"pictures": len(true), "boxes": int(sum(one.true_per_picture.sum() for one in matched)), "categories": len(categories)}
    return counts, _figures(finds, true, matched, categories, looked.used_confidence) if matched else {}


def match_boxes(
    found: Sequence[Sequence[Detection]],
    true: Sequence[Sequence[TrueBox]],
    category: str,
    overlaps: np.ndarray = OVERLAPS,
    area_px: tuple[float, float] = (0.0, float("inf")),
) -> Matched:
    """Rules 1 and 2 for one category. True boxes of another area take finds that then do not count; so do finds of another area that take none."""
    pictures, confidence, right, counts, n_true = [], [], [], [], []
    for number, (finds, boxes) in enumerate(zip(found, true, strict=True)):
        finds = sorted((one for one in finds if one.category == category), key=lambda one: -one.confidence)[:MOST_FINDS]
        boxes = [box for box in boxes if box.category == category]
        ignored = np.array([box.is_crowd or not area_px[0] <= _area(box.box_xyxy) < area_px[1] for box in boxes], bool)
        is_right, is_ignored = _match_picture(finds, boxes, ignored, overlaps)
        outside = np.array([not area_px[0] <= _area(one.box_xyxy) < area_px[1] for one in finds], bool)
        right.append(is_right & ~is_ignored)
        counts.append(~is_ignored & (is_right | ~outside))
        pictures += [number] * len(finds)
        confidence += [one.confidence for one in finds]
        n_true.append(int((~ignored).sum()))
    order = np.argsort(-np.array(confidence, np.float64), kind="stable")
    shape = (len(overlaps), 0)
    return Matched(
        pictures=np.array(pictures, np.int64)[order],
        right=np.concatenate([np.empty(shape, bool), *right], axis=1)[:, order],
        counts=np.concatenate([np.empty(shape, bool), *counts], axis=1)[:, order],
        true_per_picture=np.array(n_true, np.int64),
    )


def average_precisions(matched: Matched, weights: np.ndarray) -> np.ndarray:
    """Rule 3 at every overlap, (o,), where each picture counts `weights` times, (n,); NaN where there is no true box.

    Subtle: precision is highest just after a right find, and recall grows only there, so only those places are looked at.
    """
    n_true = float(weights @ matched.true_per_picture)
    if n_true == 0:
        return np.full(len(matched.right), np.nan)
    counted = weights[matched.pictures]  # (f,)
    finds = [np.cumsum(counted[rows]) for rows in matched.counted_at]
    found = np.zeros(len(matched.right))
    for number, (rows, before) in enumerate(zip(matched.right_at, matched.counted_before, strict=True)):
        right = np.cumsum(counted[rows])  # (r,)
        of = finds[number if len(finds) > 1 else 0][before]
        precision = np.divide(right, of, out=np.zeros_like(right), where=of > 0)
        best_ahead = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(right / n_true, RECALLS, side="left")
        found[number] = best_ahead[places[places < len(rows)]].sum() / len(RECALLS)
    return found


def _match_picture(finds: Sequence[Detection], boxes: Sequence[TrueBox], ignored: np.ndarray, overlaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each find takes a box, and whether that is one that does not count: (o, f) bool each."""
    shape = (len(overlaps), len(finds))
    is_right, is_ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    if not boxes or not finds:
        return is_right, is_ignored
    order = np.argsort(ignored, kind="stable")  # those that count first
    crowd = np.array([boxes[place].is_crowd for place in order], bool)
    ignored = ignored[order]
    iou = overlaps_of(np.array([one.box_xyxy for one in finds]), np.array([boxes[place].box_xyxy for place in order]), crowd)  # (f, t)
    for level, needed in enumerate(overlaps):
        is_free = np.ones(len(boxes), bool)
        for find in range(len(finds)):
            usable = np.where((is_free | crowd) & (iou[find] >= needed), iou[find], -1.0)
            if (usable[~ignored] >= 0).any():  # a box that counts goes before one that does not, however much that overlaps
                usable = np.where(ignored, -1.0, usable)
            if usable.max() >= 0:
                taken = len(usable) - 1 - int(np.argmax(usable[::-1]))  # of equal overlaps COCO takes the last
                is_free[taken] = False
                is_right[level, find], is_ignored[level, find] = True, ignored[taken]
    return is_right, is_ignored


def overlaps_of(found: np.ndarray, true: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Intersection over union of every find with every true box, (f, t); over the find's own area with crowd regions."""
    left_top = np.maximum(found[:, None, :2], true[None, :, :2])
    right_bottom = np.minimum(found[:, None, 2:], true[None, :, 2:])
    shared = np.prod(np.maximum(right_bottom - left_top, 0), axis=2)  # (f, t)
    of_found, of_true = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (found, true))
    whole = np.where(crowd, of_found[:, None], of_found[:, None] + of_true - shared)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def _figures(
    finds: Sequence[Sequence[Detection]], true: Sequence[Sequence[TrueBox]], matched: Sequence[Matched], categories: Sequence[str], used: float
) -> dict[str, Figure]:
    """The figures as functions of how often each picture counts; one pass over a draw serves all precisions."""
    kept: list[tuple[np.ndarray, np.ndarray]] = []

    def precisions(weights: np.ndarray) -> np.ndarray:  # (b, o)
        if not kept or kept[0][0] is not weights:
            of_categories = np.array([[average_precisions(one, row) for row in weights] for one in matched])  # (c, b, o)
            known = ~np.isnan(of_categories)
            kept[:] = [(weights, divided(np.where(known, of_categories, 0).sum(axis=0), known.sum(axis=0)))]
        return kept[0][1]

    all_true = np.sum([one.true_per_picture for one in matched], axis=0)
    figures: dict[str, Figure] = {
        "map50": lambda weights: precisions(weights)[:, 0],
        "map75": lambda weights: precisions(weights)[:, int(np.argmax(OVERLAPS == 0.75))],
        "map": lambda weights: precisions(weights).mean(axis=1),
        "ar100": share(np.mean([_taken(one, slice(None)) for one in matched], axis=0) * len(matched), all_true),
        "recall50": share(sum(_taken(one, slice(0, 1)) for one in matched), all_true),
    }
    for size, area_px in AREAS_PX.items():
        of_size = [match_boxes(finds, true, category, OVERLAPS[:1], area_px) for category in categories]
        figures[f"recall50_{size}"] = share(sum(_taken(one, slice(None)) for one in of_size), np.sum([one.true_per_picture for one in of_size], axis=0))
    sure = [[one for one in several if one.confidence >= used] for several in finds]
    of_sure = [match_boxes(sure, true, category, OVERLAPS[:1]) for category in categories]
    figures["found"] = share(sum(_taken(one, slice(None)) for one in of_sure), all_true)
    figures["found_per_picture"] = mean_of(np.array([len(several) for several in sure]))
    return figures


def _taken(matched: Matched, overlaps: slice) -> np.ndarray:
    """True boxes found in each picture, (n,), mean over some of the overlaps."""
    n = len(matched.true_per_picture)
    return np.mean([np.bincount(matched.pictures, row, minlength=n) for row in matched.right[overlaps].astype(np.float64)], axis=0)


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
