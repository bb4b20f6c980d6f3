"""A picture, or a frame of a video, before anybody looks at it: where it is and what its source knows of it.

Finding media is left to `sources`, opening them to `decoding`, what is then seen in them to `runs.record`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MEDIA_ID_BYTES = 8
"""Bytes of a media id: among a hundred million pictures two with the same id are expected in 3 of 10,000 collections."""


@dataclass(frozen=True)
class Facts:
    """What is known of a picture besides its pixels; None where it is not known.

    Attributes:
        timestamp: When it was taken: naive in the camera's own time, aware where the source tells the zone.
        latitude: In degrees WGS 84, as `longitude`.
        deployment: The camera's stay at one place, by any name; sequences never span two.
    """

    timestamp: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str | None = None
    deployment: str | None = None

    def over(self, other: Facts) -> Facts:
        """These facts, and the other's where these are silent; a latitude and its longitude come from one of the two."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        names = [name for name, value in told.items() if value is None]
        if self.latitude is not None or self.longitude is not None:
            names = [name for name in names if name not in ("latitude", "longitude")]
        return Facts(**told | {name: getattr(other, name) for name in names})


NO_FACTS = Facts()


@dataclass(frozen=True)
class Deployment:
    """A camera's stay at one place, as a collection tells of it beside its pictures.

    Attributes:
        name: Its id, which `Facts.deployment` refers to; `place` is what people call the spot.
        start: When the camera began to watch, naive or aware as the source tells it; `end`: when it stopped.
    """

    name: str
    latitude: float | None = None
    longitude: float | None = None
    start: datetime | None = None
    end: datetime | None = None
    place: str | None = None


@dataclass(frozen=True)
class GivenBox:
    """A box that somebody's detector found before, (left, top, width, height) as shares of the picture."""

    box_xywhn: tuple[float, float, float, float]
    confidence: float
    category: str


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        number: Counted from 0 in the video.
        rate: The video's pictures per second.
        pixels: Upright, RGB.
        content_hash: SHA-256 of the video's bytes.
    """

    number: int
    rate: float
    pixels: Image.Image
    content_hash: str | None = None


@dataclass(frozen=True, eq=False)
class Media:
    """A picture to be looked at.

    Attributes:
        image: What results call it: its path below the source's root with "/" between the parts, else as it was given.
        file: Where it can be opened; None where only `data` holds it (a member of an archive, a cell of a table).
        data: Its bytes as they were stored, undecoded.
        boxes: Found before, and taken instead of a detector's; () says that nothing was found. None: not looked at.
        frame: Where it is one picture of a video; `file` is then the video's.
        error: Why its source cannot give it; then nothing else is known of it.
    """

    image: str
    file: Path | None = None
    data: bytes | None = None
    facts: Facts = NO_FACTS
    boxes: tuple[GivenBox, ...] | None = None
    frame: Frame | None = None
    error: str | None = None

    @property
    def media_id(self) -> str:
        """Names the picture in all tables of a run: 16 hexadecimal digits of its name and frame number."""
        return media_id(self.image, self.frame.number if self.frame else None)


@dataclass(frozen=True, eq=False)
class Video:
    """A video, to be turned into `Media` frame by frame; as `Media`, with the boxes of its frames by their numbers."""

    image: str
    file: Path
    facts: Facts = NO_FACTS
    boxes: Mapping[int, tuple[GivenBox, ...]] | None = None


def media_id(image: str, frame_number: int | None = None) -> str:
    """The id of the picture with this name; see `Media.media_id`."""
    words = image if frame_number is None else f"{image}\0{frame_number}"
    return blake2b(words.encode("utf-8", "surrogateescape"), digest_size=MEDIA_ID_BYTES).hexdigest()
