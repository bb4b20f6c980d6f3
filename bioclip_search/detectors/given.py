"""Boxes that somebody's detector found before, as if ours had found them now.

Reading them from other programs' files is left to `sources`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from bioclip_search.detectors.boxes import NOT_WILDLIFE, WILDLIFE, Detection
from bioclip_search.media import GivenBox

SPELLINGS = {"human": "person", "people": "person", "persons": "person", "humans": "person", "vehicles": "vehicle", "animals": "animal", "plants": "plant"}
"""What others call our general categories; "human" is Camtrap DP's word for a person."""


def detections_of(boxes: Iterable[GivenBox], size_wh: tuple[int, int], min_confidence: float) -> list[Detection]:
    """The usable boxes in pixels of the upright picture, clipped to it; the most confident first, ties by box.

    Boxes below `min_confidence` are left out; so are those that `is_usable` refuses (readers of files tell of them, see `sources.given`), and those that lie beside the picture.

    >>> detections_of([GivenBox((0.25, 0.5, 0.5, 0.75), 0.9, "Human")], (80, 40), 0.2)  # reaches 10 px below the picture
    [Detection(box_xyxy=(20.0, 20.0, 60.0, 40.0), confidence=0.9, category='person')]
    """
    found = [_detection(box, size_wh) for box in boxes if is_usable(box) and box.confidence >= min_confidence]
    return sorted((one for one in found if one is not None), key=lambda one: (-one.confidence, one.box_xyxy, one.category))


def is_usable(box: GivenBox) -> bool:
    """Whether it has a category, a confidence from 0 to 1, and an area of which some lies within the picture."""
    left, top, width, height = box.box_xywhn
    if not all(map(math.isfinite, (*box.box_xywhn, box.confidence))) or not box.category.strip():
        return False
    return width > 0 and height > 0 and left < 1 and top < 1 and left + width > 0 and top + height > 0 and 0 <= box.confidence <= 1


def category_of(word: str) -> str:
    """Our word for a general category, however it is spelt; any other category as it stands.

    >>> category_of("Human"), category_of("ANIMAL"), category_of("Procyon lotor")
    ('person', 'animal', 'Procyon lotor')
    """
    even = SPELLINGS.get(word.strip().lower(), word.strip().lower())
    return even if even in (*WILDLIFE, *NOT_WILDLIFE) else word.strip()


def _detection(box: GivenBox, size_wh: tuple[int, int]) -> Detection | None:
    """None where rounding leaves the box no area."""
    left, top, width, height = box.box_xywhn
    shares = left, top, left + width, top + height
    edges = tuple(min(max(share, 0.0), 1.0) * size_wh[n % 2] for n, share in enumerate(shares))
    return Detection(edges, box.confidence, category_of(box.category)) if edges[0] < edges[2] and edges[1] < edges[3] else None
