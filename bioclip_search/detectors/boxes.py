"""What a detector answers, and the pure geometry and naming of its boxes.

Knows no model, file or framework; `yolo` makes the boxes, `detect` is where the rest of the package finds them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; right and bottom lie just outside."""

NMS_MAX_IOU = 0.45
"""Of two boxes of one category that overlap by more than this (intersection over union) the less confident is
dropped. Source: `nms_iou_thres` of MegaDetector's pytorch_detector.py in its "classic" mode."""

CROP_MARGIN = 0.05
"""Added around a box on every side before cutting, as a fraction of its longer side: boxes clip tails and antennae.
A choice of this project, not a measured optimum."""

WILDLIFE = ("animal", "plant", "organism")
"""The general categories that are cropped and named; see `is_wildlife`."""

NOT_WILDLIFE = ("person", "vehicle")
"""The categories that are reported with their box but never sent to the species index."""

_COCO_ANIMALS = frozenset(["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"])
_COCO_VEHICLES = frozenset(["bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"])
_COCO_MARKS = frozenset({"person", "traffic light", "potted plant", "teddy bear", "toothbrush"})
"""Class names that stand together in COCO's eighty and in no wildlife model."""


@dataclass(frozen=True)
class Detection:
    """One thing found: its box in pixels of the upright picture, clipped to it, and how sure the detector is."""

    box_xyxy: Box
    confidence: float
    category: str


def is_wildlife(category: str) -> bool:
    """Whether boxes of this category are cropped and named: all but people and vehicles.

    A detector trained on other class names ("Procyon lotor", "flower head") keeps them, so this asks what a
    category is not; the general ones are listed in `WILDLIFE`.
    """
    return category not in NOT_WILDLIFE


def category_names(classes: Mapping[int, str]) -> dict[int, str | None]:
    """The category of every class of a model, None for classes whose boxes are dropped.

    A model of the 80 COCO classes: its ten animals become "animal", the potted plant "plant", a person "person",
    the eight vehicles "vehicle", everything else is dropped. Any other model keeps its own names; only the spelling
    of the general categories is made even.

    >>> category_names({0: "Animal", 1: "person", 2: "vehicle"})
    {0: 'animal', 1: 'person', 2: 'vehicle'}
    >>> category_names({0: "Procyon lotor", 1: "bird"})
    {0: 'Procyon lotor', 1: 'bird'}
    """
    if set(classes.values()) >= _COCO_MARKS:
        return {number: _coco_category(name) for number, name in classes.items()}
    general = {*WILDLIFE, *NOT_WILDLIFE}
    return {number: name.lower() if name.lower() in general else name for number, name in classes.items()}


def _coco_category(name: str) -> str | None:
    if name in _COCO_ANIMALS:
        return "animal"
    if name in _COCO_VEHICLES:
        return "vehicle"
    return {"person": "person", "potted plant": "plant"}.get(name)


def crop_box(box_xyxy: Box, size_wh: tuple[int, int], margin: float = CROP_MARGIN) -> tuple[int, int, int, int]:
    """The pixels to cut out for a box: widened by the margin, rounded outwards, clipped, never empty.

    A box that lies outside the picture gives the pixels at the edge nearest to it.

    >>> crop_box((10, 10, 30, 20), (100, 100), margin=0.1)  # 0.1 of the longer side is 2 px
    (8, 8, 32, 22)

    Raises:
        ValueError: The box is not finite or upside down, the picture has no pixels, or the margin is negative.
    """
    left, top, right, bottom = box_xyxy
    if not all(map(math.isfinite, box_xyxy)) or right < left or bottom < top:
        raise ValueError(f"Expected a box (left, top, right, bottom) of finite pixels, got {box_xyxy}.")
    if min(size_wh) < 1 or not 0 <= margin < math.inf:
        raise ValueError(f"Expected a picture of at least 1 x 1 px and a margin >= 0, got {size_wh} and {margin}.")
    pad = margin * max(right - left, bottom - top)
    x1, x2 = _crop_span(left - pad, right + pad, size_wh[0])
    y1, y2 = _crop_span(top - pad, bottom + pad, size_wh[1])
    return x1, y1, x2, y2


def _crop_span(start: float, stop: float, length: int) -> tuple[int, int]:
    first = min(max(math.floor(start), 0), length - 1)
    return first, max(min(math.ceil(stop), length), first + 1)


def drop_duplicates(detections: Iterable[Detection], max_iou: float = NMS_MAX_IOU) -> list[Detection]:
    """The detections without those that repeat a stronger one of their category, most confident first, ties by box.

    Needed beside the model's own suppression, which works per class: COCO models call one raccoon "cat" and "bear",
    which are both "animal" here. Boxes of different categories never suppress each other: a rider keeps the horse.
    """
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda d: (-d.confidence, d.box_xyxy, d.category)):
        rivals = (other for other in kept if other.category == one.category)
        if all(box_iou(one.box_xyxy, rival.box_xyxy) <= max_iou for rival in rivals):
            kept.append(one)
    return kept


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]; 0 where both are without area.

    >>> box_iou((0, 0, 2, 2), (1, 0, 3, 2))  # 2 shared of 4 + 4 - 2 = 6
    0.3333333333333333
    """
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0
