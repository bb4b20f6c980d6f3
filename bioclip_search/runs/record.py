"""What a run tells of a picture: its facts, every box in it, and the answer for each.

Plain records: how they stand in a table is left to `table`, how they come about to `tagging`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bioclip_search.media import NO_FACTS, Facts, media_id
from bioclip_search.results import Answer

if TYPE_CHECKING:
    import numpy as np

IDENTIFIED, BLANK, PERSON, VEHICLE, FAILED = "identified", "blank", "person", "vehicle", "failed"
STATUSES = (IDENTIFIED, BLANK, PERSON, VEHICLE, FAILED)
"""What a row of a run stands for: a crop that was asked about, a picture without boxes, a box that is no wildlife, a picture that failed."""


@dataclass(frozen=True, eq=False)
class TaggedCrop:
    """One box of a picture, or the whole of it.

    Attributes:
        number: Counts the boxes of a picture from 0, the most confident first.
        category: The detector's word, "person" and "vehicle" among them; None where there was no detector.
        box_xyxy: In pixels of the upright picture; None for the whole of it.
        answer: None for persons and vehicles, which are never asked about.
        embedding: (dim,) float16, nearly a unit row; None where none was kept.
    """

    number: int
    category: str | None = None
    confidence: float | None = None
    box_xyxy: tuple[float, float, float, float] | None = None
    answer: Answer | None = None
    embedding: np.ndarray | None = None

    @property
    def status(self) -> str:
        return IDENTIFIED if self.answer is not None else str(self.category)


@dataclass(frozen=True, eq=False)
class TaggedPicture:
    """A picture, or a frame of a video, with all that was found in it.

    Attributes:
        image: What it is called; see `Media.image`.
        content_hash: SHA-256 of the file's bytes, for a frame of the video's; None where they could not be read.
        size_wh: Of the upright picture, in pixels.
        crops: The most confident first; none in a blank picture, nor in one with an `error`.
        reason: Why there are no crops, in a blank picture.
    """

    image: str
    content_hash: str | None = None
    size_wh: tuple[int, int] | None = None
    facts: Facts = NO_FACTS
    frame_number: int | None = None
    frame_rate: float | None = None
    crops: tuple[TaggedCrop, ...] = ()
    reason: str | None = None
    error: str | None = None

    @property
    def media_id(self) -> str:
        return media_id(self.image, self.frame_number)

    @property
    def status(self) -> str:
        """Of the picture as a whole: that of its first crop, or why it has none."""
        return FAILED if self.error is not None else self.crops[0].status if self.crops else BLANK
