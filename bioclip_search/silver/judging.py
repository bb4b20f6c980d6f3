"""Whether the boxes that a detector found in a picture may teach another one: the picture is taken whole or not at all.

Pure; looking is left to `writing`. A box that is missing teaches as much wrong as a box that is no organism, for what lies outside of
all boxes is learned as background; so one doubtful find is enough to leave a picture out. The rules, by the first that holds:

1. nothing sure: no find reaches `min_confidence`.
2. doubtful: a find below it, but of `doubt_confidence` or more, is not merely a second box of a sure one.
3. too small: a sure box has a side below `least_px`, where it cannot be told from clutter.
4. looks disagree: another look (a second detector, or the same one at the mirrored picture) has no find of `doubt_confidence` at a
   sure box, or a find of `min_confidence` where no sure box is. Boxes agree that overlap by `iou`.

Confidence thresholds of this kind: Sohn et al., A simple semi-supervised learning framework for object detection (STAC, 2020);
agreement of a second look: Jeong et al., Consistency-based semi-supervised learning for object detection (NeurIPS 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bioclip_search.boxed.sets import is_organism
from bioclip_search.detectors.boxes import Detection, box_iou

TAKEN = "taken"
REASONS = NOTHING_SURE, DOUBTFUL, TOO_SMALL, DISAGREE = ("nothing sure", "a doubtful find", "a box too small", "the looks disagree")

MIN_CONFIDENCE = 0.5
"""A find of it is sure. Detectors differ, so look at a check of the set: of 60 pictures of raccoons and kangaroos that our starter was not
taught, the rules take 19 with it, all boxes right, and 31 with 0.4, 30 of 31 boxes right."""

DOUBT_SHARE = 0.5
"""Finds with this part of the confidence of a sure one are doubtful; as in the recipe of the starter's own silver set (`train.detector_silver`)."""

AGREEMENT_IOU = 0.6
"""Overlap at which two looks agree about a box: stricter than the 0.5 at which a find counts as right, looser than what people agree by."""

LEAST_PX = 8.0
"""Shortest side of a box in pixels, as in the recipe of the starter's own silver set."""


@dataclass(frozen=True)
class SilverRule:
    """How strict to be.

    Attributes:
        doubt_confidence: None for `DOUBT_SHARE` of `min_confidence`.

    Raises:
        ValueError: A number is not in its range.
    """

    min_confidence: float = MIN_CONFIDENCE
    doubt_confidence: float | None = None
    iou: float = AGREEMENT_IOU
    least_px: float = LEAST_PX

    def __post_init__(self) -> None:
        if not 0 < self.doubt <= self.min_confidence <= 1:
            raise ValueError(f"Expected 0 < doubtful ({self.doubt:g}) <= sure ({self.min_confidence:g}) <= 1 of the confidences.")
        if not 0 < self.iou <= 1 or not 0 <= self.least_px < math.inf:
            raise ValueError(f"Expected an overlap above 0 and up to 1 and a side of 0 px or more, got {self.iou:g} and {self.least_px:g}.")

    @property
    def doubt(self) -> float:
        """The least confidence that makes a find doubtful."""
        return DOUBT_SHARE * self.min_confidence if self.doubt_confidence is None else self.doubt_confidence


def judge_picture(finds: Sequence[Detection], others: Sequence[Sequence[Detection]], rule: SilverRule) -> tuple[str, tuple[Detection, ...]]:
    """`TAKEN` with the sure boxes, the surest first, or the reason why not with none.

    Args:
        finds: Of `rule.doubt` confidence or more. People and vehicles are passed over.
        others: What each other look found in the same picture, in its pixels.
    """
    told = sorted((one for one in finds if is_organism(one.category)), key=lambda one: (-one.confidence, one.box_xyxy))
    sure = tuple(one for one in told if one.confidence >= rule.min_confidence)
    if not sure:
        return NOTHING_SURE, ()  # rule 1
    if any(one.confidence >= rule.doubt and not _is_met(one, sure, rule.iou) for one in told[len(sure) :]):
        return DOUBTFUL, ()  # rule 2
    if any(min(one.box_xyxy[2] - one.box_xyxy[0], one.box_xyxy[3] - one.box_xyxy[1]) < rule.least_px for one in sure):
        return TOO_SMALL, ()  # rule 3
    for look in others:
        seen = [one for one in look if is_organism(one.category) and one.confidence >= rule.doubt]
        strong = [one for one in seen if one.confidence >= rule.min_confidence]
        if not all(_is_met(one, seen, rule.iou) for one in sure) or not all(_is_met(one, sure, rule.iou) for one in strong):
            return DISAGREE, ()  # rule 4
    return TAKEN, sure


def _is_met(one: Detection, others: Sequence[Detection], iou: float) -> bool:
    """Whether one of the others overlaps it by `iou`; what they call it is no matter, for detectors have words of their own."""
    return any(box_iou(one.box_xyxy, other.box_xyxy) >= iou for other in others)
