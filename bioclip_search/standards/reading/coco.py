"""Reads COCO Camera Traps back, that of this program with its lineages, that of others with the names of their categories.

Writing it is `standards.coco`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bioclip_search.errors import SourceError
from bioclip_search.json_stream import stream_json
from bioclip_search.media import Facts
from bioclip_search.runs.record import PERSON, VEHICLE, TaggedCrop, TaggedPicture
from bioclip_search.standards.coco import EMPTY_ID, LISTS, PLAIN, UNKNOWN_ID
from bioclip_search.standards.on_disk import rows_by_key
from bioclip_search.standards.reading.exported import UNRANKED, UNREADABLE, ExportedRun, plain_category, read_answer, read_crop, sound

RULE = "read from COCO Camera Traps"
CORRUPT = "told to be corrupt"
NOTHING = "nothing is told to be seen"
NAMELESS = ("unknown", "unidentified", "animal")
"""Names of categories that name nothing."""


def read_coco(path: Path) -> ExportedRun:
    """The export; see `read_export`.

    Raises:
        SourceError: The file has no categories.
    """
    head = {name: value for name, value in stream_json(path, LISTS) if name not in LISTS}
    try:
        categories = {one["id"]: one for one in head["categories"]}
    except UNREADABLE as error:
        raise SourceError(f"{path}: is no COCO Camera Traps, for its categories cannot be understood ({error!r}).") from error
    notes = ("Runners-up, ladders, rules, hashes, and whether a person decided are not kept in it.",)
    return ExportedRun("coco", path, lambda: _pictures(path, categories), notes=notes)


def _pictures(path: Path, categories: Mapping[int, Mapping[str, Any]]) -> Iterator[TaggedPicture]:
    """Annotations may come in any order, so they wait for their images."""
    told = (value for name, value in stream_json(path, LISTS) if name == "annotations" and isinstance(value, dict))
    with rows_by_key((str(one.get("image_id")), one) for one in told) as annotations_of:
        for name, image in stream_json(path, LISTS):
            if name != "images" or not isinstance(image, dict):
                continue
            try:
                yield sound(_picture(image, annotations_of(str(image.get("id"))), categories))
            except UNREADABLE as error:
                raise SourceError(f"{path}: the image {image.get('id')} cannot be understood ({error!r}).") from error


def _picture(image: Mapping[str, Any], annotations: list[dict[str, Any]], categories: Mapping[int, Mapping[str, Any]]) -> TaggedPicture:
    size = (int(image["width"]), int(image["height"])) if image.get("width") and image.get("height") else None
    stamp = datetime.fromisoformat(image["datetime"]) if image.get("datetime") else None
    facts = Facts(stamp, image.get("latitude"), image.get("longitude"), image.get("camera"), None if image.get("location") is None else str(image["location"]))
    about = (str(image["file_name"]), None, size, facts, image.get("frame_number"), image.get("frame_rate"))
    if image.get("corrupt"):
        return TaggedPicture(*about, error=image.get("failure") or CORRUPT)
    seen = [one for one in annotations if one["category_id"] != EMPTY_ID]
    crops = tuple(_crop(about[0], number, one, size, categories[one["category_id"]]) for number, one in enumerate(seen))
    return TaggedPicture(*about, crops=crops, reason=None if crops else NOTHING)


def _crop(image: str, number: int, told: Mapping[str, Any], size: tuple[int, int] | None, category: Mapping[str, Any]) -> TaggedCrop:
    box, confidence = _box(told, size), told.get("detector_confidence")
    plain = plain_category(str(category["name"]))
    kind = plain if plain in (PERSON, VEHICLE) else told.get("detector_category") or ("animal" if box else None)
    named: dict[str, Any] = {}
    if category["id"] != UNKNOWN_ID or category["name"] != PLAIN[UNKNOWN_ID]:
        ours = {name: category.get(name) for name in ("taxon", "rank", "common_name")} | {"lineage": dict(category.get("lineage") or {})}
        named = ours if category.get("taxon") else {"taxon": category["name"], "rank": UNRANKED} if plain not in NAMELESS else {}
    if named:
        named["probability"] = told.get("probability")
    answer = read_answer(image, box, RULE, str(told.get("classified_by") or ""), detector_confidence=confidence, **named)
    return read_crop(number, kind, confidence, box, answer)


def _box(told: Mapping[str, Any], size: tuple[int, int] | None) -> tuple[float, float, float, float] | None:
    if told.get("bbox"):
        left, top, width, height = map(float, told["bbox"])
        return left, top, left + width, top + height
    if told.get("bbox_relative") and size:
        left, top, width, height = map(float, told["bbox_relative"])
        return left * size[0], top * size[1], (left + width) * size[0], (top + height) * size[1]
    return None
