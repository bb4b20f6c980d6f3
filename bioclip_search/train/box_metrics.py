"""How good boxes are: the average precision of one category at one overlap, and the recall at one confidence.

Which pictures are looked at is left to the caller.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bioclip_search.detectors.boxes import Box, Detection, box_iou


def average_precision_score(found: Sequence[Sequence[Detection]], true: Sequence[Sequence[Box]], min_iou: float) -> float:
    """The area under precision over recall, in [0, 1]; NaN where there are no true boxes.

    1. All detections of all pictures are taken in order of confidence, ties in the order given.
    2. Each takes the free true box of its picture that it overlaps most; with at least `min_iou` it is a hit.
    3. At every recall counts the best precision that is reached at that recall or a higher one (all points, as
       PASCAL VOC has it since 2010; Everingham et al., IJCV 2015).
    """
    n_true = sum(map(len, true))
    if not n_true:
        return float("nan")
    hits = _hits(found, true, min_iou)  # (n,)
    if not len(hits):
        return 0.0
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)  # (n,)
    best_ahead = np.maximum.accumulate(precision[::-1])[::-1]  # (n,)
    return float(best_ahead[hits].sum() / n_true)


def recall_score(found: Sequence[Sequence[Detection]], true: Sequence[Sequence[Box]], min_iou: float) -> float:
    """The share of true boxes that are hit, in [0, 1]; NaN where there are none."""
    n_true = sum(map(len, true))
    return float(_hits(found, true, min_iou).sum() / n_true) if n_true else float("nan")


def _hits(found: Sequence[Sequence[Detection]], true: Sequence[Sequence[Box]], min_iou: float) -> np.ndarray:
    """For each detection, most confident first, whether it hits: (n,) bool."""
    ranked = [(one, picture) for picture, several in enumerate(found) for one in several]
    ranked.sort(key=lambda entry: -entry[0].confidence)
    free = [list(boxes) for boxes in true]
    hits = np.zeros(len(ranked), bool)
    for i, (one, picture) in enumerate(ranked):
        overlaps = [box_iou(one.box_xyxy, box) for box in free[picture]]
        if overlaps and max(overlaps) >= min_iou:
            free[picture].pop(overlaps.index(max(overlaps)))
            hits[i] = True
    return hits
