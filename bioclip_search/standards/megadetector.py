"""Writes a run as MegaDetector batch output, format 1.6, which Timelapse, AddaxAI and the MegaDetector tools read.

After megadetector-output-format.md (agentmorris/MegaDetector, MIT). The rules it must keep are checked by `megadetector_rules`,
reading it is `reading.megadetector`. What the format has no word for: a person's decision stands as a class of confidence 1;
a picture that was answered as a whole has one box around all of it, of confidence 1. The exact lineages stand in
`info.classifier_metadata.taxa`; `classification_category_descriptions` has the seven parts in small letters that the
MegaDetector tools and Timelapse look for (SpeciesNet's: id;class;order;family;genus;epithet;common name).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from bioclip_search.runs.record import BLANK, PERSON, VEHICLE
from bioclip_search.standards.classes import Classes, runners_up
from bioclip_search.standards.collection import Collection, SeenCrop, SeenPicture, Standing
from bioclip_search.standards.megadetector_rules import FORMAT_VERSION, check_file, is_video_name
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_file
from bioclip_search.standards.report import ExportReport, Tally

ANIMAL_ID, PERSON_ID, VEHICLE_ID = "1", "2", "3"
DETECTION_CATEGORIES = {ANIMAL_ID: "animal", PERSON_ID: "person", VEHICLE_ID: "vehicle"}
"""As MegaDetector has them; whatever is no person and no vehicle is an animal to the tools that read the format."""

WHOLE_BBOX, WHOLE_CONF = [0.0, 0.0, 1.0, 1.0], 1.0
DIGITS = 6
"""Decimals of shares and probabilities: a tenth of a pixel in the largest picture."""

NO_RATE = -1.0
"""The frame rate of a video that could not be read; the MegaDetector tools take a negative one for "not known" there."""

DETECTOR_UNKNOWN = "unknown"


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the file; see `ExportOptions`.

    Raises:
        ExportError: What was written broke a rule of the format.
    """
    classes, tally = Classes.of(collection.pictures(options)), Tally()
    with fresh_file(out, options) as part:
        with part.open("w", encoding="ascii", newline="\n") as file:
            _write_head(file, collection, classes)
            comma = ""
            for entry in _entries(collection, options, classes, tally):
                file.write(f"{comma}\n  {json.dumps(entry)}")
                comma = ","
            file.write("\n ]\n}\n")
        check_file(part)
    return tally.report("megadetector", out)


def _write_head(file: TextIO, collection: Collection, classes: Classes) -> None:
    names, when = classes.names(), collection.finished
    keys = {str(number): key for key, number in classes.numbers.items()}
    common = {str(number): classes.keys[key] for key, number in classes.numbers.items()}
    taxa = {number: {"rank": key[0], "taxon": key[1], "common_name": common[number], "lineage": dict(key[2])} for number, key in keys.items()}
    told = {"detector": collection.detector or DETECTOR_UNKNOWN, "classifier": collection.machine}
    if when:
        told |= dict.fromkeys(("detection_completion_time", "classification_completion_time"), f"{when:%Y-%m-%d %H:%M:%S}")
    head = {
        "info": {"format_version": FORMAT_VERSION} | told | {"classifier_metadata": {"taxa": taxa}},
        "detection_categories": DETECTION_CATEGORIES,
        "classification_categories": {str(number): name for number, name in names.items()},
        "classification_category_descriptions": {number: description(key[0], key[1], dict(key[2]), common[number]) for number, key in keys.items()},
    }
    file.write("{\n" + "".join(f" {json.dumps(name)}: {json.dumps(value)},\n" for name, value in head.items()) + ' "images": [')


