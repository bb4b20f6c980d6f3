"""Writes a run as a Camtrap DP 1.0.2 package: a folder of `datapackage.json`, deployments, media and observations.

What is there is looked through first by `camtrap_survey`; what is told of the project comes from `camtrap_project`; the
rules are checked by `camtrap_rules`; reading a package is `reading.camtrap_dp`. What the standard has no column for:
the size of a picture and its camera stand in `exifData`, the detector's confidence and a box that was set aside in
`observationTags`, the number of a video's frame in `observationComments`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from bioclip_search.errors import ExportError
from bioclip_search.media import media_id
from bioclip_search.runs.record import BLANK, PERSON, VEHICLE
from bioclip_search.standards.camtrap_project import descriptor, require_facts
from bioclip_search.standards.camtrap_rules import PACKAGE_FILE, TABLES, check_package
from bioclip_search.standards.camtrap_survey import UNNAMED, Survey, deployment_of, file_path, refusal, stamp_words, survey, zoned
from bioclip_search.standards.collection import Collection, SeenCrop, SeenPicture, Standing, machine_standing_of, with_zone
from bioclip_search.standards.csv_table import open_to_write, table_writer
from bioclip_search.standards.megadetector_rules import is_video_name
from bioclip_search.standards.options import BOTH, EVENT, MEDIA, ExportOptions
from bioclip_search.standards.output import fresh_folder
from bioclip_search.standards.report import ExportReport, Tally

DIGITS = 6
"""Decimals of a box's sides, as shares of the picture: a tenth of a pixel in the largest one."""

KINDS = {".jpg": "jpeg", ".jpe": "jpeg", ".tif": "tiff", ".mov": "quicktime", ".avi": "x-msvideo", ".wmv": "x-ms-wmv", ".mkv": "x-matroska"}
"""Subtypes of media types that differ from the ending of a file's name (IANA)."""

ANIMALS = ("Animalia", "Metazoa")
HUMAN, MACHINE, ANIMAL, UNKNOWN = "human", "machine", "animal", "unknown"


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the folder; see `ExportOptions`.

    Raises:
        ExportError: The standard requires what is not told, or what was written broke one of its rules.
    """
    require_facts(options.project)
    if options.level == EVENT and not (collection.sequences and collection.sequences.answers):
        raise ExportError("The run has no bursts, of which observations of level event tell. Find them first, or use --level media.")
    found, tally = survey(collection, options), Tally()
    if not found.stays or (found.refused and not found.held):
        raise ExportError("There is no picture that Camtrap DP has a place for: each needs a time and a relative path. See `tag --help` for lists with times.")
    with fresh_folder(out, PACKAGE_FILE, options) as folder:
        with ExitStack() as stack:
            tables = {name: table_writer(stack.enter_context(open_to_write(folder / f"{name}.csv")), columns) for name, columns in TABLES.items()}
            tables["deployments"].writerows(_deployment_rows(found))
            events = _Events(collection, options)
            for name, row in _rows(collection, options, events, tally):
                tables[name].writerow(row)
            if options.level != MEDIA:
                tables["observations"].writerows(_counted(events.rows(found), tally))
        _write_descriptor(folder, collection, options, found)
        check_package(folder)
    return tally.report("camtrap-dp", out)


def _write_descriptor(folder: Path, collection: Collection, options: ExportOptions, found: Survey) -> None:
    has_events = bool(collection.sequences and collection.sequences.answers)
    levels = [level for level in (MEDIA, EVENT) if options.level in (level, BOTH) and (level == MEDIA or has_events)]
    points = [(stay.longitude, stay.latitude) for stay in found.stays.values()]
    days = min(stay.start for stay in found.stays.values()), max(stay.end for stay in found.stays.values())
    told = descriptor(options.project, levels=levels, points=points, days=days, taxa=found.coverage(collection.language(options)))
    (folder / PACKAGE_FILE).write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _deployment_rows(found: Survey) -> Iterator[dict[str, Any]]:
    for stay in found.stays.values():
        yield {
            "deploymentID": stay.name,
            "locationName": stay.place,
            "latitude": stay.latitude,
            "longitude": stay.longitude,
            "deploymentStart": stamp_words(stay.start),
            "deploymentEnd": stamp_words(stay.end),
        }


def _rows(collection: Collection, options: ExportOptions, events: _Events, tally: Tally) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of media, each with those of its observations; the frames of a video are one medium."""
    machine, when = collection.machine, collection.finished
    for image, several in groupby(collection.pictures(options, tally), key=lambda seen: seen.picture.image):
        name, is_written = media_id(image), False
        for seen in several:
            why = refusal(seen, options)
            if why:
                tally.leave_out(why)
                continue
            stamp = zoned(seen, options.timezone)
            if not is_written:
                is_written = True
                yield "media", _media_row(name, seen, stamp, options)
            tally.pictures += 1
            events.see(seen)
            if options.level == EVENT:
                continue
            for number, (crop, stands) in enumerate(seen.observed, 1):
                tally.observations += 1
                frame = seen.picture.frame_number
                about = {"observationID": f"{name}_{number}" if frame is None else f"{name}_{frame}_{number}", "mediaID": name, "eventID": seen.sequence}
                about |= {"deploymentID": deployment_of(seen), "eventStart": stamp_words(stamp), "eventEnd": stamp_words(stamp), "observationLevel": MEDIA}
                yield (
                    "observations",
                    about | _box_cells(seen, crop) | _said_cells(_type(stands, crop), stands, machine, when, options, tally) | _remarks(seen, crop, stands),
                )


