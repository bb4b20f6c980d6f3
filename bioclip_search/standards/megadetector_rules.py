"""Says where a file breaks the rules of MegaDetector batch output 1.6, and of Timelapse, which reads it.

Written from megadetector-output-format.md (agentmorris/MegaDetector @ 22cfae4d) and from what Timelapse refuses
(saulgreenberg/Timelapse); the numbers in brackets are cited by the tests. Writing the file is `megadetector`.

1. It is an object with `info`, `detection_categories` and `images`.
2. `info.format_version` is a text that is a number, here 1.6.
3. Category ids are texts of whole numbers from 0 up; "0" is reserved for Empty and not used. Names are texts, and not blank.
4. The descriptions have the same ids as the classes.
5. No class is called as a detection category is, and no two classes have one name (Timelapse).
6. Each image has a `file`, a text.
7. A `failure` that is a text goes with `detections` null or missing; without one, `detections` is a list.
8. A detection has a known `category`, `conf` from 0 to 1 written as a fraction, and a `bbox` of four shares within the picture.
9. Classifications are pairs of a known class and a number from 0 to 1, the highest first.
10. A video has a `frame_rate` above 0 (any, where it failed), `frames_processed`, a list of whole numbers, and a `frame_number`, from 0 up, on each detection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bioclip_search.errors import ExportError, SourceError
from bioclip_search.json_stream import stream_json

FORMAT_VERSION = "1.6"
IMAGES = "images"
RESERVED_ID = "0"
SLACK = 1e-5
"""By how much a box may pass the picture's edge, for rounding."""

MOST = 1e9
"""Larger numbers are none that the format has a use for."""

VIDEO_SUFFIXES = frozenset((".mp4", ".avi", ".mpeg", ".mpg", ".mov", ".mkv", ".flv", ".m4v", ".webm", ".asf", ".wmv", ".3gp", ".mts"))
"""Files that the MegaDetector tools take for videos, and more of the kind."""


def check_file(path: Path) -> None:
    """
    Raises:
        ExportError: The first rule that is broken, in words.
    """
    fault = next(faults(path), None)
    if fault:
        raise ExportError(f"What would be written is no MegaDetector output 1.6: {fault}")


def faults(path: Path) -> Iterator[str]:
    """What is wrong with the file, one by one; nothing where it keeps all the rules. Memory is flat in the number of images."""
    try:
        head = dict(read_head(path))
        yield from _head_faults(head)
        if isinstance(head.get(IMAGES), list):
            for number, image in enumerate(image for name, image in stream_json(path, (IMAGES,)) if name == IMAGES):
                yield from (f"image {number} ({_name(image)}): {fault}" for fault in _image_faults(image, head))
    except SourceError as error:
        yield f"rule 1: {error}"


def read_head(path: Path) -> Iterator[tuple[str, Any]]:
    """All members of the file but the images themselves: an empty list stands for those."""
    is_told = False
    for name, value in stream_json(path, (IMAGES,)):
        if name != IMAGES:
            yield name, value
        elif not is_told:
            is_told = True
            yield IMAGES, []
    if not is_told and _has_empty_list(path):
        yield IMAGES, []


def _has_empty_list(path: Path) -> bool:
    """An empty list gives no element, so it must be told from a list that is not there."""
    return any(name == IMAGES and value == [] for name, value in stream_json(path, ()))


def is_video_name(image: str) -> bool:
    """By the ending of its name alone."""
    return image[image.rfind(".") :].lower() in VIDEO_SUFFIXES


def _name(image: Any) -> str:
    return str(image.get("file"))[:120] if isinstance(image, Mapping) else "no object"


