"""What mAP50 would gain if the errors of one class were mended and all else stayed: TIDE's dAP, with its interval over the pictures.

Which find is what is left to `kinds`, average precision to `detection`.

How a class is mended (Bolya et al. 2020, section 2.3; tidecv/errors/main_errors.py):

    misplaced, wrong category   the find gets the box and category of the true box that it is meant for. Where that one is
                                taken, or a surer find of the class is meant for it too, the find is dropped instead (TIDE asks
                                for a surer find of either class; the two differ where boxes have several categories)
    the other finds             are dropped
    missed                      the true box is taken out, as nobody can tell with which confidence it would have been found
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bioclip_search.boxed.sets import TrueBox
from bioclip_search.detectors.boxes import Detection
from bioclip_search.evaluation.box_errors.kinds import KINDS, MISCALLED, MISPLACED, MISSED, RIGHT, Judged
from bioclip_search.evaluation.detection import OVERLAPS, average_precisions, categories_of_true, match_boxes
from bioclip_search.evaluation.resample import divided, with_intervals

Boxes = tuple[list[list[Detection]], list[list[TrueBox]]]


def error_gains(found: Sequence[Sequence[Detection]], true: Sequence[Sequence[TrueBox]], judged: Sequence[Judged]) -> dict[str, float]:
    """`map50`, and for each of `KINDS` that occurs `KIND_gain`, flat, each with `_low` and `_high` (bootstrap over the pictures).

    Args:
        judged: Of all finds, whatever their confidence, as average precision goes through all of them.
    """
    categories = categories_of_true(true)
    if not categories:
        return {}
    now = _mean_precision(found, true, categories)
    figures = {"map50": now}
    for kind in KINDS:
        if any(one.kind == kind for one in judged):
            then = _mean_precision(*mended(found, true, judged, kind), categories)
            figures[f"{kind}_gain"] = lambda weights, then=then: then(weights) - now(weights)
    return with_intervals(figures, len(true))


def mended(found: Sequence[Sequence[Detection]], true: Sequence[Sequence[TrueBox]], judged: Sequence[Judged], kind: str) -> Boxes:
    """The finds and true boxes of each picture as they would be without the errors of this class."""
    finds, boxes = [list(several) for several in found], [list(several) for several in true]
    taken = {(one.picture, one.place) for one in judged if one.kind == RIGHT}
    for one in judged:  # surest first within a picture, so that the surest of a class gets the box
        if one.kind != kind:
            continue
        if kind == MISSED:
            boxes[one.picture] = [box for box in boxes[one.picture] if box is not one.true]
            continue
        row = next(row for row, find in enumerate(finds[one.picture]) if find is one.find)
        is_mendable = kind in (MISPLACED, MISCALLED) and (one.picture, one.place) not in taken
        finds[one.picture][row : row + 1] = [replace(one.find, box_xyxy=one.true.box_xyxy, category=one.true.category)] if is_mendable else []
        taken.add((one.picture, one.place))
    return finds, boxes


def _mean_precision(found: Sequence[Sequence[Detection]], true: Sequence[Sequence[TrueBox]], categories: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
    """mAP50 as a function of how often each picture counts; a block of draws that is asked for again is not computed again."""
    matched = [match_boxes(found, true, category, OVERLAPS[:1]) for category in categories]
    kept: list[tuple[np.ndarray, np.ndarray]] = []

    def figure(weights: np.ndarray) -> np.ndarray:
        if not kept or kept[0][0] is not weights:
            each = np.array([[average_precisions(one, row)[0] for row in weights] for one in matched])  # (c, b)
            known = ~np.isnan(each)
            kept[:] = [(weights, divided(np.where(known, each, 0).sum(axis=0), known.sum(axis=0)))]
        return kept[0][1]

    return figure
