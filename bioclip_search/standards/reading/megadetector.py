"""Reads MegaDetector batch output back, that of this program with its exact lineages, that of others as far as it tells of taxa.

Writing it is `standards.megadetector`; boxes that others found, to be named anew, come in as a source instead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bioclip_search.errors import SourceError
from bioclip_search.json_stream import stream_json
from bioclip_search.media import Facts
from bioclip_search.runs.record import PERSON, VEHICLE, TaggedCrop, TaggedPicture
from bioclip_search.standards.megadetector import WHOLE_BBOX, WHOLE_CONF
from bioclip_search.standards.megadetector_rules import IMAGES, read_head
from bioclip_search.standards.reading.exported import UNRANKED, UNREADABLE, ExportedRun, alternatives, pixels, plain_category, read_answer, read_crop, sound

RULE = "read from MegaDetector output"
NOTHING = "nothing was found, by what MegaDetector output tells"
DESCRIBED = ("class", "order", "family", "genus", "species")
"""The ranks of the middle five of the seven parts of a description."""


def read_megadetector(path: Path) -> ExportedRun:
    """The export; see `read_export`.

    Raises:
        SourceError: A member of the file is missing or of the wrong kind.
    """
    head = dict(read_head(path))
    if not isinstance(head.get("detection_categories"), Mapping):
        raise SourceError(f"{path}: is no MegaDetector output, for it has no detection_categories.")
    notes = ("Ladders, rules, places, hashes, and whether a person decided are not kept in it; the time of a video is that of its first frame.",)
    return ExportedRun("megadetector", path, lambda: _pictures(path, head), notes=notes)


def _pictures(path: Path, head: Mapping[str, Any]) -> Iterator[TaggedPicture]:
    info = head.get("info") or {}
    try:
        taxa = _taxa(head)
    except UNREADABLE as error:
        raise SourceError(f"{path}: its classes cannot be understood ({error!r}).") from error
    encoder = str(info.get("classifier") or "") if isinstance(info, Mapping) else ""
    for number, entry in enumerate(value for name, value in stream_json(path, (IMAGES,)) if name == IMAGES):
        try:
            yield from map(sound, _of_entry(entry, head["detection_categories"], taxa, encoder))
        except UNREADABLE as error:
            raise SourceError(f"{path}: image {number} cannot be understood ({error!r}).") from error


def _of_entry(entry: Mapping[str, Any], categories: Mapping[str, str], taxa: Mapping[str, dict[str, Any]], encoder: str) -> Iterator[TaggedPicture]:
    image = entry["file"]
    if entry.get("failure") is not None:
        yield TaggedPicture(image, error=entry["failure"])
        return
    size = (entry["width"], entry["height"]) if entry.get("width") else None
    stamp = datetime.fromisoformat(entry["datetime"]) if entry.get("datetime") else None
    by_frame: dict[int | None, list[Mapping[str, Any]]] = defaultdict(list)
    frames = entry.get("frames_processed")
    for detection in entry["detections"]:
        by_frame[detection.get("frame_number") if frames is not None else None].append(detection)
    for place, frame in enumerate(frames if frames is not None else [None]):
        crops = tuple(_crop(image, number, one, size, categories, taxa, encoder) for number, one in enumerate(by_frame[frame]))
        facts = Facts(timestamp=stamp if place == 0 else None)
        rate = entry.get("frame_rate") if frame is not None else None
        yield TaggedPicture(image, None, size, facts, frame, rate, crops, None if crops else NOTHING)


def _crop(
    image: str,
    number: int,
    detection: Mapping[str, Any],
    size: tuple[int, int] | None,
    categories: Mapping[str, str],
    taxa: Mapping[str, dict[str, Any]],
    encoder: str,
) -> TaggedCrop:
    bbox, conf = list(detection["bbox"]), detection["conf"]
    category: str | None = plain_category(categories[detection["category"]])
    is_whole = bbox == WHOLE_BBOX and conf == WHOLE_CONF
    if not is_whole and size is None:
        raise ValueError("it tells no width and height, so its boxes cannot be told in pixels; tag the file as a source instead")
    box = None if is_whole or size is None else pixels((bbox[0], bbox[1], bbox[2], bbox[3]), size)
    if is_whole and category not in (PERSON, VEHICLE):
        category = None
    named = [(taxa[str(one)], float(probability)) for one, probability in detection.get("classifications") or ()]
    told = dict(named[0][0]) | {"probability": named[0][1]} if named else {}
    answer = read_answer(image, box, RULE, encoder, detector_confidence=None if is_whole else conf, alternatives=alternatives(named[1:]), **told)
    return read_crop(number, category, None if is_whole else conf, box, answer)


def _taxa(head: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is told of each class: exactly, where this program wrote it, else by its description, else its name alone."""
    info = head.get("info")
    metadata = info.get("classifier_metadata") if isinstance(info, Mapping) else None
    exact = metadata.get("taxa") if isinstance(metadata, Mapping) else None
    descriptions = head.get("classification_category_descriptions") or {}
    found = {}
    for number, name in (head.get("classification_categories") or {}).items():
        told = exact.get(number) if isinstance(exact, Mapping) else None
        is_exact = isinstance(told, Mapping) and isinstance(told.get("lineage"), Mapping)
        found[number] = (
            {key: told.get(key) for key in ("taxon", "rank", "common_name")} | {"lineage": dict(told["lineage"])}
            if is_exact
            else _described(name, descriptions.get(number))
        )
    return found


def _described(name: str, description: Any) -> dict[str, Any]:
    """The taxon of a class of another program, from the seven parts of its description.

    >>> _described("red fox", "1;mammalia;carnivora;canidae;vulpes;vulpes;red fox")["taxon"]
    'Vulpes vulpes'
    """
    parts = description.split(";") if isinstance(description, str) else []
    lineage = {rank: part.strip().capitalize() for rank, part in zip(DESCRIBED, parts[1:6], strict=False) if part.strip()} if len(parts) == 7 else {}
    if "species" in lineage:
        lineage["species"] = f"{lineage.get('genus', '')} {lineage['species'].lower()}".strip()
    if not lineage:
        return {"taxon": name, "rank": UNRANKED, "common_name": None, "lineage": {}}
    rank = list(lineage)[-1]
    return {"taxon": lineage[rank], "rank": rank, "common_name": parts[6].strip() or None, "lineage": lineage}
