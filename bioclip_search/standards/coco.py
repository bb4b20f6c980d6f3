"""Writes a run as COCO Camera Traps, JSON, which is COCO with places, times and bursts.

After agentmorris/MegaDetector, megadetector/data_management/README.md ("COCO Camera Traps format"). Category 0 is "empty",
as the format reserves it. Beyond the format, which allows it, categories tell rank and lineage, and annotations how sure
detector and index were. Reading it is `reading.coco`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from bioclip_search.errors import ExportError
from bioclip_search.json_stream import stream_json
from bioclip_search.runs.record import BLANK, PERSON, VEHICLE
from bioclip_search.standards.classes import Classes
from bioclip_search.standards.collection import Collection, SeenCrop, SeenPicture, Standing
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_file
from bioclip_search.standards.report import ExportReport, Tally

EMPTY_ID, PERSON_ID, VEHICLE_ID, UNKNOWN_ID = 0, 1, 2, 3
PLAIN = {EMPTY_ID: "empty", PERSON_ID: "person", VEHICLE_ID: "vehicle", UNKNOWN_ID: "unknown"}
FIRST_TAXON_ID = len(PLAIN)
LISTS = ("images", "annotations")
"""The long members of the file."""

DIGITS = 3
"""Decimals of a box's sides, in pixels."""


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the file, going through the run once for the classes, once for the images and once for the annotations."""
    classes, tally = Classes.of(collection.pictures(options)), Tally()
    with fresh_file(out, options) as part:
        with part.open("w", encoding="ascii", newline="\n") as file:
            file.write("{\n " + f'"info": {json.dumps(_info(collection))},\n "categories": {json.dumps(_categories(classes))},\n "images": [')
            tally.pictures = _write_list(file, (_image(seen) for seen in collection.pictures(options, tally)))
            file.write('],\n "annotations": [')
            told = (one for seen in collection.pictures(options) for one in _annotations(seen, classes))
            tally.observations = _write_list(file, told)
            file.write("]\n}\n")
        _check(part)
    return tally.report("coco", out)


def _write_list(file: TextIO, elements: Iterator[dict[str, Any]]) -> int:
    count = 0
    for count, element in enumerate(elements, 1):
        file.write(("," if count > 1 else "") + "\n  " + json.dumps(element))
    return count


def _info(collection: Collection) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"version": "1.0", "description": f"Tagged by {collection.machine}", "year": now.year, "date_created": f"{now:%Y-%m-%d %H:%M:%S}"}


def _categories(classes: Classes) -> list[dict[str, Any]]:
    plain = [{"id": number, "name": name} for number, name in PLAIN.items()]
    names = classes.names()
    for key, number in classes.numbers.items():
        told = {"id": number + FIRST_TAXON_ID - 1, "name": names[number], "taxon": key[1], "rank": key[0]}
        plain.append(told | {"common_name": classes.keys[key], "lineage": dict(key[2])})
    return plain


def _image(seen: SeenPicture) -> dict[str, Any]:
    picture, facts = seen.picture, seen.picture.facts
    width, height = picture.size_wh or (None, None)
    told = {
        "id": picture.media_id,
        "file_name": picture.image,
        "width": width,
        "height": height,
        "datetime": facts.timestamp.isoformat(" ") if facts.timestamp else None,
        "seq_id": seen.sequence,
        "location": facts.deployment,
        "corrupt": True if picture.error is not None else None,
        "failure": picture.error,
        "frame_number": picture.frame_number,
        "frame_rate": picture.frame_rate,
        "latitude": facts.latitude,
        "longitude": facts.longitude,
        "camera": facts.camera,
    }
    return {name: value for name, value in told.items() if value is not None}


def _annotations(seen: SeenPicture, classes: Classes) -> Iterator[dict[str, Any]]:
    for number, (crop, stands) in enumerate(seen.observed):
        told = {"id": f"{seen.picture.media_id}_{number}", "image_id": seen.picture.media_id, "category_id": _category(stands, classes)}
        yield told | _box(crop) | _sureness(crop, stands) | {"sequence_level_annotation": False}


def _category(stands: Standing, classes: Classes) -> int:
    plain = {BLANK: EMPTY_ID, PERSON: PERSON_ID, VEHICLE: VEHICLE_ID}.get(stands.status)
    if plain is not None:
        return plain
    return UNKNOWN_ID if stands.taxon is None else classes.number(stands) + FIRST_TAXON_ID - 1


def _box(crop: SeenCrop | None) -> dict[str, Any]:
    if crop is None or crop.crop.box_xyxy is None:
        return {}
    left, top, right, bottom = crop.crop.box_xyxy
    return {"bbox": [round(side, DIGITS) for side in (left, top, right - left, bottom - top)]}


def _sureness(crop: SeenCrop | None, stands: Standing) -> dict[str, Any]:
    told = {"probability": stands.probability, "classified_by": stands.who, "verified": True if stands.is_decided else None}
    if crop is not None:
        told |= {"detector_confidence": crop.crop.confidence, "detector_category": crop.crop.category, "repeat": True if crop.is_repeat else None}
    return {name: value for name, value in told.items() if value is not None}


def _check(path: Path) -> None:
    """
    Raises:
        ExportError: A required member is missing, a category is told twice, or an annotation is of no category or of an
            image that does not come in the same order.
    """
    categories: dict[int, str] = {}
    for name, value in stream_json(path, LISTS):
        if name == "categories":
            categories = {one["id"]: one["name"] for one in value}
            if len(categories) != len(value) or len({each.casefold() for each in categories.values()}) != len(value):
                raise ExportError("Two categories have one id or one name, which COCO Camera Traps does not allow.")
    images = (value["id"] for name, value in stream_json(path, LISTS) if name == "images")
    image = None
    for name, value in stream_json(path, LISTS):
        if name != "annotations" or not isinstance(value, dict):
            continue
        while image != value["image_id"]:
            image = next(images, None)
            if image is None:
                raise ExportError(f"The annotation {value['id']} is of an image that is not told of.")
        box = value.get("bbox")
        if value["category_id"] not in categories or (box is not None and (len(box) != 4 or min(box[2:]) < 0)):
            raise ExportError(f"The annotation {value['id']} is of no category, or its box is none: {value}.")