def _media_row(name: str, seen: SeenPicture, stamp: datetime, options: ExportOptions) -> dict[str, Any]:
    picture = seen.picture
    path = file_path(picture.image, options.media_base)
    width, height = picture.size_wh or (None, None)
    exif = {"ImageWidth": width, "ImageHeight": height, "Model": picture.facts.camera}
    exif = {key: value for key, value in exif.items() if value is not None}
    return {
        "mediaID": name,
        "deploymentID": deployment_of(seen),
        "timestamp": stamp_words(stamp),
        "filePath": path,
        "filePublic": "true" if path.startswith("http") else "false",
        "fileName": PurePosixPath(picture.image).name,
        "fileMediatype": media_type(picture.image),
        "exifData": json.dumps(exif) if exif else None,
        "mediaComments": f"could not be read: {picture.error}" if picture.error is not None else None,
    }


def media_type(image: str) -> str:
    """The media type by the ending of the name; a picture where there is none.

    >>> media_type("a/1.JPG"), media_type("film.mp4"), media_type("https://host/file")
    ('image/jpeg', 'video/mp4', 'image/jpeg')
    """
    suffix = PurePosixPath(image).suffix.lower()
    group = "video" if is_video_name(image) else "image"
    return f"{group}/{KINDS.get(suffix) or suffix[1:] or 'jpeg'}"


def _box_cells(seen: SeenPicture, crop: SeenCrop | None) -> dict[str, Any]:
    if crop is None or crop.crop.box_xyxy is None:
        return {}
    share = seen.share(crop.crop.box_xyxy)
    if share is None or min(share[2:]) <= 0:
        return {}
    return dict(zip(("bboxX", "bboxY", "bboxWidth", "bboxHeight"), (f"{side:.{DIGITS}f}".rstrip("0").rstrip(".") or "0" for side in share), strict=True))


def _said_cells(kind: str, stands: Standing, machine: str, when: datetime | None, options: ExportOptions, tally: Tally) -> dict[str, Any]:
    """What was seen, and who says so."""
    if kind == UNKNOWN and stands.taxon:
        tally.note("Camtrap DP knows no plants and fungi: they stand as unknown, with their names.")
    if stands.is_decided:
        when = with_zone(stands.when, options.timezone) if stands.when else None
    elif stands.machine:
        when = None
    return {
        "observationType": kind,
        "scientificName": stands.taxon,
        "count": 1 if kind not in (BLANK, UNKNOWN) else None,
        "classificationMethod": HUMAN if stands.is_decided else MACHINE,
        "classifiedBy": stands.who if stands.is_decided else stands.machine or machine,
        "classificationTimestamp": stamp_words(when) if when else None,
        "classificationProbability": None if stands.is_decided or stands.probability is None else stands.probability,
    }


