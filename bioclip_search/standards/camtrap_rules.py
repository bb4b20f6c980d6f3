"""Says where a folder breaks the rules of Camtrap DP 1.0.2, without a network.

Written from the standard's profile and table schemas (tdwg/camtrap-dp @ 1.0.2, MIT); what the package tells of the
project is put together by `camtrap_project`, the tables are written by `camtrap_dp`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bioclip_search.errors import ExportError
from bioclip_search.standards.csv_table import open_to_read, read_rows
from bioclip_search.standards.on_disk import Keys, kept_keys

VERSION = "1.0.2"
HOME = f"https://raw.githubusercontent.com/tdwg/camtrap-dp/{VERSION}/"
PROFILE = HOME + "camtrap-dp-profile.json"
PACKAGE_FILE = "datapackage.json"

TEXT, NUMBER, WHOLE, TIME, TRUTH = "text", "number", "whole number", "time with a zone", "true or false"
MISSING = ("", "NA", "NaN", "nan")
"""Cells that the standard takes for empty."""

LEAST_SIDE = 1e-15
"""Width and height of a box that the standard takes for one."""

DESIGNS = ("simpleRandom", "systematicRandom", "clusteredRandom", "experimental", "targeted", "opportunistic")
METHODS = ("activityDetection", "timeLapse")
LEVELS = ("media", "event")
ROLES = ("contact", "principalInvestigator", "rightsHolder", "publisher", "contributor")
TYPES = ("animal", "human", "vehicle", "blank", "unknown", "unclassified")
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species", "subspecies")
FEATURES = (
    *("roadPaved", "roadDirt", "trailHiking", "trailGame", "roadUnderpass", "roadOverpass", "roadBridge"),
    *("culvert", "burrow", "nestSite", "carcass", "waterSource", "fruitingTree"),
)


@dataclass(frozen=True)
class Column:
    """What may stand in a column."""

    kind: str = TEXT
    required: bool = False
    least: float | None = None
    most: float | None = None
    among: tuple[str, ...] = ()
    pattern: str | None = None

    def fault(self, text: str) -> str | None:
        """What is wrong with a cell; None where nothing is."""
        if text in MISSING:
            return f"is {text!r}, which stands for nothing" if self.required else None
        if self.among and text not in self.among:
            return f"is {text!r}, where one of {', '.join(self.among)} was expected"
        if self.pattern and not re.match(self.pattern, text):
            return f"is {text!r}, which the standard does not allow"
        try:
            number = _NUMBERS[self.kind](text)
        except ValueError:
            return f"is {text!r}, where a {self.kind} was expected"
        if number is not None and not (self.least is None or number >= self.least):
            return f"is {text}, where {self.least} or more was expected"
        return f"is {text}, where {self.most} or less was expected" if number is not None and self.most is not None and number > self.most else None


def _whole(text: str) -> float:
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        raise ValueError
    return float(text)


def _time(text: str) -> None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:?\d\d)", text):
        raise ValueError
    datetime.fromisoformat(text)


def _truth(text: str) -> None:
    if text not in ("true", "false"):
        raise ValueError


_NUMBERS = {TEXT: lambda text: None, NUMBER: _number, WHOLE: _whole, TIME: _time, TRUTH: _truth}

_ID, _NEEDED_TIME, _SHARE = Column(required=True), Column(TIME, required=True), Column(NUMBER, least=0, most=1)
_SIDE = Column(NUMBER, least=LEAST_SIDE, most=1)

TABLES: dict[str, dict[str, Column]] = {
    "deployments": {
        "deploymentID": _ID,
        "locationID": Column(),
        "locationName": Column(),
        "latitude": Column(NUMBER, required=True, least=-90, most=90),
        "longitude": Column(NUMBER, required=True, least=-180, most=180),
        "coordinateUncertainty": Column(WHOLE, least=1),
        "deploymentStart": _NEEDED_TIME,
        "deploymentEnd": _NEEDED_TIME,
        **{name: Column() for name in ("setupBy", "cameraID", "cameraModel")},
        "cameraDelay": Column(WHOLE, least=0),
        "cameraHeight": Column(NUMBER, least=0),
        "cameraDepth": Column(NUMBER, least=0),
        "cameraTilt": Column(WHOLE, least=-90, most=90),
        "cameraHeading": Column(WHOLE, least=0, most=360),
        "detectionDistance": Column(NUMBER, least=0),
        "timestampIssues": Column(TRUTH),
        "baitUse": Column(TRUTH),
        "featureType": Column(among=FEATURES),
        **{name: Column() for name in ("habitat", "deploymentGroups", "deploymentTags", "deploymentComments")},
    },
    "media": {
        "mediaID": _ID,
        "deploymentID": _ID,
        "captureMethod": Column(among=METHODS),
        "timestamp": _NEEDED_TIME,
        "filePath": Column(required=True, pattern=r"^(?=^[^./~])(^((?!\.{2}).)*$).*$"),
        "filePublic": Column(TRUTH, required=True),
        "fileName": Column(),
        "fileMediatype": Column(required=True, pattern=r"^(image|video|audio)/.*$"),
        "exifData": Column(),
        "favorite": Column(TRUTH),
        "mediaComments": Column(),
    },
    "observations": {
        "observationID": _ID,
        "deploymentID": _ID,
        "mediaID": Column(),
        "eventID": Column(),
        "eventStart": _NEEDED_TIME,
        "eventEnd": _NEEDED_TIME,
        "observationLevel": Column(required=True, among=LEVELS),
        "observationType": Column(required=True, among=TYPES),
        "cameraSetupType": Column(among=("setup", "calibration")),
        "scientificName": Column(),
        "count": Column(WHOLE, least=1),
        "lifeStage": Column(among=("adult", "subadult", "juvenile")),
        "sex": Column(among=("female", "male")),
        "behavior": Column(),
        "individualID": Column(),
        "individualPositionRadius": Column(NUMBER, least=0),
        "individualPositionAngle": Column(NUMBER, least=-90, most=90),
        "individualSpeed": Column(NUMBER, least=0),
        "bboxX": _SHARE,
        "bboxY": _SHARE,
        "bboxWidth": _SIDE,
        "bboxHeight": _SIDE,
        "classificationMethod": Column(among=("human", "machine")),
        "classifiedBy": Column(),
        "classificationTimestamp": Column(TIME),
        "classificationProbability": _SHARE,
        "observationTags": Column(),
        "observationComments": Column(),
    },
}
"""The columns of the three tables, in the standard's order."""

