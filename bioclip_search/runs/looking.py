"""From media to crops that the encoder can eat: opened, searched for organisms, cut out, prepared.

Opening is left to `decoding`, boxes to `detect`, what becomes of the crops to `deciding`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bioclip_search.batches import Batches
from bioclip_search.crops import DETECTOR_CONFIDENCE
from bioclip_search.decoding.pool import Decoders, Opened
from bioclip_search.detect import Detection, Detector, crop_box, is_wildlife
from bioclip_search.detectors.given import detections_of
from bioclip_search.encoder import Encoder
from bioclip_search.errors import PictureError
from bioclip_search.images import crop
from bioclip_search.lanes import lanes_of, work_in_lanes
from bioclip_search.media import Facts, Media
from bioclip_search.runs.journal import Journal
from bioclip_search.runs.record import TaggedCrop, TaggedPicture
from bioclip_search.stream import in_blocks, work_ahead

OPEN_AHEAD = 2
"""Pictures per decoder that wait opened, in full size."""

DETECT_BATCH = 8
"""Pictures searched at once, by one thread; a detector that gains nothing by that takes them one by one."""


@dataclass(frozen=True, eq=False)
class Look:
    """A picture whose crops wait for their answers.

    Attributes:
        picture: With its crops, the most confident first, that have no answer yet.
        prepared: For the encoder, of those crops that are asked about, in their order.
        is_copy: A picture with the same bytes came before; its crops are to be had there.
    """

    picture: TaggedPicture
    prepared: tuple[Any, ...] = ()
    is_copy: bool = False


@dataclass(eq=False)
class Looking:
    """What pictures are looked at with."""

    decoders: Decoders
    encoder: Encoder
    detector: Detector | None
    min_confidence: float = DETECTOR_CONFIDENCE
    facts_of: Callable[[str, Facts], Facts] = lambda image, facts: facts
    """What the source makes of a picture's facts when the picture has told its own."""
    _seen: set[tuple[str, int | None]] = field(default_factory=set)
    """Contents that were passed on and may not be in the journal yet."""

    def __post_init__(self) -> None:
        self._detect = None if self.detector is None else Batches(lambda pictures: self.detector.detect(pictures, self.min_confidence), DETECT_BATCH)

    def looks(self, media: Iterable[Media], journal: Journal) -> Iterator[Look]:
        """One look per picture, in their order; a picture that cannot be opened has an error and no crops.

        Decoders, detector and whoever takes the looks work side by side, each a few pictures ahead of the next. What must be done in
        order, telling copies, is done by the thread that takes the looks.
        """
        opened = work_ahead(self._opened, media, self.decoders.workers, OPEN_AHEAD)
        blank = ((*pair, self._blank(*pair, journal)) for pair in opened)
        return (look for group in self._groups(blank) for look in group)

    def forget(self, pictures: Sequence[TaggedPicture]) -> None:
        """Told that these are in the journal now."""
        self._seen.difference_update((picture.content_hash, picture.frame_number) for picture in pictures)

    def _groups(self, blank: Iterable[tuple[Media, Opened | PictureError, Look]]) -> Iterator[list[Look]]:
        """Picture by picture where there are lanes; else several together, which is what a card is there for."""
        lanes = lanes_of(self.encoder if self.detector is None else self.detector)
        if lanes == 1:
            return work_ahead(self._group, in_blocks(blank, DETECT_BATCH), 1, 1)
        return work_in_lanes(lambda one: self._group([one]), blank, lanes)

    def _opened(self, media: Media) -> tuple[Media, Opened | PictureError]:
        is_whole = self.detector is None and media.boxes is None
        try:
            return media, self.decoders.open(media, self.encoder.input_px if is_whole else None)
        except PictureError as error:
            return media, error

    def _group(self, group: Sequence[tuple[Media, Opened | PictureError, Look]]) -> list[Look]:
        """The looks of pictures that are searched together, of which is known what `_blank` tells."""
        searched = [not (look.is_copy or look.picture.error or media.boxes is not None) for media, _, look in group]
        pictures = [opened.picture for (_, opened, _), is_searched in zip(group, searched, strict=True) if is_searched]
        found = iter(self._detect(pictures) if self._detect else ())
        looks = []
        for (media, opened, look), is_searched in zip(group, searched, strict=True):
            if look.is_copy or look.picture.error:
                looks.append(look)
            elif is_searched and self._detect is None:
                looks.append(self._whole(look, opened))
            else:
                boxes = next(found) if is_searched else detections_of(media.boxes, opened.size_wh, self.min_confidence)
                looks.append(self._cut(look, opened, boxes, self.detector.name if is_searched else "the source"))
        return looks

    def _blank(self, media: Media, opened: Opened | PictureError, journal: Journal) -> Look:
        """What is known of the picture before it is searched."""
        frame = media.frame
        picture = TaggedPicture(media.image, facts=media.facts, frame_number=frame and frame.number, frame_rate=frame and frame.rate)
        if isinstance(opened, PictureError):
            return Look(replace(picture, error=str(opened)))
        picture = replace(picture, content_hash=opened.content_hash, size_wh=opened.size_wh, facts=self.facts_of(media.image, opened.facts))
        if media.boxes is not None:  # somebody else's boxes, which need not be those of a copy
            return Look(picture)
        content = picture.content_hash, picture.frame_number
        is_copy = content in self._seen or journal.knows(*content)
        self._seen.add(content)
        return Look(picture, is_copy=is_copy)

    def _whole(self, look: Look, opened: Opened) -> Look:
        return replace(look, picture=replace(look.picture, crops=(TaggedCrop(0),)), prepared=(self.encoder.prepare(opened.picture),))

    def _cut(self, look: Look, opened: Opened, boxes: Sequence[Detection], finder: str) -> Look:
        crops = tuple(TaggedCrop(number, box.category, box.confidence, box.box_xyxy) for number, box in enumerate(boxes))
        reason = None if crops else f"{finder} saw none at confidence {self.min_confidence:g}"
        asked = [one for one in crops if is_wildlife(one.category or "")]
        prepared = tuple(self.encoder.prepare(crop(opened.picture, crop_box(one.box_xyxy, opened.picture.size))) for one in asked)
        return replace(look, picture=replace(look.picture, crops=crops, reason=reason), prepared=prepared)
