"""Small pictures of the crops of a run, and whole pictures with the box drawn in: opened in child processes, within limits, and kept for a while.

Opening is left to `decoding`, what stands for a crop to `browsing`. A picture that is gone, broken or not to be shown comes with
the reason, never as an error. Only pictures below the folders that were allowed are opened, whatever a run says.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

from bioclip_search.decoding import Decoders, FrameChoice, frames
from bioclip_search.errors import BioclipSearchError, PictureError
from bioclip_search.media import Media, Video
from bioclip_search.runs.folder import Run

THUMBNAIL_WH = (320, 240)
"""Pixels of a thumbnail, sharp at 160 points on a fine screen; some 12 kB each."""

LARGE_WH = (960, 720)
"""Pixels of a crop that is looked at alone."""

PICTURE_PX = 1280
"""Longest side of a whole picture."""

MOST_BYTES = 64 << 20
"""Kept in memory, the oldest go first: some 5,000 thumbnails."""

ROOM = 1.15
"""The box with this much around it, so that the animal's outline shows."""

JPEG_QUALITY = 85
BOX_COLOUR, BOX_OUTLINE = (0, 99, 155), (255, 255, 255)
NEVER = 1 << 30
"""Of a video only the frame that is wanted, and the first, for this many frames apart no two are."""


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG; or None, and in words why there is none."""

    jpeg: bytes | None
    why: str = ""


class Thumbnails:
    """Opens pictures of runs for whoever asks, from any number of threads.

    Args:
        decoders: Open while this is used.
        allowed: The folders below which pictures may be opened.
        most_bytes: Kept in memory at most.
    """

    def __init__(self, decoders: Decoders, allowed: Sequence[Path], most_bytes: int = MOST_BYTES):
        self._decoders, self._most_bytes = decoders, most_bytes
        self._allowed = [folder.resolve() for folder in allowed]
        self._kept: OrderedDict[tuple, Thumbnail] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()

    def crop(self, run: Run, image: str, box_xyxy: Sequence[float] | None, frame_number: int | None = None) -> Thumbnail:
        """What stands in the box, with a little around it, `THUMBNAIL_WH` large at most; the whole picture where there is no box.

        The box is in pixels of the upright picture in full.
        """
        return self._remembered(run, image, box_xyxy, frame_number, THUMBNAIL_WH)

    def large(self, run: Run, image: str, box_xyxy: Sequence[float] | None, frame_number: int | None = None) -> Thumbnail:
        """As `crop`, but `LARGE_WH` large at most."""
        return self._remembered(run, image, box_xyxy, frame_number, LARGE_WH)

    def crops(self, run: Run, several: Sequence[tuple[str, Sequence[float] | None, int | None]]) -> list[Thumbnail]:
        """As `crop` for each (image, box, frame number), side by side, in their order."""
        with ThreadPoolExecutor(self._decoders.workers, thread_name_prefix="thumbnails") as pool:
            return list(pool.map(lambda one: self.crop(run, *one), several))

    def picture(self, run: Run, image: str, box_xyxy: Sequence[float] | None = None, frame_number: int | None = None) -> Thumbnail:
        """The whole picture, `PICTURE_PX` on its longest side at most, with the box drawn in."""
        return self._remembered(run, image, box_xyxy, frame_number, None)

    def _remembered(self, run: Run, image: str, box: Sequence[float] | None, frame_number: int | None, crop_wh: tuple[int, int] | None) -> Thumbnail:
        """The crop so large at most, or the whole picture."""
        key = (str(run.folder), image, None if box is None else tuple(box), frame_number, crop_wh)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self._made(run, image, box, frame_number, crop_wh)
        if found.jpeg is not None:  # what is missing now may be there the next time
            self._keep(key, found)
        return found

    def _keep(self, key: tuple, found: Thumbnail) -> None:
        with self._lock:
            self._bytes += len(found.jpeg or b"") - len((self._kept.pop(key, found)).jpeg or b"") * (key in self._kept)
            self._kept[key] = found
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest.jpeg or b"")

    def _made(self, run: Run, image: str, box: Sequence[float] | None, frame_number: int | None, crop_wh: tuple[int, int] | None) -> Thumbnail:
        path = run.find(image)
        if path is None:
            return Thumbnail(None, "The picture is no longer where it was, or lies in an archive.")
        if not any(path.resolve().is_relative_to(folder) for folder in self._allowed):
            return Thumbnail(None, "The picture lies outside of the folders that may be shown.")
        try:
            enough_px = max(crop_wh or (PICTURE_PX,)) // 2 if crop_wh is None or box is None else None  # of the short side; what comes back has twice that
            picture, full_wh = self._opened(image, path, enough_px, frame_number)
            shown = drawn(picture, full_wh, box) if crop_wh is None else cut(picture, full_wh, box, crop_wh)
        except BioclipSearchError as error:
            return Thumbnail(None, f"The picture cannot be shown: {error}.")
        file = io.BytesIO()
        shown.save(file, "JPEG", quality=JPEG_QUALITY)
        return Thumbnail(file.getvalue())

    def _opened(self, image: str, path: Path, enough_px: int | None, frame_number: int | None) -> tuple[PIL.Image.Image, tuple[int, int]]:
        """The picture, perhaps smaller than it is, and how large it is."""
        if frame_number is not None:
            for media in frames(Video(image, path, boxes={frame_number: ()}), FrameChoice(every=NEVER), self._decoders):
                if media.error is not None:
                    raise PictureError(media.error)
                if media.frame is not None and media.frame.number == frame_number:
                    return media.frame.pixels, media.frame.pixels.size
            raise PictureError(f"the video has no frame {frame_number}")
        opened = self._decoders.open(Media(image, path), enough_px)
        return opened.picture, opened.size_wh


def cut(picture: PIL.Image.Image, full_wh: tuple[int, int], box_xyxy: Sequence[float] | None, most_wh: tuple[int, int] = THUMBNAIL_WH) -> PIL.Image.Image:
    """The box with room around it, widened to the shape of a thumbnail as far as the picture goes, and made as small as is asked."""
    if box_xyxy is not None:
        scale = picture.width / full_wh[0]
        sides = _widened([side * scale for side in box_xyxy], picture.size)
        picture = picture.crop(sides)
    shown = picture.copy()
    shown.thumbnail(most_wh)
    return shown


def drawn(picture: PIL.Image.Image, full_wh: tuple[int, int], box_xyxy: Sequence[float] | None) -> PIL.Image.Image:
    """The picture made small, with the box drawn in, if there is one, in a blue within white that shows on any ground."""
    shown = picture.copy()
    shown.thumbnail((PICTURE_PX, PICTURE_PX))
    if box_xyxy is not None:
        scale = shown.width / full_wh[0]
        left, right = sorted(side * scale for side in box_xyxy[::2])
        top, bottom = sorted(side * scale for side in box_xyxy[1::2])
        line = PIL.ImageDraw.Draw(shown)
        line.rectangle((left, top, right, bottom), outline=BOX_OUTLINE, width=5)
        line.rectangle((left + 1, top + 1, max(left + 1, right - 1), max(top + 1, bottom - 1)), outline=BOX_COLOUR, width=3)
    return shown


def _widened(box_xyxy: Sequence[float], size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole pixels within the picture, at least one each way, whatever the box says."""
    left, right = sorted(box_xyxy[::2])
    top, bottom = sorted(box_xyxy[1::2])
    shape = THUMBNAIL_WH[0] / THUMBNAIL_WH[1]
    width, height = max((right - left) * ROOM, 1.0), max((bottom - top) * ROOM, 1.0)
    width, height = max(width, height * shape), max(height, width / shape)
    across, down = _within((left + right) / 2, width, size_wh[0]), _within((top + bottom) / 2, height, size_wh[1])
    return across[0], down[0], across[1], down[1]


def _within(middle: float, length: float, most: int) -> tuple[int, int]:
    """The stretch of that length around the middle, moved so that it lies from 0 to `most`, or all of that."""
    length = min(length, most)
    first = min(max(middle - length / 2, 0.0), most - length)
    start = min(int(first), most - 1)
    return start, max(start + 1, min(round(first + length), most))
