"""Reads a Camtrap DP package back: its media with the observations of each, its deployments, and what it tells of the project.

Writing one is `standards.camtrap_dp`. Observations of whole events are not read: bursts are found anew from the times.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from bioclip_search.errors import ExportError, SourceError
from bioclip_search.media import Deployment, Facts
from bioclip_search.media import media_id as name_of
from bioclip_search.prompts import RANKS
from bioclip_search.runs.record import BLANK, IDENTIFIED, PERSON, VEHICLE, TaggedCrop, TaggedPicture
from bioclip_search.standards.camtrap_rules import MISSING, PACKAGE_FILE, TABLES
from bioclip_search.standards.collection import ACCEPTED, WHOLE, Standing
from bioclip_search.standards.csv_table import read_rows
from bioclip_search.standards.on_disk import rows_by_key
from bioclip_search.standards.reading.exported import UNRANKED, UNREADABLE, ExportedRun, pixels, read_answer, read_crop, sound

MAX_PACKAGE_BYTES = 1 << 26
FAILED_WORDS = "could not be read: "
RULE = "read from Camtrap DP"
NOT_TOLD = "no observation of this picture is told"
FRAME = re.compile(r"frame (\d+) at ([\d.e+-]+)/s")
CONFIDENCE = re.compile(r"detectorConfidence:([\d.e+-]+)")

Row = dict[str, str | None]


@dataclass(frozen=True)
class Package:
    """A package that is there: its folder, the content of `datapackage.json`, the files of its tables."""

    folder: Path
    told: Mapping[str, Any]
    tables: Mapping[str, Path]


def read_camtrap_dp(folder: Path) -> ExportedRun:
    """The export; see `read_export`.

    Raises:
        SourceError: The folder is no package, or a table is missing or lies outside of it.
    """
    package = _open(folder)
    places = {one.name: one for one in _deployments(package)}
    notes = (
        "Boxes of pictures whose size is not told (in exifData) cannot be told in pixels and are left out.",
        "Observations of whole events, runners-up, ladders and hashes are not read.",
    )
    return ExportedRun(
        "camtrap-dp",
        folder,
        lambda: (picture for picture, _ in _pictures(package, places)),
        root=folder,
        decided=lambda: (one for _, decided in _pictures(package, places) for one in decided),
        deployments=tuple(places.values()),
        project={name: value for name, value in package.told.items() if name not in ("resources", "profile", "created", "spatial", "temporal")},
        notes=notes,
    )


def _open(folder: Path) -> Package:
    try:
        with (folder / PACKAGE_FILE).open("rb") as file:
            told = json.loads(file.read(MAX_PACKAGE_BYTES))
        resources = {one["name"]: one.get("path") for one in told["resources"]}
    except (OSError, RecursionError, *UNREADABLE) as error:
        raise SourceError(f"{folder}: is no Camtrap DP package, for {PACKAGE_FILE} cannot be read ({error}).") from error
    tables = {}
    for name in TABLES:
        path = PurePosixPath(str(resources.get(name)))
        tables[name] = folder / path
        if path.is_absolute() or ".." in path.parts or not tables[name].is_file():
            raise SourceError(f"{folder}: the table {name} ({path}) is not there. Expected a CSV file within the folder.")
    return Package(folder, told, tables)


def _deployments(package: Package) -> Iterator[Deployment]:
    for row in _rows(package, "deployments"):
        try:
            where = [None if row[name] is None else float(str(row[name])) for name in ("latitude", "longitude")]
            times = [_time(row[name]) for name in ("deploymentStart", "deploymentEnd")]
        except ValueError as error:
            raise SourceError(f"{package.tables['deployments']}: the deployment {row['deploymentID']} cannot be understood ({error}).") from error
        yield Deployment(str(row["deploymentID"]), *where, *times, row["locationName"])


def _pictures(package: Package, places: Mapping[str, Deployment]) -> Iterator[tuple[TaggedPicture, list[tuple[str, int, Standing]]]]:
    """The pictures in the order of the media, each with what people decided of it."""
    try:
        taxa = _taxa(package.told.get("taxonomic"))
    except UNREADABLE as error:
        raise SourceError(f"{package.folder}: the taxa of {PACKAGE_FILE} cannot be understood ({error!r}).") from error
    for _, of_one in groupby(_joined(package), key=lambda row: row["mediaID"]):
        rows = list(of_one)
        by_frame: dict[tuple[int, float] | None, list[Row]] = {}
        for row in rows:
            by_frame.setdefault(_frame(row), []).append(row)
        for frame, some in by_frame.items():
            try:
                picture, decided = _picture(some, frame, places, taxa)
                yield sound(picture), decided
            except UNREADABLE as error:
                raise SourceError(f"{package.folder}: the medium {rows[0]['mediaID']} cannot be understood ({error!r}).") from error


def _joined(package: Package) -> Iterator[Row]:
    """Media in their order, each with its observations; one row for a medium without any."""
    told = (row for row in _rows(package, "observations") if row["observationLevel"] != "event" and row["mediaID"])
    with rows_by_key((str(row["mediaID"]), row) for row in told) as observations_of:
        for medium in _rows(package, "media"):
            for row in observations_of(str(medium["mediaID"])) or [dict.fromkeys(TABLES["observations"])]:
                yield row | medium


def _rows(package: Package, name: str) -> Iterator[Row]:
    """The rows of a table by the columns of the standard; null where there is nothing, be it the cell or the column."""
    try:
        for row in read_rows(package.tables[name]):
            yield {column: None if row.get(column, "") in MISSING else row[column] for column in TABLES[name]}
    except (ExportError, csv.Error, OSError, UnicodeError) as error:
        raise SourceError(f"{package.tables[name]}: cannot be read ({error}). Expected CSV in UTF-8.") from error


def _picture(
    rows: list[Row], frame: tuple[int, float] | None, places: Mapping[str, Deployment], taxa: Mapping[str, dict[str, Any]]
) -> tuple[TaggedPicture, list[tuple[str, int, Standing]]]:
    first = rows[0]
    image, comments = str(first["filePath"]), first["mediaComments"] or ""
    place = places.get(str(first["deploymentID"]))
    exif = _exif(first["exifData"])
    size = (int(exif["ImageWidth"]), int(exif["ImageHeight"])) if {"ImageWidth", "ImageHeight"} <= set(exif) else None
    stamp = _time(first["eventStart"] if frame else first["timestamp"]) or _time(first["timestamp"])
    facts = Facts(stamp, place and place.latitude, place and place.longitude, exif.get("Model"), first["deploymentID"])
    if comments.startswith(FAILED_WORDS):
        return TaggedPicture(image, None, size, facts, error=comments.removeprefix(FAILED_WORDS)), []
    media_id, crops, decided = name_of(image, frame[0] if frame else None), [], []
    for row in rows:
        by = {"verdict": ACCEPTED, "who": row["classifiedBy"], "when": _time(row["classificationTimestamp"])} if row["classificationMethod"] == "human" else {}
        if row["observationType"] in (BLANK, None):
            decided += [(media_id, WHOLE, Standing(BLANK, **by | {"verdict": BLANK}))] if by else []
            continue
        crop = _crop(image, len(crops), row, size, taxa)
        crops.append(crop)
        if by:
            told = crop.answer
            named = (told.taxon, told.rank, told.common_name, dict(told.lineage)) if told else ()
            decided.append((media_id, crop.number, Standing(IDENTIFIED if told else crop.status, *named, **by)))
    reason = None if crops else "nothing is told to be seen" if first["observationType"] else NOT_TOLD
    return TaggedPicture(image, None, size, facts, frame and frame[0], frame and frame[1], tuple(crops), reason), decided


def _crop(image: str, number: int, row: Row, size: tuple[int, int] | None, taxa: Mapping[str, dict[str, Any]]) -> TaggedCrop:
    sides = [row[name] for name in ("bboxX", "bboxY", "bboxWidth", "bboxHeight")]
    share = None if None in sides else tuple(float(side) for side in sides if side is not None)
    box = None if share is None or size is None else pixels((share[0], share[1], share[2], share[3]), size)
    tagged = CONFIDENCE.search(row["observationTags"] or "")
    confidence = float(tagged[1]) if tagged else None
    category = {"human": PERSON, VEHICLE: VEHICLE}.get(str(row["observationType"]))
    if category is None and (share or tagged):
        category = "animal"
    told = dict(_taxon(row["scientificName"], taxa)) if row["scientificName"] else {}
    if row["classificationProbability"]:
        told["probability"] = float(row["classificationProbability"])
    if category in (PERSON, VEHICLE):
        return read_crop(number, category, confidence, box, None)
    rule = f"{RULE}, where a person decided" if row["classificationMethod"] == "human" else RULE
    return read_crop(number, category, confidence, box, read_answer(image, box, rule, row["classifiedBy"] or "", detector_confidence=confidence, **told))


def _exif(text: str | None) -> Mapping[str, Any]:
    """What is told of the file; nothing where it is told in another way than as a JSON object, as some packages do."""
    try:
        told = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _taxon(name: str, taxa: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return taxa.get(name) or {"taxon": name, "rank": UNRANKED, "lineage": {}}


def _taxa(coverage: Any) -> dict[str, dict[str, Any]]:
    """The taxa of the package by their names, with rank, lineage and common name as far as they are told."""
    found = {}
    for one in coverage if isinstance(coverage, list) else ():
        name, rank, spoken = str(one.get("scientificName")), one.get("taxonRank") or UNRANKED, one.get("vernacularNames") or {}
        told = {each: one[each] for each in RANKS if one.get(each)} | ({rank: name} if rank in RANKS else {})
        lineage = {each: told[each] for each in RANKS if each in told}
        found[name] = {"taxon": name, "rank": rank, "lineage": lineage, "common_name": spoken.get("eng") or next(iter(spoken.values()), None)}
    return found


def _frame(row: Row) -> tuple[int, float] | None:
    match = FRAME.match(row["observationComments"] or "")
    return (int(match[1]), float(match[2])) if match else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
