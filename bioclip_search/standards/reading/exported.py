"""An export that was read back, and the pieces of a run that readers make it of.

The formats themselves are the neighbours' work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bioclip_search.media import Deployment
from bioclip_search.results import Alternative, Answer
from bioclip_search.runs.record import PERSON, VEHICLE, TaggedCrop, TaggedPicture
from bioclip_search.standards.collection import Standing

UNREADABLE = (KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError, ArithmeticError)
"""What comes up where a file holds something else than its format says."""

MOST_PIXELS = 1 << 24
"""Longest side of a picture that is believed."""

UNRANKED = "unranked"
"""The rank of a name of which its source does not tell one (GBIF's word)."""


@dataclass(frozen=True)
class ExportedRun:
    """What an export tells; its pictures come as a stream, afresh with each call of `pictures`.

    Attributes:
        kind: The format, as `standards.FORMATS` calls it.
        root: The folder that the names of the pictures are told from, where the export lies in it.
        decided: The answers that people gave: (media id, number of the crop, what stands), afresh with each call.
        project: What the export tells of the project, as `export --project` takes it.
        notes: What the format does not carry.
    """

    kind: str
    path: Path
    pictures: Callable[[], Iterator[TaggedPicture]]
    root: Path | None = None
    decided: Callable[[], Iterator[tuple[str, int, Standing]]] = lambda: iter(())
    deployments: tuple[Deployment, ...] = ()
    project: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_answer(image: str, box: tuple[float, float, float, float] | None, rule: str, encoder: str, **told: Any) -> Answer:
    """The answer of another program, or of this one at another time; without a `taxon` it names nothing."""
    if told.get("taxon") is None:
        told |= {"taxon": None, "rank": None, "lineage": {}}
    told.setdefault("probability", None)
    return Answer(image=image, box_xyxy=box, rule=rule, index="", encoder=encoder, **told)


def read_crop(number: int, category: str | None, confidence: float | None, box: tuple[float, float, float, float] | None, answer: Answer | None) -> TaggedCrop:
    """The crop; people and vehicles have no answer."""
    return TaggedCrop(number, category, confidence, box, None if category in (PERSON, VEHICLE) else answer)


def pixels(share: tuple[float, float, float, float], size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, width, height) in shares of the picture as a box in pixels."""
    left, top, width, height = share
    return left * size_wh[0], top * size_wh[1], (left + width) * size_wh[0], (top + height) * size_wh[1]


def plain_category(name: str) -> str:
    """The detector's word for a category of an export, people and vehicles as this program calls them."""
    plain = name.strip().lower()
    return {"human": PERSON, "people": PERSON, "car": VEHICLE}.get(plain, plain)


def alternatives(told: list[tuple[dict[str, Any], float]]) -> tuple[Alternative, ...]:
    return tuple(Alternative(one["taxon"], one["rank"], probability, one.get("common_name")) for one, probability in told)


def sound(picture: TaggedPicture) -> TaggedPicture:
    """The picture, whose parts are of the kinds they should be.

    Raises:
        ValueError: One is not.
    """
    texts = [picture.image, picture.error or "x", picture.facts.deployment or "x", picture.facts.camera or "x"]
    _require(all(isinstance(one, str) and one for one in texts), "its name, place, camera or reason is no text")
    _require(picture.size_wh is None or all(_is_count(one) and 0 < one <= MOST_PIXELS for one in picture.size_wh), f"its size is {picture.size_wh}")
    _require(picture.frame_number is None or (_is_count(picture.frame_number) and picture.frame_number < 1 << 31), "its frame_number is none")
    numbers = [picture.frame_rate, picture.facts.latitude, picture.facts.longitude]
    _require(all(one is None or _is_finite(one) for one in numbers), "its frame rate or place is no number")
    for crop in picture.crops:
        _require(crop.box_xyxy is None or all(map(_is_finite, crop.box_xyxy)), f"the box {crop.box_xyxy} is none")
        _require(crop.category is None or isinstance(crop.category, str), f"the category {crop.category!r} is no text")
        _require(
            all(one is None or (_is_finite(one) and 0 <= one <= 1) for one in (crop.confidence, crop.answer and crop.answer.probability)),
            "a confidence or probability is not from 0 to 1",
        )
        if crop.answer is not None:
            names = [crop.answer.taxon, crop.answer.rank, crop.answer.common_name, *crop.answer.lineage, *crop.answer.lineage.values()]
            _require(all(one is None or isinstance(one, str) for one in names), "the name of a taxon is no text")
    return picture


def _require(is_so: bool, words: str) -> None:
    if not is_so:
        raise ValueError(words)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
