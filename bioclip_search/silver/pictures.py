"""The pictures that a silver set is made of, one by one, with the boxes that their source brings.

Reading collections is left to `sources` and `runs`, judging boxes to `judging`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from PIL import Image

from bioclip_search.detectors.boxes import Detection
from bioclip_search.detectors.given import detections_of
from bioclip_search.errors import PictureError
from bioclip_search.images import MAX_FILE_BYTES, ORIENTATION, decode, open_file
from bioclip_search.media import Media, Video
from bioclip_search.runs.folder import NOTE_FILE, Run
from bioclip_search.sources.opening import open_source

JPEG_QUALITY = 95
"""Hardly less than was there; used only for what is no upright JPEG."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One picture of a collection before it is opened.

    Attributes:
        found: The boxes that a run brings, in pixels; None where none are brought.
        finder: Who found them: a detector's name and fingerprint; "" where its source does not tell.
    """

    media: Media
    found: tuple[Detection, ...] | None = None
    finder: tuple[str, str] = ("", "")


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture upright, and its bytes as they are to be kept: the boxes of a picture fit only upright bytes."""

    picture: Image.Image
    data: bytes
    content_hash: str


def entries(places: Sequence[str]) -> Iterator[Entry | None]:
    """The pictures of all places, in the same order each time; None for each film, which gives no picture here.

    A place is the folder of a run of `tag`, whose boxes are taken as they are, or whatever `sources.open_source` opens.

    Raises:
        SourceError: A place cannot be opened.
        RunError: A run cannot be read.
    """
    for place in places:
        if (Path(place) / NOTE_FILE).is_file():
            yield from _of_run(Run.open(place))
        else:
            for one in open_source(place).media():
                yield None if isinstance(one, Video) or one.frame is not None else Entry(one)


def open_upright(media: Media) -> Opened:
    """The picture with its bytes; a JPEG that is upright keeps its own, whatever else is written anew.

    Raises:
        PictureError: It cannot be read.
    """
    if media.error is not None:
        raise PictureError(media.error)
    data = media.data if media.data is not None else _bytes_of(media.file)
    decoded = decode(io.BytesIO(data), len(data))
    is_kept = decoded.header.format == "JPEG" and decoded.header.mode == "RGB" and _orientation(decoded.header) in (None, 1)
    if not is_kept:
        written = io.BytesIO()
        decoded.picture.save(written, "JPEG", quality=JPEG_QUALITY)
    return Opened(decoded.picture, data if is_kept else written.getvalue(), sha256(data).hexdigest())


def brought_boxes(entry: Entry, size_wh: tuple[int, int], min_confidence: float) -> list[Detection] | None:
    """The boxes that its source or its run brings, of this confidence or more; None where a detector has to look."""
    if entry.found is not None:
        return [one for one in entry.found if one.confidence >= min_confidence]
    return None if entry.media.boxes is None else detections_of(entry.media.boxes, size_wh, min_confidence)


def cautions(places: Sequence[str], doubt_confidence: float) -> list[str]:
    """What to know of runs whose boxes are taken: finds that a run did not keep cannot be doubted."""
    told = []
    for place in places:
        if (Path(place) / NOTE_FILE).is_file():
            least = Run.open(place).note["settings"].get("looking", {}).get("min_confidence", 0.0)
            if least > doubt_confidence:
                told.append(f"{place}: kept boxes of {least:g} or more only, so finds of {doubt_confidence:g} to {least:g} cannot cast doubt on a picture.")
    return told


def _of_run(run: Run) -> Iterator[Entry | None]:
    """The pictures of a run with its boxes; of crops that were the whole picture there is no box, so a detector looks."""
    told = run.note["settings"].get("detector")
    finder = (str(told.get("name") or ""), str(told.get("fingerprint") or "")) if isinstance(told, dict) else ("", "")
    for picture in run.pictures():
        if picture.frame_number is not None:
            yield None
            continue
        path = run.find(picture.image)
        error = picture.error or (None if path else "is no longer where the run found it")
        whole = any(crop.box_xyxy is None for crop in picture.crops)
        boxes = tuple(Detection(crop.box_xyxy, crop.confidence or 0.0, crop.category or "organism") for crop in picture.crops if crop.box_xyxy is not None)
        yield Entry(Media(picture.image, file=path, error=error), None if whole else boxes, finder)


def _bytes_of(path: Path | None) -> bytes:
    if path is None:
        raise PictureError("no such file")
    with open_file(path) as (file, size_bytes):
        if size_bytes > MAX_FILE_BYTES:
            raise PictureError(f"the file is larger than {MAX_FILE_BYTES >> 20} MiB")
        return file.read()


def _orientation(header: Image.Image) -> int | None:
    try:
        return header.getexif().get(ORIENTATION)
    except Exception:  # Subtle: EXIF is a format of its own and often broken; then it turned nothing either.
        return None