def _head_faults(head: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in (("info", Mapping), ("detection_categories", Mapping), (IMAGES, list)):
        if not isinstance(head.get(name), kind):
            yield f"rule 1: {name} is missing or of the wrong kind"
    version = head["info"].get("format_version") if isinstance(head.get("info"), Mapping) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d+\.\d+", version):
        yield f"rule 2: format_version is {version!r}, where a text such as {FORMAT_VERSION!r} was expected"
    for group in ("detection_categories", "classification_categories"):
        for number, name in _group(head, group).items():
            if not re.fullmatch(r"\d+", str(number)) or number == RESERVED_ID:
                yield f"rule 3: {group} has the id {number!r}, where a whole number above 0 was expected"
            if not isinstance(name, str) or not name.strip():
                yield f"rule 3: {group} calls {number!r} {name!r}, where a name was expected"
    yield from _class_faults(head)


def _class_faults(head: Mapping[str, Any]) -> Iterator[str]:
    classes = _group(head, "classification_categories")
    if "classification_category_descriptions" in head and set(_group(head, "classification_category_descriptions")) != set(classes):
        yield "rule 4: the descriptions have other ids than the classes"
    taken = {str(name).casefold() for name in _group(head, "detection_categories").values()}
    for number, name in classes.items():
        if str(name).casefold() in taken:
            yield f"rule 5: the class {number} is called {name!r}, as another class or a detection category is"
        taken.add(str(name).casefold())


def _group(head: Mapping[str, Any], name: str) -> Mapping[Any, Any]:
    group = head.get(name)
    return group if isinstance(group, Mapping) else {}


def _image_faults(image: Any, head: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(image, Mapping) or not isinstance(image.get("file"), str) or not image["file"]:
        yield "rule 6: it has no file"
        return
    failure, detections = image.get("failure"), image.get("detections")
    if failure is not None and (not isinstance(failure, str) or detections is not None):
        yield "rule 7: a failure is a text and goes with detections null"
    if failure is None and not isinstance(detections, list):
        yield "rule 7: detections is no list"
    is_video = is_video_name(image["file"])
    if is_video:
        yield from _video_faults(image)
    for detection in detections if isinstance(detections, list) else ():
        yield from _detection_faults(detection, head) if isinstance(detection, Mapping) else ["rule 8: a detection is no object"]
        if is_video and isinstance(detection, Mapping) and not _is_count(detection.get("frame_number")):
            yield f"rule 10: a detection's frame_number is {detection.get('frame_number')!r}"


def _video_faults(image: Mapping[str, Any]) -> Iterator[str]:
    rate, frames = image.get("frame_rate"), image.get("frames_processed")
    if not _is_number(rate) or (rate <= 0 and image.get("failure") is None):
        yield f"rule 10: its frame_rate is {rate!r}, where a number above 0 was expected"
    if not isinstance(frames, list) or not all(map(_is_count, frames)):
        yield "rule 10: frames_processed is no list of whole numbers"


def _detection_faults(detection: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[str]:
    category, conf, bbox = (detection.get(name) for name in ("category", "conf", "bbox"))
    if not isinstance(category, str) or category not in _group(head, "detection_categories"):
        yield f"rule 8: the category {category!r} is not in detection_categories"
    if not isinstance(conf, float) or not 0 <= conf <= 1:
        yield f"rule 8: conf is {conf!r}, where a fraction from 0 to 1 was expected"
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)) or not _is_within(bbox):
        yield f"rule 8: bbox is {bbox!r}, where [left, top, width, height] in shares of the picture was expected"
    last, pairs = 1.0, detection.get("classifications") or []
    if not isinstance(pairs, list):
        yield f"rule 9: classifications is {pairs!r}, where a list was expected"
    for pair in pairs if isinstance(pairs, list) else ():
        is_pair = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and _is_number(pair[1])
        if not is_pair or pair[0] not in _group(head, "classification_categories"):
            yield f"rule 9: {pair!r} is no pair of a known class and a number"
        elif not 0 <= pair[1] <= last:
            yield f"rule 9: the classification {pair!r} is out of order, or not from 0 to 1"
        else:
            last = pair[1]


def _is_within(bbox: list[float]) -> bool:
    left, top, width, height = bbox
    return min(bbox) >= 0 and left + width <= 1 + SLACK and top + height <= 1 + SLACK


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
