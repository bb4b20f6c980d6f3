"""Makes the people in a picture unrecognisable, for good: what is left of each is a handful of flat, blurred colours.

Where the people are is told by a detector, or by a person; which pictures are written is left to who writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from PIL import Image

from bioclip_search.detectors.boxes import crop_box

if TYPE_CHECKING:
    from bioclip_search.detectors.boxes import Box

MARGIN = 0.1
"""Added around a box on every side, as a fraction of its longer side: hair and hands stick out of boxes."""

CELLS = 5
"""Cells along the longer side of what is hidden. A head is an eighth of a standing person's height, so it does not even fill a
cell. Mosaics must be as coarse as this: machines still told faces apart in some that people could not read (McPherson, Shokri &
Shmatikov, Defeating Image Obfuscation with Deep Learning, 2016)."""

COLOUR_STEP = 16
"""Colours of cells are rounded to multiples of this, of 256, so that no trace of a detail is left in their last bits."""


def blur_people(picture: Image.Image, boxes_xyxy: Iterable[Box]) -> Image.Image:
    """A copy of an RGB picture in which the content of each box, and a margin around, is gone; without boxes, just a copy.

    A box keeps CELLS x CELLS colours at the most, each of 17 steps a channel; everything else that was in it cannot be had
    back, by whatever means. The copy carries no EXIF, whose thumbnail would show the people again.

    Raises:
        ValueError: A box is not finite or upside down.
    """
    blurred = Image.frombytes("RGB", picture.size, picture.convert("RGB").tobytes())
    for box in boxes_xyxy:
        area = crop_box(box, picture.size, MARGIN)
        blurred.paste(_hidden(blurred.crop(area)), area[:2])
    return blurred


def _hidden(part: Image.Image) -> Image.Image:
    cell_px = max(part.size) / CELLS
    cells = part.resize(tuple(max(1, round(side / cell_px)) for side in part.size), Image.Resampling.BOX)
    even = cells.point(lambda value: min(255, round(value / COLOUR_STEP) * COLOUR_STEP))
    return even.resize(part.size, Image.Resampling.BICUBIC)


def knows_people(categories: Sequence[str] | None) -> bool | None:
    """Whether a detector of these categories can tell where people are; None where nobody knows which it has."""
    return None if categories is None else "person" in categories
