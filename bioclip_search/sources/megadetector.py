"""The pictures in the JSON of MegaDetector, formats 1.0 to 1.6, or of SpeciesNet, with the boxes that were found in them.

The format: https://lila.science/megadetector-output-format (agentmorris/MegaDetector, megadetector-output-format.md); SpeciesNet's:
google/cameratrapai, README. What other programs classified is not taken over. Reading JSON piece by piece is left to `json_stream`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bioclip_search.json_stream import stream_json
from bioclip_search.media import Facts, GivenBox, Media, Video
from bioclip_search.sources.cells import moment_of
from bioclip_search.sources.given import NO_BOX, given_box
from bioclip_search.sources.lists import each_once, media_at
from bioclip_search.sources.outline import Outline
from bioclip_search.sources.source import Stream, Tally

IMAGES, PREDICTIONS = "images", "predictions"

SPECIESNET_CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
"""SpeciesNet writes no table of categories; it says "human" in its labels for MegaDetector's person."""

FAILED_BEFORE = "could not be read by the detector that ran before"
UNKNOWN_CATEGORY = "boxes of a category that the file does not explain, passed over as its format demands"


def is_megadetector(outline: Outline) -> bool:
    if isinstance(outline.members.get("detection_categories"), dict):
        return IMAGES not in outline.first or (isinstance(outline.first[IMAGES], dict) and "file" in outline.first[IMAGES])
    first = outline.first.get(PREDICTIONS)
    return isinstance(first, dict) and "filepath" in first


def megadetector_stream(outline: Outline, root: Path) -> Stream:
    """The pictures and videos in the order of the file; one that failed there is given with its reason."""
    categories = outline.members.get("detection_categories") or SPECIESNET_CATEGORIES

    def stream(tally: Tally) -> Iterator[Media | Video]:
        entries = (entry for name, entry in stream_json(outline.path, (IMAGES, PREDICTIONS)) if name in (IMAGES, PREDICTIONS))
        yield from each_once((_media(entry, root, categories, tally) for entry in entries), tally)

    return stream


def _media(entry: Any, root: Path, categories: Mapping[str, Any], tally: Tally) -> Media | Video | None:
    path = (entry.get("file") or entry.get("filepath")) if isinstance(entry, dict) else None
    if not isinstance(path, str) or not path.strip():
        return None
    media = media_at(path, root, Facts(timestamp=moment_of(entry.get("datetime"))))
    failure = entry.get("failure") or entry.get("failures")
    if failure:
        return Media(media.image, facts=media.facts, error=f"{FAILED_BEFORE} ({failure if isinstance(failure, str) else ', '.join(map(str, failure))})")
    detections = entry.get("detections")
    if not isinstance(detections, list) or (isinstance(media, Media) and media.error):
        return media
    if isinstance(media, Video):
        return replace(media, boxes=_boxes_by_frame(entry, detections, categories, tally))
    return replace(media, boxes=tuple(box for _, box in _boxes(detections, categories, tally)))


def _boxes(detections: list[Any], categories: Mapping[str, Any], tally: Tally) -> Iterator[tuple[int | None, GivenBox]]:
    """Each box with the number of its frame."""
    for detection in detections:
        if not isinstance(detection, dict):
            continue
        category = categories.get(str(detection.get("category")))
        if category is None:
            tally.add(UNKNOWN_CATEGORY, str(detection.get("category")))
            continue
        box = given_box(detection.get("bbox"), detection.get("conf"), str(category))
        if box is None:
            tally.add(NO_BOX, str(detection.get("bbox")))
            continue
        frame = detection.get("frame_number")
        yield frame if isinstance(frame, int) else None, box


def _boxes_by_frame(entry: Mapping[str, Any], detections: list[Any], categories: Mapping[str, Any], tally: Tally) -> dict[int, tuple[GivenBox, ...]] | None:
    """Of the frames that were looked at; None where the file, before format 1.4, does not tell which."""
    looked_at = entry.get("frames_processed")
    by_frame: dict[int, tuple[GivenBox, ...]] = {frame: () for frame in looked_at if isinstance(frame, int)} if isinstance(looked_at, list) else {}
    for frame, box in _boxes(detections, categories, tally):
        if frame is not None:
            by_frame[frame] = (*by_frame.get(frame, ()), box)
    return dict(sorted(by_frame.items())) or None