KEYS = {"deployments": "deploymentID", "media": "mediaID", "observations": "observationID"}
LINKS = (("media", "deploymentID", "deployments"), ("observations", "deploymentID", "deployments"), ("observations", "mediaID", "media"))
"""The column that must be unique in each table, and those that must point to one in another."""


def check_package(folder: Path) -> None:
    """
    Raises:
        ExportError: The first rule that is broken, in words.
    """
    fault = next(package_faults(folder), None)
    if fault:
        raise ExportError(f"What would be written is no Camtrap DP {VERSION}: {fault}.")


def package_faults(folder: Path) -> Iterator[str]:
    """What is wrong with the package, one by one; nothing where it keeps all the rules."""
    try:
        package = json.loads((folder / PACKAGE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield f"{PACKAGE_FILE} cannot be read ({error})"
        return
    yield from descriptor_faults(package)
    with kept_keys() as keys:
        for name in TABLES:
            yield from _table_faults(folder / f"{name}.csv", name, keys)


def descriptor_faults(package: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the content of `datapackage.json`."""
    for name in ("resources", "profile", "created", "contributors", "project", "spatial", "temporal", "taxonomic"):
        if not package.get(name) and not (name == "taxonomic" and package.get(name) == []):
            yield f"{PACKAGE_FILE} lacks {name}"
    resources = {one.get("name"): one for one in package.get("resources") or () if isinstance(one, Mapping)}
    for name in TABLES:
        if resources.get(name, {}).get("schema") != f"{HOME}{name}-table-schema.json" or resources[name].get("profile") != "tabular-data-resource":
            yield f"the resource {name} is missing, or has another schema or profile than version {VERSION}"
    yield from _project_faults(package.get("project") or {})
    for person in package.get("contributors") or ():
        if not person.get("title") or person.get("role", "contributor") not in ROLES:
            yield f"a contributor lacks a title, or has a role other than {', '.join(ROLES)}: {person}"
    licenses = package.get("licenses")
    if licenses is not None and {one.get("scope") for one in licenses} != {"data", "media"}:
        yield "licenses need one of scope data and one of scope media"
    for taxon in package.get("taxonomic") or ():
        codes = taxon.get("vernacularNames", {})
        if not taxon.get("scientificName") or taxon.get("taxonRank", "species") not in RANKS or not all(re.fullmatch("[a-z]{3}", code) for code in codes):
            yield f"a taxon lacks its name, has another rank than the standard's, or a language that is no code of three letters: {taxon}"


def _project_faults(project: Mapping[str, Any]) -> Iterator[str]:
    methods, levels = project.get("captureMethod"), project.get("observationLevel")
    if not project.get("title"):
        yield "project.title is missing"
    if project.get("samplingDesign") not in DESIGNS:
        yield f"project.samplingDesign is {project.get('samplingDesign')!r}, where one of {', '.join(DESIGNS)} was expected"
    if not isinstance(methods, list) or not methods or len(set(methods)) < len(methods) or not set(methods) <= set(METHODS):
        yield f"project.captureMethod is {methods!r}, where a list of {' and '.join(METHODS)} was expected"
    if not isinstance(project.get("individualAnimals"), bool):
        yield "project.individualAnimals is neither true nor false"
    if not isinstance(levels, list) or not set(levels) <= set(LEVELS):
        yield f"project.observationLevel is {levels!r}, where a list of {' and '.join(LEVELS)} was expected"


def _table_faults(path: Path, table: str, keys: Keys) -> Iterator[str]:
    """What is wrong in one table; the tables that it points to must have been looked at before."""
    columns, links = TABLES[table], [(key, other) for name, key, other in LINKS if name == table]
    with open_to_read(path) as file:
        header = file.readline().rstrip("\r\n").split(",")
    if header != list(columns):
        yield f"{path.name} has the columns {', '.join(header)}"
        return
    for number, row in enumerate(read_rows(path), 2):
        faults = [f"{name} {fault}" for name, column in columns.items() if (fault := column.fault(row[name]))]
        if not keys.add(table, row[KEYS[table]]):
            faults.append(f"{KEYS[table]} is {row[KEYS[table]]!r}, as in an earlier row")
        faults += [f"{key} is {row[key]!r}, which {other}.csv lacks" for key, other in links if row[key] and not keys.has(other, row[key])]
        yield from (f"{path.name}, row {number}: {fault}" for fault in faults)
