"""Turns a stream of pictures into a stream of crops ready for the encoder, and broken pictures into records.

Opening is left to `images`, finding animals to `detect`, working ahead to `stream`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from bioclip_search.detect import crop_box, is_wildlife
from bioclip_search.encoder import Encoder
from bioclip_search.errors import PictureError
from bioclip_search.images import crop, open_picture
from bioclip_search.lanes import lanes_of, work_in_lanes
from bioclip_search.stream import work_ahead

DETECTOR_CONFIDENCE = 0.2
"""Detections below this are not looked at, unless the detector's card asks for another confidence: the usual threshold of MegaDetector v5."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a picture, prepared for the encoder. `picture` numbers the pictures of the stream."""

    picture: int
    image: str
    prepared: Any
    box_xyxy: tuple[float, float, float, float] | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Unread:
    """A picture that gave no crop, and why."""

    picture: int
    image: str
    error: str


@dataclass(frozen=True)
class Blank:
    """A picture in which the detector found no organism, and how that is told."""

    picture: int
    image: str
    reason: str


Cut = Crop | Blank | Unread


def cut_crops(images: Iterable[Any], encoder: Encoder, detector: Any = None, workers: int | None = None) -> Iterator[list[Cut]]:
    """For each picture, in order, its crops, or the one record that says why there are none.

    Without a detector the whole picture is the crop, decoded no larger than the encoder needs. With one, each
    organism is a crop; persons and vehicles are none.
    """
    numbered = zip(count(), images)
    if detector is None:
        yield from work_ahead(lambda item: [_whole(*item, encoder)], numbered, workers)
        return
    opened = work_ahead(lambda item: (*item, _opened(item[1])), numbered, workers)
    yield from work_in_lanes(lambda one: _cut(*one, encoder, detector), opened, lanes_of(detector))


def confidence_of(detector: Any) -> float:
    """The least confidence of the boxes that are looked at where nobody asks for another: what the detector's card tells, else the usual one."""
    told = getattr(detector, "confidence", None)
    return DETECTOR_CONFIDENCE if told is None else told


def as_pictures(images: Any) -> Iterable[Any]:
    """The pictures of an argument that may be one picture or an iterable of them."""
    is_one = isinstance(images, str | Path | bytes) or not isinstance(images, Iterable) or hasattr(images, "shape")
    return [images] if is_one else images


def picture_name(image: Any, number: int) -> str:
    """How results speak of the picture: by its path, or by its place in the input if it has none."""
    return str(image) if hasattr(image, "__fspath__") or isinstance(image, str) else f"picture {number + 1}"


def _whole(number: int, image: Any, encoder: Encoder) -> Crop | Unread:
    name = picture_name(image, number)
    try:
        return Crop(number, name, encoder.prepare(open_picture(image, enough_px=encoder.input_px)))
    except PictureError as error:
        return Unread(number, name, str(error))


def _cut(number: int, image: Any, picture: Any, encoder: Encoder, detector: Any) -> list[Cut]:
    name = picture_name(image, number)
    if isinstance(picture, PictureError):
        return [Unread(number, name, str(picture))]
    found = [hit for hit in detector.detect([picture], confidence_of(detector))[0] if is_wildlife(hit.category)]
    parts = [(hit, crop(picture, crop_box(hit.box_xyxy, picture.size))) for hit in found]
    crops = [Crop(number, name, encoder.prepare(part), hit.box_xyxy, hit.confidence) for hit, part in parts]
    return crops or [Blank(number, name, f"{detector.name} saw none at confidence {confidence_of(detector):g}")]


def _opened(image: Any) -> Any:
    try:
        return open_picture(image)
    except PictureError as error:
        return error
