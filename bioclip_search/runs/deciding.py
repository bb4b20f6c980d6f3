"""Gives the crops of looks their vectors and answers: encoded in batches across pictures, asked at each picture's own place.

Answers are made from the vectors as they are kept, in half precision, so that a second decision without the pictures says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.batches import Batches
from bioclip_search.geography.occurrences import Occurrences
from bioclip_search.lanes import lanes_of, work_in_lanes
from bioclip_search.media import Facts
from bioclip_search.question import Asked, Question
from bioclip_search.runs.journal import Journal
from bioclip_search.runs.looking import Look
from bioclip_search.runs.record import PERSON, VEHICLE, TaggedCrop, TaggedPicture
from bioclip_search.searcher import BATCH_CROPS, Searcher
from bioclip_search.stream import in_blocks

PLACES_KEPT = 256
"""Questions of different places and months that are kept ready."""

PLACE_DEGREES = 0.1
"""Pictures nearer to each other than this (11 km) are asked at one place; records are told no finer."""


class Deciding:
    """One way to answer: an index, and what is asked of it.

    Attributes:
        asked: Filters and rules as `Searcher.question` takes them.
        is_local: Weigh the records of occurrences at each picture's own place and month.
        told: All that decides an answer besides the index, as the settings of a run tell it.
    """

    def __init__(self, searcher: Searcher, asked: dict[str, Any], *, is_local: bool = False, calibration: str | Path | None = None):
        """Takes the file that the searcher's calibration came from, if it is not the index's own."""
        self.searcher, self.asked, self.is_local = searcher, asked, is_local
        speed = None if searcher.speed == "auto" else searcher.speed
        self.told = asked | {"place": "of each picture" if is_local else None, "calibration": calibration, "speed": speed}
        self._placeless = {name: value for name, value in asked.items() if not (is_local and name == "occurrences")}
        self.everywhere = searcher.question(**self._placeless)
        self._occurrences = Occurrences.read(asked["occurrences"], searcher.taxonomy, searcher.names) if is_local else None  # once for all places
        self._at = lru_cache(PLACES_KEPT)(self._question_at)
        self._encode = Batches(lambda prepared: list(searcher.encoder.encode_prepared(prepared)), BATCH_CROPS)

    def encoded(self, batches: Iterable[Sequence[Look]]) -> Iterator[tuple[Sequence[Look], list[np.ndarray]]]:
        """Each batch with one (dim,) float16 for every prepared crop of it, in their order; some batches ahead where several lanes encode."""
        vectors: list[np.ndarray] = []
        encoder = self.searcher.encoder
        for batch, some in work_in_lanes(lambda piece: (piece[0], self._encode(piece[1])), _pieces(batches), lanes_of(encoder)):
            vectors += (vector.astype(np.float16) for vector in some)
            if batch is not None:
                yield batch, vectors
                vectors = []

    def tagged(self, looks: Sequence[Look], of_crops: Sequence[np.ndarray], journal: Journal) -> list[TaggedPicture]:
        """The pictures of a batch of `encoded` with vectors and answers, in their order; of copies those of the first."""
        vectors = iter(of_crops)
        fresh: dict[tuple[str | None, int | None], TaggedPicture] = {}
        pictures = []
        for look in looks:
            content = look.picture.content_hash, look.picture.frame_number
            if look.is_copy:
                first = fresh.get(content) or journal.recall(*content)
                picture = replace(look.picture, crops=first.crops, reason=first.reason)
            else:
                picture = _with_vectors(look.picture, vectors)
                fresh[content] = picture
            pictures.append(picture)
        return self.answered(pictures)

    def answered(self, pictures: Sequence[TaggedPicture]) -> list[TaggedPicture]:
        """The pictures with an answer for each crop that has a vector."""
        answers: dict[tuple[int, int], Any] = {}
        keyed = [(self._key(picture.facts), place, picture) for place, picture in enumerate(pictures)]
        for key, group in groupby(sorted(keyed, key=lambda one: (one[0] or (), one[1])), key=lambda one: one[0]):
            asked = [(place, crop, picture.image) for _, place, picture in group for crop in picture.crops if crop.embedding is not None]
            if asked:
                rows = np.stack([crop.embedding for _, crop, _ in asked]).astype(np.float32)  # (b, dim)
                subjects = [Asked(image, crop.box_xyxy, crop.confidence) for _, crop, image in asked]
                found = self.question_at(key).answers(rows, subjects)
                answers |= {(place, crop.number): answer for (place, crop, _), answer in zip(asked, found, strict=True)}
        return [
            replace(picture, crops=tuple(replace(crop, answer=answers.get((place, crop.number))) for crop in picture.crops))
            for place, picture in enumerate(pictures)
        ]

    def question_at(self, key: tuple[float, float, int | None] | None) -> Question:
        """The question for pictures of one place and month; None asks without a place."""
        return self.everywhere if key is None else self._at(key)

    def _key(self, facts: Facts) -> tuple[float, float, int] | None:
        if not self.is_local or facts.latitude is None or facts.longitude is None:
            return None
        month = facts.timestamp.month if facts.timestamp else 0
        return round(facts.latitude / PLACE_DEGREES) * PLACE_DEGREES, round(facts.longitude / PLACE_DEGREES) * PLACE_DEGREES, month

    def _question_at(self, key: tuple[float, float, int]) -> Question:
        latitude, longitude, month = key
        return self.searcher.question(**self._placeless, occurrences=self._occurrences, near=(latitude, longitude), month=month or None)


def _pieces(batches: Iterable[Sequence[Look]]) -> Iterator[tuple[Sequence[Look] | None, list[Any]]]:
    """The prepared crops of each batch as the encoder takes them, in one piece at least; the last comes with its batch."""
    for batch in batches:
        pieces = list(in_blocks((one for look in batch for one in look.prepared), BATCH_CROPS)) or [[]]
        yield from ((None, piece) for piece in pieces[:-1])
        yield batch, pieces[-1]


def _with_vectors(picture: TaggedPicture, vectors: Iterator[np.ndarray]) -> TaggedPicture:
    """The picture, whose crops of wildlife take the next vectors."""
    return replace(picture, crops=tuple(_with_vector(crop, vectors) for crop in picture.crops))


def _with_vector(crop: TaggedCrop, vectors: Iterator[np.ndarray]) -> TaggedCrop:
    return crop if crop.category in (PERSON, VEHICLE) else replace(crop, embedding=next(vectors))
