"""Looks at a picture once, so that any number of questions about it cost no second look.

Gives what is left of a picture when the pixels are put away: its boxes, the vectors of its parts, and a small copy to show.
Opening is left to `images`, finding to `detect`, naming to `question`; a collection's pictures are the work of `runs`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import PIL.Image

from bioclip_search.detect import Detection, Detector, crop_box, is_wildlife
from bioclip_search.encoder import Encoder
from bioclip_search.errors import PictureError
from bioclip_search.images import FORMATS, crop, decode, without_warnings
from bioclip_search.question import Asked, Question
from bioclip_search.results import Answer

LEAST_CONFIDENCE = 0.1
"""Detections below this are never kept; those above can be left out later by a higher one."""

MOST_BOXES = 24
"""Boxes of one picture that are named, the most confident first: more cannot be told apart on a screen."""

MOST_PIXELS = 120_000_000
"""Largest picture looked at while somebody waits, in pixels: a phone's 108 million, 360 MB when decoded."""

PREVIEW_PX = 1280
"""Longest side, in pixels, of the copy that is shown."""

PREVIEW_QUALITY = 85
"""Of the copy's JPEG: no loss is seen at this size, and it is a fifth of a PNG."""

DRAFTED = frozenset({"JPEG", "MPO"})
"""Formats that are decoded smaller where little is enough; all others come out the same each time, and are decoded once."""

LONGEST_NAME = 120
"""Characters of a file's name that are kept, the end of it."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture that was looked at.

    Attributes:
        size_wh: Of the upright picture in full, in pixels; boxes are in these.
        preview: A JPEG, no side longer than `PREVIEW_PX`.
        boxes: The organisms found, most confident first; none where no detector was asked or it found none.
        whole: The vector of the picture as a whole, (dim,) float32.
        parts: Those of the boxes, (n, dim) float32.
        detector: The name of the detector that looked; None where none did.
    """

    size_wh: tuple[int, int]
    preview: bytes
    boxes: tuple[Detection, ...]
    whole: np.ndarray
    parts: np.ndarray
    detector: str | None

    def sure(self, confidence: float) -> list[int]:
        """The numbers of the boxes that the detector was at least so sure of."""
        return [number for number, box in enumerate(self.boxes) if box.confidence >= confidence]


def look(content: bytes, encoder: Encoder, detector: Detector | None = None) -> Seen:
    """What there is to know of a picture, given by the bytes of its file, before any question.

    The picture as a whole is decoded as `identify` does without a detector, and the boxes as it does with one, so both are
    named alike.

    Raises:
        PictureError: It is empty, truncated, too large, or no picture.
    """
    _stop_if_huge(content)
    shown = _decoded(content, max(PREVIEW_PX // 2, encoder.input_px) if detector is None else None)
    picture, size_wh = shown.picture, shown.size_wh
    whole = _decoded(content, encoder.input_px).picture if shown.header.format in DRAFTED else picture
    boxes: list[Detection] = []
    if detector is not None:
        (found,) = detector.detect([picture], LEAST_CONFIDENCE)
        boxes = [hit for hit in found if is_wildlife(hit.category)][:MOST_BOXES]
    crops = [crop(picture, crop_box(hit.box_xyxy, picture.size)) for hit in boxes]
    vectors = encoder.encode_images([whole, *crops])  # (1 + n, dim)
    return Seen(size_wh, _preview(picture), tuple(boxes), vectors[0], vectors[1:], None if detector is None else detector.name)


def subjects(seen: Seen, name: str, confidence: float = 0.0) -> Iterator[tuple[Asked, np.ndarray]]:
    """What of a picture is named, each with its vector: the boxes, else the picture as a whole."""
    sure = seen.sure(confidence)
    if not sure:
        yield Asked(name), seen.whole
    for number in sure:
        box = seen.boxes[number]
        yield Asked(name, box.box_xyxy, box.confidence), seen.parts[number]


def answers(seen: Seen, question: Question, name: str, confidence: float = 0.0) -> list[Answer]:
    """The answer for each subject, in their order."""
    asked, vectors = zip(*subjects(seen, name, confidence), strict=True)
    return question.answers(np.stack(vectors), asked)


def plain_name(name: str) -> str:
    """The name of a file as it was sent, without any folder and without signs that are none.

    >>> plain_name("../../etc/passwd"), plain_name("C:\\\\photos\\\\lion.jpg"), plain_name("..")
    ('passwd', 'lion.jpg', 'picture')
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    told = "".join(sign for sign in last if sign.isprintable()).strip()
    return told[-LONGEST_NAME:] if told.strip(".") else "picture"


def stem_of(names: Sequence[str]) -> str:
    """What to call a file of answers: after the one picture, without its ending and with plain signs only; "pictures" for several.

    >>> stem_of(["a lion?.jpg"]), stem_of(["a.jpg", "b.jpg"])
    ('a-lion', 'pictures')
    """
    if len(names) != 1:
        return "pictures"
    stem = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in PurePosixPath(plain_name(names[0])).stem)
    return stem.strip("-") or "picture"


def _stop_if_huge(content: bytes) -> None:
    """Raises: PictureError: its header promises more pixels than are looked at. What is wrong with a header otherwise is told when it is decoded."""
    try:
        with without_warnings(), PIL.Image.open(io.BytesIO(content), formats=FORMATS) as header:
            width, height = header.size
    except Exception:  # Subtle: a damaged file makes Pillow's readers raise nearly anything.
        return
    if width * height > MOST_PIXELS:
        raise PictureError(f"has {width}×{height} pixels, more than the {MOST_PIXELS // 1_000_000} million that are looked at here; make it smaller")


def _decoded(content: bytes, enough_px: int | None):
    return decode(io.BytesIO(content), len(content), enough_px=enough_px)


def _preview(picture: PIL.Image.Image) -> bytes:
    small, file = picture.copy() if max(picture.size) <= PREVIEW_PX else picture, io.BytesIO()
    scale = min(1.0, PREVIEW_PX / max(picture.size))
    if scale < 1:
        small = picture.resize([max(1, round(side * scale)) for side in picture.size], PIL.Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.save(file, "JPEG", quality=PREVIEW_QUALITY)
    return file.getvalue()
