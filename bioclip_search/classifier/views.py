"""Further looks at a picture, so that a head learns what does not matter: mirrored, nearer, in other light.

A view of a set is a set again, with pictures of its own; what an encoder makes of it is left to `features`.

The snow-leopard study mirrored its pictures (Sorkin, "Saving Snow Leopards with Deep Learning and Computer Vision on Spark",
2016, Microsoft; Hamilton et al., "Flexible and Scalable Deep Learning with MMLSpark", 2018); the stronger views are what one camera
shows of one animal from frame to frame. They are fixed, not drawn, so that vectors can be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageOps

from bioclip_search.errors import PictureError
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.images import open_picture

PLAIN = "plain"
NEAR_SHARE = 0.75
"""Side of the part that a nearer look shows, of the picture's: what RandomResizedCrop(0.5, 1) of area shows on average, about."""

BRIGHT, DARK = 1.4, 0.6
"""Light beside the picture's own, as factors: the ends of torchvision's ColorJitter(brightness=0.4), a common choice."""

ENOUGH = 2
"""Pictures are opened no larger than so many times what the encoder needs, for a nearer look needs more."""


def _mirrored(picture: PIL.Image.Image) -> PIL.Image.Image:
    return PIL.ImageOps.mirror(picture)


def _part(picture: PIL.Image.Image, across: float, down: float) -> PIL.Image.Image:
    """A part of the picture; `across` and `down` say where, from 0 (left, top) to 1."""
    width, height = (max(1, round(side * NEAR_SHARE)) for side in picture.size)
    left, top = round((picture.width - width) * across), round((picture.height - height) * down)
    return picture.crop((left, top, left + width, top + height))


def _nearer(picture: PIL.Image.Image) -> PIL.Image.Image:
    return _part(picture, 0.5, 0.5)


def _left_in_sun(picture: PIL.Image.Image) -> PIL.Image.Image:
    return PIL.ImageEnhance.Brightness(_part(picture, 0.0, 0.5)).enhance(BRIGHT)


def _right_at_dusk(picture: PIL.Image.Image) -> PIL.Image.Image:
    return PIL.ImageEnhance.Brightness(_mirrored(_part(picture, 1.0, 0.5))).enhance(DARK)


def _infrared(picture: PIL.Image.Image) -> PIL.Image.Image:
    return PIL.ImageOps.grayscale(picture).convert("RGB")


LOOKS: dict[str, Callable[[PIL.Image.Image], PIL.Image.Image]] = {
    "mirrored": _mirrored,
    "nearer": _nearer,
    "left-in-sun": _left_in_sun,
    "right-at-dusk": _right_at_dusk,
    "infrared": _infrared,
}
"""Each look and what it makes of an upright RGB picture. Whoever changes one gives it another name, for vectors are kept by it."""

VIEWS = {"none": (PLAIN,), "flip": (PLAIN, "mirrored"), "strong": (PLAIN, *LOOKS)}
"""What `--views` takes: the picture itself, always first, and the looks beside it."""


def look_at(labelled: LabelledSet, look: str, needed_px: int) -> LabelledSet:
    """The set as one look shows it; `PLAIN` is the set itself. Pictures are opened as they are asked for.

    Args:
        needed_px: The short side that the encoder needs.
    """
    if look == PLAIN:
        return labelled
    state = None if labelled.state is None else partial(_state, labelled.state, look)
    return replace(labelled, pictures=partial(_looked_at, labelled.pictures, LOOKS[look], ENOUGH * needed_px), state=state, known=None)


def _state(state: Callable[[], str], look: str) -> str:
    return f"{state()}\nlook {look}"


def _looked_at(pictures: Callable[[np.ndarray], Iterator[Any]], look: Callable, enough_px: int, wanted: np.ndarray) -> Iterator[Any]:
    """What cannot be opened comes as it is, for it will tell why."""
    for picture in pictures(wanted):
        try:
            opened = open_picture(picture, enough_px=enough_px)
        except PictureError:
            yield picture
        else:
            yield look(opened)
