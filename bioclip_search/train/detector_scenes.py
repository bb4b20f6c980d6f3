"""Composes what a detector looks at while it learns: photographs, mosaics of several, and organisms set into scenery.

A scene is a function of seed, step and place in the batch, so that a resumed run sees what an unbroken one does.
Where pictures and boxes come from is left to `detector_data`, light and colour to `detector_light`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from bioclip_search.train.detector_config import DetectorConfig
from bioclip_search.train.detector_data import BoxedPicture, background_of
from bioclip_search.train.detector_light import change_light

MEAN_COLOUR = (124, 116, 104)
"""What lies around a picture that is not square: ImageNet's mean, which becomes zero in the network."""

BACKGROUND_MIN_PX = 48
"""Least side of a strip without organisms that is used as scenery."""

AS_ASKED_SHARE = 0.35
"""Photographs shown as a detector is asked: whole, the longer side filling the picture."""

ZOOM_RANGE = (0.45, 1.9)
STRETCH_RANGE = (0.85, 1.18)
TILES_MAX = 5
EMPTY_TILE_SHARE = 0.2
VISIBLE_MIN = 0.3
"""A box of which a cut leaves less than this part is not asked for."""

LEAST_BOX_PX = 6
SET_IN_COUNTS = (0.2, 0.4, 0.2, 0.2)
"""How often none, one, two and three organisms are set into scenery."""

SET_IN_SIZES = (0.05, 0.55)
"""Longer side of an organism set into scenery, as a part of the scene's; drawn evenly on a log scale."""

DECOYS_MAX = 3
OVERLAP_MAX = 0.1


class Scene(NamedTuple):
    """A picture and its organisms' boxes in pixels, (k, 4) float32."""

    image: Image.Image
    boxes: np.ndarray


