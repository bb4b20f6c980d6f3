"""The pictures of a COCO Camera Traps JSON, with time, location and the boxes where there are any.

The format: agentmorris/MegaDetector, megadetector/data_management/README.md ("COCO Camera Traps format"): `file_name`, `location`, `datetime` of an
image; `bbox` of an annotation is [left, top, width, height] in pixels. Its labels of taxa are not taken over, nor its sequences, which are found anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bioclip_search.json_stream import stream_json
from bioclip_search.media import Facts, GivenBox, Media, Video
from bioclip_search.sources.cells import moment_of, place_of, text_of
from bioclip_search.sources.given import NO_BOX, given_box, kind_of, numbers_of
from bioclip_search.sources.lists import each_once, media_at
from bioclip_search.sources.outline import Outline
from bioclip_search.sources.seen import Kept
from bioclip_search.sources.source import Stream, Tally

IMAGES, ANNOTATIONS = "images", "annotations"

NO_SIZE = "pictures with boxes in pixels but without width and height, so that a detector must look anew"


def is_coco(outline: Outline) -> bool:
    first = outline.first.get(IMAGES)
    return isinstance(first, dict) and "file_name" in first


def coco_stream(outline: Outline, root: Path) -> Stream:
    """The pictures in the order of the file; those with no box in any annotation are given as not looked at."""
    told = outline.members.get("categories")
    categories = {str(one.get("id")): str(one.get("name")) for one in (told if isinstance(told, list) else []) if isinstance(one, dict)}

    def stream(tally: Tally) -> Iterator[Media | Video]:
        with Kept() as boxes:
            for name, annotation in stream_json(outline.path, (IMAGES, ANNOTATIONS)):
                if name == ANNOTATIONS and isinstance(annotation, dict) and annotation.get("bbox") is not None:
                    kind = kind_of(categories.get(str(annotation.get("category_id")), ""))
                    boxes.add(str(annotation.get("image_id")), [annotation["bbox"], annotation.get("score"), kind])
            entries = (entry for name, entry in stream_json(outline.path, (IMAGES, ANNOTATIONS)) if name == IMAGES)
            yield from each_once((_media(entry, root, boxes, tally) for entry in entries), tally)

    return stream


def _media(entry: Any, root: Path, boxes: Kept, tally: Tally) -> Media | Video | None:
    path = entry.get("file_name") if isinstance(entry, dict) else None
    if not isinstance(path, str) or not path.strip():
        return None
    place = place_of(entry.get("latitude"), entry.get("longitude")) or (None, None)
    moment = moment_of(entry.get("datetime") or entry.get("date_captured"))
    media = media_at(path, root, Facts(moment, *place, deployment=text_of(entry.get("location"))))
    if isinstance(media, Video) or media.error:
        return media
    told = boxes.of(str(entry.get("id")))
    return replace(media, boxes=_boxes(told, entry, media.image, tally)) if told else media


def _boxes(told: list[Any], entry: Mapping[str, Any], image: str, tally: Tally) -> tuple[GivenBox, ...] | None:
    size = (entry.get("width"), entry.get("height"))
    if not all(isinstance(side, int | float) and side > 0 for side in size):
        tally.add(NO_SIZE, image)
        return None
    found = []
    for xywh, confidence, category in told:
        numbers = numbers_of(xywh)
        shares = None if numbers is None else [value / size[axis % 2] for axis, value in enumerate(numbers)]
        box = given_box(shares, confidence, category)
        if box is None:
            tally.add(NO_BOX, f"{xywh} in {image}")
        else:
            found.append(box)
    return tuple(found)