def description(rank: str, taxon: str, lineage: dict[str, str], common_name: str | None) -> str:
    """The seven parts that the tools know a taxon by.

    >>> description("genus", "Vulpes", {"class": "Mammalia", "order": "Carnivora", "family": "Canidae", "genus": "Vulpes"}, None)
    'vulpes;mammalia;carnivora;canidae;vulpes;;vulpes'
    """
    species = lineage.get("species", "")
    epithet = species.removeprefix(lineage.get("genus", "")).strip()
    parts = [taxon, *(lineage.get(name, "") for name in ("class", "order", "family", "genus")), epithet, common_name or taxon]
    return ";".join(part.replace(";", ",").lower() for part in parts)


def _entries(collection: Collection, options: ExportOptions, classes: Classes, tally: Tally) -> Iterator[dict[str, Any]]:
    for image, several in groupby(collection.pictures(options, tally), key=lambda seen: seen.picture.image):
        seen = list(several)
        tally.pictures += len(seen)
        entry = _entry(image, seen, classes, tally)
        tally.observations += len(entry["detections"] or ())
        yield entry


def _entry(image: str, seen: Sequence[SeenPicture], classes: Classes, tally: Tally) -> dict[str, Any]:
    """What is told of one file: a picture, or all frames of a video."""
    first = seen[0].picture
    frames = [one for one in seen if one.picture.error is None]
    entry: dict[str, Any] = {"file": image}
    if first.frame_number is not None or is_video_name(image):
        entry |= {"frame_rate": first.frame_rate or NO_RATE, "frames_processed": [one.picture.frame_number or 0 for one in frames]}
    if not frames:
        return entry | {"failure": first.error, "detections": None}
    if len(frames) < len(seen):
        tally.leave_out("frames of videos that could not be read", len(seen) - len(frames))
    entry |= _facts(frames[0])
    return entry | {"detections": [detection for one in frames for detection in _detections(one, classes, tally)]}


def _facts(seen: SeenPicture) -> dict[str, Any]:
    """Fields that MegaDetector writes if asked to."""
    picture, told = seen.picture, {}
    if picture.size_wh:
        told |= {"width": picture.size_wh[0], "height": picture.size_wh[1]}
    if picture.facts.timestamp:
        told["datetime"] = picture.facts.timestamp.isoformat(" ")
    return told


def _detections(seen: SeenPicture, classes: Classes, tally: Tally) -> Iterator[dict[str, Any]]:
    removed = sum(crop.stands.status == BLANK for crop in seen.crops)
    if removed:
        tally.leave_out("boxes that a person called blank", removed)
    for crop, stands in seen.observed:
        if stands.status == BLANK:
            continue
        bbox = _bbox(seen, crop)
        if bbox is None:
            tally.leave_out("boxes of pictures whose size is not known")
            continue
        told: dict[str, Any] = {"category": {PERSON: PERSON_ID, VEHICLE: VEHICLE_ID}.get(stands.status, ANIMAL_ID)}
        confidence = WHOLE_CONF if crop is None or crop.crop.confidence is None else crop.crop.confidence
        told |= {"conf": float(round(confidence, DIGITS)), "bbox": bbox}
        if stands.taxon is not None:
            told["classifications"] = _classifications(crop, stands, classes)
        if seen.picture.frame_number is not None or is_video_name(seen.picture.image):
            told["frame_number"] = seen.picture.frame_number or 0
        if stands.is_decided:
            tally.note("The format does not say who decided: what a person named stands with confidence 1.")
        yield told


def _bbox(seen: SeenPicture, crop: SeenCrop | None) -> list[float] | None:
    if crop is None or crop.crop.box_xyxy is None:
        return WHOLE_BBOX
    share = seen.share(crop.crop.box_xyxy)
    return None if share is None else [round(side, DIGITS) for side in share]


def _classifications(crop: SeenCrop | None, stands: Standing, classes: Classes) -> list[list[Any]]:
    told = [[str(classes.number(stands)), 1.0 if stands.probability is None else round(float(stands.probability), DIGITS)]]
    if crop is not None:
        told += [[str(classes.number_of_runner_up(other)), round(other.probability, DIGITS)] for other in runners_up(crop.crop.answer, stands)]
    return told
