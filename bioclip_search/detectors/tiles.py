"""Lets a detector look at large pictures twice, whole and in overlapping tiles, so that small animals are not lost.

A detector scales what it sees to its own input size; an animal of 40 px in a picture of 5,000 is then a few pixels. What a
box is, is left to `boxes`; the idea is that of MegaDetector's run_tiled_inference.py and of SAHI (Akyon et al., ICIP 2022).
The boxes of the views of a picture become one list by these rules:
    1. A box that ends at an edge of its tile, where the picture goes on, is cut.
    2. A cut box of which most lies within a box of another view that is not cut is a part of that one, and is dropped.
    3. Two cut boxes that face each other over a seam, and agree along it, are one animal: their union takes their place.
    4. Of two boxes of different views that overlap by more than the detector itself allows, the less confident is dropped,
       whatever their categories. Boxes of one view never drop each other: the detector has judged them already.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from bioclip_search.detectors.boxes import NMS_MAX_IOU, Box, Detection, box_iou

if TYPE_CHECKING:
    from PIL import Image

TILE_PX = 1280
"""Side of a tile: the input size of MegaDetector v5 and v6, and `default_tile_size` of its run_tiled_inference.py."""

OVERLAP = 0.2
"""Share of a tile that its neighbour shows too: the default of SAHI. MegaDetector takes 0.5, which looks at three times as many tiles."""

MIN_TILE_PX, MAX_OVERLAP = 64, 0.75

CUT_PX = 2.0
"""A box that ends this near an edge of its tile ends there: detectors round to about a pixel."""

COVERED = 0.5
"""Share of a cut box that must lie in a whole one for rule 2: more of it than not. SAHI's threshold for the smaller of two boxes."""

AGREEMENT = 0.5
"""Overlap, intersection over union, of two cut boxes along their seam for rule 3."""

BATCH_VIEWS = 16
"""Tiles that are cut out at once: at 1280 px some 80 MB."""

WHOLE = -1
"""The view of the whole picture."""

LEFT, TOP, RIGHT, BOTTOM = range(4)


@dataclass(frozen=True)
class TiledDetector:
    """Any detector, looking closer; a picture no larger than a tile is looked at once, as without tiles."""

    detector: Any
    tile_px: int = TILE_PX
    overlap: float = OVERLAP

    def __post_init__(self) -> None:
        if self.tile_px < MIN_TILE_PX or not 0 <= self.overlap <= MAX_OVERLAP:
            raise ValueError(f"Expected tiles of at least {MIN_TILE_PX} px and an overlap from 0 to {MAX_OVERLAP}, got {self.tile_px} px and {self.overlap}.")

    @property
    def name(self) -> str:
        return f"{self.detector.name} in tiles of {self.tile_px} px"

    @property
    def fingerprint(self) -> str:
        shaping = (self.detector.fingerprint, self.tile_px, self.overlap, CUT_PX, COVERED, AGREEMENT, NMS_MAX_IOU)
        return hashlib.sha256(repr(shaping).encode()).hexdigest()

    @property
    def in_lanes(self) -> bool:
        """See `lanes.lanes_of`."""
        return getattr(self.detector, "in_lanes", False)

    @property
    def categories(self) -> Any:
        return self.detector.categories

    def detect(self, pictures: Sequence[Image.Image], min_confidence: float) -> list[list[Detection]]:
        """As `Detector.detect`: most confident first, ties by box.

        Raises:
            ModelError: The detector fails while it runs.
            ValueError: `min_confidence` is not in [0, 1].
        """
        found = [[Sight(box, WHOLE) for box in boxes] for boxes in self.detector.detect(pictures, min_confidence)]
        for number, picture in enumerate(pictures):
            if max(picture.size) > self.tile_px:
                found[number] = joined([*found[number], *self._close_looks(picture, min_confidence)])
        return [[sight.detection for sight in sights] for sights in found]

    def _close_looks(self, picture: Image.Image, min_confidence: float) -> Iterator[Sight]:
        tiles = tiles_of(picture.size, self.tile_px, self.overlap)
        for start in range(0, len(tiles), BATCH_VIEWS):
            part = tiles[start : start + BATCH_VIEWS]
            boxes = self.detector.detect([picture.crop(tile) for tile in part], min_confidence)
            for view, (tile, of_tile) in enumerate(zip(part, boxes, strict=True), start=start):
                yield from (_shifted(one, view, tile, picture.size) for one in of_tile)