def _type(stands: Standing, crop: SeenCrop | None = None) -> str:
    """What the standard calls it; what nobody could name is an animal where the detector says so."""
    if stands.status in (PERSON, VEHICLE, BLANK):
        return HUMAN if stands.status == PERSON else stands.status
    kingdom = stands.lineage.get("kingdom")
    if stands.taxon is None:
        return ANIMAL if crop is not None and crop.crop.category == ANIMAL else UNKNOWN
    return ANIMAL if kingdom is None or kingdom in ANIMALS else UNKNOWN


def _remarks(seen: SeenPicture, crop: SeenCrop | None, stands: Standing) -> dict[str, Any]:
    tags, picture = [], seen.picture
    if crop is not None and crop.crop.confidence is not None:
        tags.append(f"detectorConfidence:{round(crop.crop.confidence, DIGITS)}")
    if crop is not None and crop.is_repeat:
        tags.append("repeat:true")
    comments = [f"frame {picture.frame_number} at {picture.frame_rate or 0:g}/s"] if picture.frame_number is not None else []
    return {"observationTags": " | ".join(tags) or None, "observationComments": "; ".join([*comments, *filter(None, [stands.note])]) or None}


def _counted(rows: Iterator[dict[str, Any]], tally: Tally) -> Iterator[dict[str, Any]]:
    for row in rows:
        tally.observations += 1
        yield row


class _Events:
    """What was seen in each burst, gathered while its pictures go by: a few words a burst, and what people decided in it."""

    def __init__(self, collection: Collection, options: ExportOptions):
        self.collection, self.options = collection, options
        self.kinds: dict[str, frozenset[str]] = {}
        self._known: dict[frozenset[str], frozenset[str]] = {}  # each set once, whatever the number of bursts
        self.decided: dict[str, list[Standing]] = {}

    def see(self, seen: SeenPicture) -> None:
        if seen.sequence is None:
            return
        kinds = self.kinds.get(seen.sequence, frozenset())
        for crop, stands in seen.observed:
            kinds |= {_type(stands, crop)}
            if stands.is_decided:
                self.decided.setdefault(seen.sequence, []).append(stands)
        self.kinds[seen.sequence] = self._known.setdefault(kinds, kinds)

    def rows(self, found: Survey) -> Iterator[dict[str, Any]]:
        """One observation a burst: what people agree on where they decided, else the burst's own answer."""
        machine, when = self.collection.machine, self.collection.finished
        for sequence in self.collection.sequences.answers.values() if self.collection.sequences else ():
            name = sequence.deployment or UNNAMED
            start, end = (None if one is None else with_zone(one, self.options.timezone) for one in (sequence.start, sequence.end))
            if sequence.sequence_id not in self.kinds or name not in found.stays or start is None or end is None:
                continue
            about = {"observationID": f"{sequence.sequence_id}_event", "eventID": sequence.sequence_id, "deploymentID": name, "observationLevel": EVENT}
            about |= {"eventStart": stamp_words(start), "eventEnd": stamp_words(end)}
            stands = self._stands(sequence)
            kind = ANIMAL if stands.taxon is None and ANIMAL in self.kinds[sequence.sequence_id] else _type(stands)
            yield about | _said_cells(kind, stands, machine, when, self.options, Tally()) | {"count": None}

    def _stands(self, sequence: Any) -> Standing:
        decided, kinds = self.decided.get(sequence.sequence_id, []), self.kinds[sequence.sequence_id]
        if decided and len({(one.status, one.taxon) for one in decided}) == 1:
            return max(decided, key=lambda one: (one.when is not None, str(one.when)))
        if sequence.answer is not None:
            return machine_standing_of(sequence.answer)
        status = next((word for word, kind in ((PERSON, HUMAN), (VEHICLE, VEHICLE)) if kind in kinds), BLANK)
        return Standing(status)
