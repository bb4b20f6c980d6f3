"""Looks into every picture of sets with boxes: reads its size, leaves out what cannot be read, and mends the boxes that do not fit.

Decoding is left to `images`, the words for what was found to `report`.

What becomes of a box, the first that holds:

1. It lies outside its picture, or shares less than `LEAST_PX` of it: left out.
2. It reaches beyond its picture: cut off at the edge.
3. One of its category and place stands before it in the same picture: left out.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, TrueBox, kept, told_column
from bioclip_search.boxed.bursts import with_bursts
from bioclip_search.boxed.report import (
    CLIPPED,
    CORRUPT,
    CROWD,
    DOUBLED,
    FLAT,
    NO_BOX,
    ONE_PICTURE,
    OUTSIDE,
    SIZE,
    STRADDLES,
    TWICE,
    BoxReport,
    Counting,
)
from bioclip_search.detectors.boxes import Box
from bioclip_search.errors import PictureError
from bioclip_search.exif import facts_of
from bioclip_search.images import MAX_FILE_BYTES, decode, open_file
from bioclip_search.stream import work_ahead

LEAST_PX = 0.5
"""A box of which less than this is inside its picture, in pixels of either side, holds nothing to be seen."""

BEYOND_PX = 0.01
"""A box that reaches beyond its picture by no more than this, in pixels, was rounded, and is cut off without a word."""

SAME_DIGITS = 3
"""Two boxes are one if their sides agree to so many decimals of a pixel."""

ENOUGH_PX = 32
"""The short side to which a JPEG is decoded: every byte of it is read, so that a torn one is known, at an eighth of the work."""


@dataclass(frozen=True)
class _Looked:
    """What the bytes of a picture tell."""

    size_wh: tuple[int, int] = (0, 0)
    content: str = ""
    taken: str | None = None
    error: str | None = None


def examine(sets: Sequence[BoxedSet], progress: Callable[[int, int], None] | None = None) -> tuple[list[BoxedSet], BoxReport]:
    """The sets without the pictures that cannot be read, their boxes mended, sizes, contents and bursts filled in; and what there was to tell.

    Each picture is read once, one after the other; only sizes and hashes are kept.
    """
    counting, sound, done = Counting(), [], 0
    total = sum(map(len, sets))
    for boxed in sets:
        looked = []
        for one in work_ahead(_look, boxed.pictures(np.ones(len(boxed), bool))):
            looked.append(one)
            done += 1
            if progress:
                progress(done, total)
        sound.append(_examined(boxed, looked, counting))
    sound = with_bursts(sound)
    _tell_repeats(sound, counting)
    classes = _tell_categories(sound, counting)
    counts = [len(several) for boxed in sound for several in boxed.boxes]
    notes = tuple(note for boxed in sound for note in boxed.notes)
    return sound, BoxReport(len(counts), counts.count(0), sum(counts), len(classes), counting.found(), notes)


def mended_boxes(boxes: Iterable[TrueBox], size_wh: tuple[int, int], tell: Callable[[str], Any] = lambda kind: None) -> tuple[TrueBox, ...]:
    """The boxes by the rules above; `tell` is called with the kind of each that did not fit.

    >>> mended_boxes([TrueBox((-4.0, 2.0, 6.0, 9.0), "Puma"), TrueBox((20.0, 0.0, 30.0, 5.0), "Puma")], (10, 10))
    (TrueBox(box_xyxy=(0.0, 2.0, 6.0, 9.0), category='Puma', is_crowd=False),)
    """
    found: dict[tuple, TrueBox] = {}
    for box in boxes:
        inside = _clipped(box.box_xyxy, size_wh)
        if inside is None:
            tell(OUTSIDE)
            continue
        if max(abs(a - b) for a, b in zip(inside, box.box_xyxy, strict=True)) > BEYOND_PX:
            tell(CLIPPED)
        key = (box.category, *(round(side, SAME_DIGITS) for side in inside))
        if key in found:
            tell(DOUBLED)
            continue
        if box.is_crowd:
            tell(CROWD)
        found[key] = replace(box, box_xyxy=inside)
    return tuple(found.values())


def _clipped(box_xyxy: Box, size_wh: tuple[int, int]) -> Box | None:
    """The part of the box that lies in the picture, None if there is hardly any; a box smaller than `LEAST_PX` itself must lie in it whole."""
    left, top, right, bottom = box_xyxy
    width, height = size_wh
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    enough = (min(LEAST_PX, right - left), min(LEAST_PX, bottom - top))
    return inside if inside[2] - inside[0] >= enough[0] and inside[3] - inside[1] >= enough[1] else None


def _look(picture: bytes | str | Path) -> _Looked:
    try:
        data = picture if isinstance(picture, bytes) else _bytes_of(picture)
        opened = decode(io.BytesIO(data), len(data), enough_px=ENOUGH_PX)
    except PictureError as error:
        return _Looked(error=str(error))
    taken = facts_of(opened.header).timestamp
    return _Looked(opened.size_wh, hashlib.sha256(data).hexdigest(), taken and taken.isoformat())


def _bytes_of(path: str | Path) -> bytes:
    with open_file(path) as (file, size_bytes):
        return file.read(min(size_bytes, MAX_FILE_BYTES + 1))


def _examined(boxed: BoxedSet, looked: Sequence[_Looked], counting: Counting) -> BoxedSet:
    if boxed.dropped:
        counting.add(FLAT, boxed.name, boxed.dropped)
    boxes = []
    for row, (several, one) in enumerate(zip(boxed.boxes, looked, strict=True)):
        name = boxed.names[row]
        told = (0, 0) if boxed.sizes_wh is None else tuple(boxed.sizes_wh[row].tolist())
        if one.error is not None:
            counting.add(CORRUPT, f"{name} ({one.error})")
        elif min(told) > 0 and told != one.size_wh:
            counting.add(SIZE, f"{name} ({told[0]} × {told[1]}, is {one.size_wh[0]} × {one.size_wh[1]})")
        boxes.append(() if one.error is not None else mended_boxes(several, one.size_wh, lambda kind, name=name: counting.add(kind, name)))
    filled = replace(
        boxed,
        boxes=tuple(boxes),
        dropped=0,
        taken=told_column(one.taken for one in looked) if boxed.taken is None else boxed.taken,
        sizes_wh=np.array([one.size_wh for one in looked], np.int64).reshape(-1, 2),
        contents=np.array([one.content for one in looked], object),
    )
    is_sound = np.array([one.error is None for one in looked], bool)
    return filled if is_sound.all() else kept(filled, is_sound)


def _tell_repeats(sets: Sequence[BoxedSet], counting: Counting) -> None:
    first: dict[str, tuple[str, str]] = {}
    for boxed in sets:
        for content, name, part in zip(boxed.contents.tolist(), boxed.names, boxed.parts.tolist(), strict=True):
            before, its_part = first.setdefault(content, (name, part))
            if before is not name:
                counting.add(TWICE if part == its_part else STRADDLES, f"{name} = {before}" + ("" if part == its_part else f" ({part} and {its_part})"))


def _tell_categories(sets: Sequence[BoxedSet], counting: Counting) -> Counter[str]:
    """In how many pictures each category has a box."""
    pictures = Counter(category for boxed in sets for several in boxed.boxes for category in {box.category for box in several})
    told = dict.fromkeys(category for boxed in sets for category in boxed.categories)
    counting.add_all(NO_BOX, (category for category in told if category not in pictures))
    counting.add_all(ONE_PICTURE, sorted(category for category, count in pictures.items() if count == 1))
    return pictures