def tiles_of(size_wh: tuple[int, int], tile_px: int, overlap: float) -> list[tuple[int, int, int, int]]:
    """The tiles (left, top, right, bottom) that cover a picture, row by row, evenly spread and all of one size.

    >>> tiles_of((300, 100), 128, 0.25)  # 128 px tiles, each at most 96 px after the one before
    [(0, 0, 128, 100), (86, 0, 214, 100), (172, 0, 300, 100)]
    """
    (xs, width), (ys, height) = ((_starts(side, min(tile_px, side), overlap), min(tile_px, side)) for side in size_wh)
    return [(x, y, x + width, y + height) for y, x in product(ys, xs)]


def _starts(side: int, tile: int, overlap: float) -> list[int]:
    steps = math.ceil((side - tile) / max(1.0, tile * (1 - overlap)))
    return [round(number * (side - tile) / steps) for number in range(steps + 1)] if steps else [0]


@dataclass(frozen=True)
class Sight:
    """A box in pixels of the picture, the view that it was seen in, and at which of its four sides it is cut."""

    detection: Detection
    view: int
    cut: frozenset[int] = frozenset()

    @property
    def box(self) -> Box:
        return self.detection.box_xyxy


def _shifted(one: Detection, view: int, tile: tuple[int, int, int, int], size_wh: tuple[int, int]) -> Sight:
    """Rule 1."""
    box = tuple(edge + tile[side % 2] for side, edge in enumerate(one.box_xyxy))
    inner = [side for side in range(4) if tile[side] != (0, 0, *size_wh)[side]]
    cut = frozenset(side for side in inner if abs(box[side] - tile[side]) <= CUT_PX)
    return Sight(replace(one, box_xyxy=box), view, cut)


def joined(sights: Sequence[Sight]) -> list[Sight]:
    """The boxes of all views of a picture as one list, by the rules 2 to 4; most confident first, ties by box."""
    kept: list[Sight] = []
    for sight in sorted(_without_parts(_mended(_without_parts(sights))), key=_rank):
        rivals = (other for other in kept if other.view != sight.view)
        if all(box_iou(sight.box, rival.box) <= NMS_MAX_IOU for rival in rivals):
            kept.append(sight)
    return kept


def _without_parts(sights: Sequence[Sight]) -> list[Sight]:
    """Rule 2, before pieces are joined and after."""
    whole = [sight for sight in sights if not sight.cut]
    return [one for one in sights if not one.cut or not any(other.view != one.view and _share_within(one.box, other.box) >= COVERED for other in whole)]


def _rank(sight: Sight) -> tuple[float, Box, str, int]:
    return -sight.detection.confidence, sight.box, sight.detection.category, sight.view


def _mended(sights: Sequence[Sight]) -> list[Sight]:
    """Rule 3, until no two pieces face each other: four pieces of an animal on a corner of tiles become two, then one."""
    pieces, done = [sight for sight in sights if sight.cut], [sight for sight in sights if not sight.cut]
    while pieces:
        one = pieces.pop(0)
        partner = next((other for other in (*pieces, *done) if _face(one, other) or _face(other, one)), None)
        if partner is None:
            done.append(one)
            continue
        pieces, done = ([other for other in some if other is not partner] for some in (pieces, done))
        pieces.append(_union(one, partner))
    return done


def _face(a: Sight, b: Sight) -> bool:
    """Whether a is cut at its right (or lower) side, b at its left (or upper) one, and they meet at the seam and agree along it."""
    if a.view == b.view:
        return False
    for axis in (0, 1):
        near, far = axis, axis + 2
        is_cut = far in a.cut and near in b.cut and b.box[near] <= a.box[far] + 2 * CUT_PX
        if is_cut and a.box[near] <= b.box[near] and a.box[far] <= b.box[far] and _agreement(a.box, b.box, 1 - axis) >= AGREEMENT:
            return True
    return False


def _agreement(a: Box, b: Box, axis: int) -> float:
    """Intersection over union of two boxes along one axis."""
    shared = min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis])
    return max(0.0, shared) / (max(a[axis + 2], b[axis + 2]) - min(a[axis], b[axis]))


def _union(a: Sight, b: Sight) -> Sight:
    """As sure and of the category of the surer piece; cut where a piece is that reaches as far."""
    box = min(a.box[0], b.box[0]), min(a.box[1], b.box[1]), max(a.box[2], b.box[2]), max(a.box[3], b.box[3])
    surer = min(a, b, key=_rank)
    cut = frozenset(side for side in range(4) if all(side in one.cut for one in (a, b) if abs(one.box[side] - box[side]) <= CUT_PX))
    return Sight(replace(surer.detection, box_xyxy=box), surer.view, cut)


def _share_within(part: Box, whole: Box) -> float:
    """How much of the area of a box lies within another, 0 to 1."""
    shared = max(0.0, min(part[2], whole[2]) - max(part[0], whole[0])) * max(0.0, min(part[3], whole[3]) - max(part[1], whole[1]))
    area = (part[2] - part[0]) * (part[3] - part[1])
    return shared / area if area > 0 else 0.0
