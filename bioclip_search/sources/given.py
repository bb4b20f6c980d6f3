"""Boxes that other people's files tell of, as `GivenBox`, and the few words for their categories that mean something here.

What becomes of them is left to `detectors.given`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bioclip_search.media import GivenBox

ANIMAL, PERSON, VEHICLE = "animal", "person", "vehicle"

PEOPLE = frozenset({"person", "people", "human", "humans", "man", "hiker", "homo sapiens"})
VEHICLES = frozenset({"vehicle", "vehicles", "car", "truck", "bicycle", "motorcycle", "atv"})

NO_BOX = "boxes without an extent within their picture, passed over"


def given_box(xywhn: Any, confidence: Any, category: str) -> GivenBox | None:
    """The box, cut off at the picture's edge; None where the values are no numbers, or nothing of it lies in the picture.

    Args:
        xywhn: Left, top, width and height as shares of the picture.
        confidence: Taken for 1 where none was told.
    """
    numbers = numbers_of(xywhn)
    if numbers is None or not isinstance(confidence, int | float | None) or (confidence is not None and not 0 <= confidence <= 1):
        return None
    left, top, width, height = numbers
    if left < 0 or top < 0 or left + width > 1 or top + height > 1:
        right, bottom = min(left + width, 1.0), min(top + height, 1.0)
        left, top = max(left, 0.0), max(top, 0.0)
        width, height = right - left, bottom - top
    if width <= 0 or height <= 0:
        return None
    return GivenBox((left, top, width, height), 1.0 if confidence is None else float(confidence), category)


def numbers_of(values: Any) -> tuple[float, float, float, float] | None:
    """Four finite numbers; None where it is something else."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 4:
        return None
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return None
    return tuple(float(value) for value in values)  # type: ignore[return-value]


def kind_of(name: str) -> str:
    """What a category of somebody's labels is to a detector: a person, a vehicle, or else an animal."""
    plain = name.strip().lower().replace("_", " ")
    return PERSON if plain in PEOPLE else VEHICLE if plain in VEHICLES else ANIMAL