class SceneSource:
    """The taught pictures and the scenery between their organisms."""

    def __init__(self, config: DetectorConfig, pictures: Sequence[BoxedPicture]):
        self.config, self.px = config, config.train_px
        self.pictures = [picture for picture in pictures if picture.taught]
        weight = {entry.name: entry.weight for entry in (*config.boxes, *config.silver)}
        names = [picture.set_name for picture in self.pictures]
        counts = Counter(names)
        shares = np.array([weight[name] / counts[name] for name in names])
        self.cumulated = np.cumsum(shares / shares.sum())
        empty = {entry.name for entry in (*config.boxes, *config.silver) if entry.scenery}
        places = [picture for picture in self.pictures if picture.set_name in empty]
        self.scenery = [(p, strip) for p in places if (strip := background_of(p, p.size_wh(), BACKGROUND_MIN_PX))]

    def batch(self, step: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Pictures (b, 3, px, px) float32 in [0, 1] and the boxes of each, (k, 4) float32."""
        scenes = [self.scene(np.random.default_rng([self.config.seed, step, i])) for i in range(self.config.batch_size)]
        pixels = np.stack([image for image, _ in scenes])  # (b, px, px, 3)
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, [torch.from_numpy(boxes) for _, boxes in scenes]

    def scene(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One picture (px, px, 3) uint8 and its boxes (k, 4) float32, in pixels."""
        kind = rng.random()
        if kind < self.config.photo_share:
            image, boxes = self._photo(rng)
        elif kind < self.config.photo_share + self.config.mosaic_share or not self.scenery:
            image, boxes = self._mosaic(rng)
        else:
            image, boxes = self._set_in(rng)
        pixels = change_light(np.asarray(image), rng)
        if rng.random() < 0.5:
            pixels, boxes = pixels[:, ::-1], mirrored(boxes, self.px)
        return np.ascontiguousarray(pixels), boxes[(boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) >= LEAST_BOX_PX]

    def _pick(self, rng: np.random.Generator) -> BoxedPicture:
        return self.pictures[min(int(np.searchsorted(self.cumulated, rng.random())), len(self.pictures) - 1)]

    def _photo(self, rng: np.random.Generator) -> Scene:
        """One photograph, whole or zoomed and moved at random; what it leaves uncovered is the mean colour."""
        picture = self._pick(rng)
        image, boxes = picture.open(), np.array(picture.boxes_xyxy, np.float32)
        scene = Image.new("RGB", (self.px, self.px), MEAN_COLOUR)
        if rng.random() < AS_ASKED_SHARE:
            scale, corner = np.full(2, self.px / max(image.size)), np.zeros(2)
        else:
            zoom = np.exp(rng.uniform(*np.log(ZOOM_RANGE))) * self.px / max(image.size)
            scale = zoom * np.array([1.0, np.exp(rng.uniform(*np.log(STRETCH_RANGE)))])
            corner = _corner(np.array(image.size) * scale, boxes[rng.integers(len(boxes))] * np.tile(scale, 2), self.px, rng)
        return _place(scene, image, boxes, scale, corner)

    def _mosaic(self, rng: np.random.Generator) -> Scene:
        """A grid of uneven tiles, each covered by a part of another picture, a few of them without organism."""
        scene = Image.new("RGB", (self.px, self.px), MEAN_COLOUR)
        columns, rows = (_cuts(self.px, int(n), rng) for n in rng.integers(2, TILES_MAX + 1, size=2))
        boxes = []
        for left, right in itertools.pairwise(columns):
            for top, bottom in itertools.pairwise(rows):
                tile = self._tile(right - left, bottom - top, rng)
                scene.paste(tile.image, (left, top))
                boxes.append(tile.boxes + np.array([left, top, left, top], np.float32))
        return Scene(scene, np.concatenate(boxes))

    def _tile(self, width: int, height: int, rng: np.random.Generator) -> Scene:
        if self.scenery and rng.random() < EMPTY_TILE_SHARE:
            return Scene(self._background(width, height, rng), np.zeros((0, 4), np.float32))
        picture = self._pick(rng)
        image, boxes = picture.open(), np.array(picture.boxes_xyxy, np.float32)
        scale = max(width / image.width, height / image.height) * np.exp(rng.uniform(0, 0.3))
        room = np.array([width, height]) - np.array(image.size) * scale  # at most 0
        return _place(Image.new("RGB", (width, height)), image, boxes, np.full(2, scale), room * rng.random(2))

    def _background(self, width: int, height: int, rng: np.random.Generator) -> Image.Image:
        """A part of some scenery that covers this size."""
        picture, (left, top, right, bottom) = self.scenery[rng.integers(len(self.scenery))]
        share = min(1.0, rng.uniform(0.6, 1.0))
        w = min(right - left, (bottom - top) * width / height) * share
        h = w * height / width
        x, y = rng.uniform(left, right - w), rng.uniform(top, bottom - h)
        part = picture.open().resize((width, height), Image.Resampling.BILINEAR, box=(x, y, x + w, y + h))
        return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part

    def _set_in(self, rng: np.random.Generator) -> Scene:
        """Scenery with pieces of other scenery, then organisms, set in with soft edges (Dwibedi et al., ICCV 2017)."""
        scene = self._background(self.px, self.px, rng)
        for _ in range(rng.integers(DECOYS_MAX + 1)):
            size = _drawn_size(self.px, rng)
            width, height = np.maximum(4, size * np.exp(rng.uniform(-0.3, 0.3, size=2))).astype(int).tolist()
            decoy = self._background(width, height, rng)
            _paste_soft(scene, decoy, rng.integers(-width // 4, max(1, self.px - width), size=2).tolist(), rng)
        boxes = np.zeros((0, 4), np.float32)
        for _ in range(rng.choice(len(SET_IN_COUNTS), p=SET_IN_COUNTS)):
            boxes = self._set_one_in(scene, boxes, rng)
        return Scene(scene, boxes)

    def _set_one_in(self, scene: Image.Image, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The boxes with that of one more organism, unless it would cover another."""
        picture = self._pick(rng)
        image = picture.open()
        box = np.array(picture.boxes_xyxy[rng.integers(len(picture.boxes_xyxy))])
        side = (box[2:] - box[:2]).max()
        scale = min(_drawn_size(self.px, rng), 3 * side) / side
        around = box + side * rng.uniform(0.06, 0.2) * np.array([-1, -1, 1, 1])
        around = np.clip(around, 0, np.tile(image.size, 2))
        width, height = np.maximum(2, np.round((around[2:] - around[:2]) * scale)).astype(int).tolist()
        if min(width, height) >= self.px:
            return boxes
        x, y = (int(rng.integers(0, max(1, self.px - length))) for length in (width, height))
        placed = (box - np.tile(around[:2], 2)) * scale + np.array([x, y, x, y])
        placed = np.clip(placed, 0, self.px).astype(np.float32)[None]  # (1, 4)
        if len(boxes) and _covered(boxes, placed[0]) > OVERLAP_MAX:
            return boxes
        _paste_soft(scene, image.resize((width, height), Image.Resampling.BICUBIC, box=tuple(around.tolist())), [x, y], rng)
        return np.concatenate([boxes, placed])


def mirrored(boxes: np.ndarray, width: int) -> np.ndarray:
    """The boxes (k, 4) in the picture seen in a mirror."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def clipped(boxes: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """The boxes (k, 4) cut to a picture; without those of which less than `VISIBLE_MIN` is left."""
    inside = np.clip(boxes, 0, np.tile(size_wh, 2)).astype(np.float32)
    return inside[_areas(inside) >= VISIBLE_MIN * np.maximum(_areas(boxes), 1e-6)]


def _place(scene: Image.Image, image: Image.Image, boxes: np.ndarray, scale: np.ndarray, corner: np.ndarray) -> Scene:
    """The picture scaled and put with its upper left at `corner` (x, y), of which only what is seen is computed."""
    size = np.array(image.size) * scale
    start, stop = np.maximum(corner, 0), np.minimum(corner + size, scene.size)
    shape = np.maximum(1, np.round(stop) - np.round(start)).astype(int).tolist()
    box = np.concatenate([(start - corner) / scale, (stop - corner) / scale])
    box = np.clip(box, 0, np.tile(image.size, 2))
    scene.paste(image.resize(shape, Image.Resampling.BICUBIC, box=tuple(box.tolist())), tuple(np.round(start).astype(int).tolist()))
    moved = boxes * np.tile(scale, 2) + np.tile(corner, 2)
    return Scene(scene, clipped(moved, scene.size))


def _corner(size: np.ndarray, box: np.ndarray, px: int, rng: np.random.Generator) -> np.ndarray:
    """Where the upper left of a picture of this size goes: inside the scene, or so that the box's middle is seen."""
    middle = (box[:2] + box[2:]) / 2
    lowest, highest = np.minimum(0, px - size), np.maximum(0, px - size)
    around_box = rng.uniform(0.2, 0.8, size=2) * px - middle
    return np.where(size > px, np.clip(around_box, lowest, highest), rng.uniform(lowest, highest))


def _cuts(length: int, n: int, rng: np.random.Generator) -> list[int]:
    """The edges of n uneven parts, from 0 to the length."""
    parts = rng.uniform(0.6, 1.4, size=n)
    return [0, *np.round(np.cumsum(parts / parts.sum())[:-1] * length).astype(int).tolist(), length]


def _drawn_size(px: int, rng: np.random.Generator) -> float:
    return px * float(np.exp(rng.uniform(*np.log(SET_IN_SIZES))))


def _paste_soft(scene: Image.Image, piece: Image.Image, corner: list[int], rng: np.random.Generator) -> None:
    """Sets the piece in through a rounded mask with a soft edge."""
    width, height = piece.size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    power = rng.uniform(2, 4)
    edge = 1 - (np.abs(x) ** power + np.abs(y) ** power)
    mask = np.clip(edge / rng.uniform(0.25, 0.9), 0, 1)
    scene.paste(piece, tuple(corner), Image.fromarray((mask * 255).astype(np.uint8)))


def _covered(boxes: np.ndarray, box: np.ndarray) -> float:
    """The largest part of any of the boxes, or of the box itself, that they share."""
    shared = np.clip(np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2]), 0, None).prod(axis=1)
    return float((shared / np.maximum(np.minimum(_areas(boxes), _areas(box[None])), 1e-6)).max())


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
