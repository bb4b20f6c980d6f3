"""What a Camtrap DP package tells of the project: taken from a file of the user's, never made up.

The tables are left to `camtrap_dp`, the rules to `camtrap_rules`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bioclip_search.errors import ExportError
from bioclip_search.standards.camtrap_rules import DESIGNS, HOME, METHODS, PROFILE, ROLES, TABLES

PROJECT_KEYS = ("id", "title", "acronym", "description", "path", "samplingDesign", "captureMethod", "individualAnimals")
PACKAGE_KEYS = (
    *("name", "id", "title", "description", "version", "keywords", "image", "homepage", "sources", "contributors", "licenses"),
    *("bibliographicCitation", "coordinatePrecision", "relatedIdentifiers", "references", "taxonomic"),
)
LISTS = ("contributors", "licenses", "taxonomic", "sources", "relatedIdentifiers")
"""Members of a package that are lists of objects."""

MADE_KEYS = ("resources", "profile", "created", "spatial", "temporal", "directory")
"""Members of a package that are made anew with each export."""

MAX_FILE_BYTES = 1 << 24

TEMPLATE = f"""title = "Camera traps of …"
samplingDesign = "opportunistic"          # one of {", ".join(DESIGNS)}
captureMethod = ["activityDetection"]     # {" and/or ".join(METHODS)}
[[contributors]]
title = "Your name or institution"
role = "contact"                          # one of {", ".join(ROLES)}
"""
"""What a project file holds at least."""


def read_project(path: Path) -> dict[str, Any]:
    """The facts in a file: TOML or JSON with the members of `TEMPLATE`, or the `datapackage.json` of an earlier package.

    Raises:
        ExportError: The file cannot be read, or has a member that the standard does not know or that is of another kind.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES)
        told = tomllib.loads(data.decode("utf-8")) if path.suffix.lower() == ".toml" else json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"{path}: cannot be read as facts of a project ({error}). Expected TOML or JSON such as:\n{TEMPLATE}") from error
    if not isinstance(told, dict):
        raise ExportError(f"{path}: holds no facts of a project. Expected TOML or JSON such as:\n{TEMPLATE}")
    faults = list(_shape_faults(told))
    if faults:
        raise ExportError(f"{path}: {'; '.join(faults)}. Expected such as:\n{TEMPLATE}")
    unknown = set(told) - {*PROJECT_KEYS, *PACKAGE_KEYS, *MADE_KEYS, "project"}
    if unknown and not isinstance(told.get("project"), dict):
        raise ExportError(f"{path}: does not know what {', '.join(sorted(unknown))} is. Camtrap DP knows: {', '.join(sorted({*PROJECT_KEYS, *PACKAGE_KEYS}))}.")
    return told


def _shape_faults(told: Mapping[str, Any]) -> Iterator[str]:
    """Which members are of another kind than the standard has them, before anything is read from them."""
    project = told.get("project", {})
    if not isinstance(project, dict):
        yield "project is no group of facts"
        project = {}
    for name in LISTS:
        if name in told and not (isinstance(told[name], list) and all(isinstance(one, dict) for one in told[name])):
            yield f"{name} is no list of groups of facts ([[{name}]])"
    methods = project.get("captureMethod", told.get("captureMethod", []))
    if not isinstance(methods, list) or not all(isinstance(one, str) for one in methods):
        yield "captureMethod is no list of texts"
    taxa = told.get("taxonomic")
    for taxon in taxa if isinstance(taxa, list) else ():
        if isinstance(taxon, dict) and not isinstance(taxon.get("vernacularNames") or {}, dict):
            yield f"the vernacularNames of {taxon.get('scientificName')} are no group of names by language"


def require_facts(facts: Mapping[str, Any]) -> None:
    """
    Raises:
        ExportError: What the standard requires of the project is not told, or told in another way.
    """
    faults = list(_shape_faults(facts))
    if faults:
        raise ExportError(f"The facts of the project cannot stand in Camtrap DP: {'; '.join(faults)}. Expected such as:\n{TEMPLATE}")
    project = facts["project"] if isinstance(facts.get("project"), Mapping) else facts
    missing = [name for name in ("title", "samplingDesign", "captureMethod") if not project.get(name)]
    missing += [] if facts.get("contributors") else ["contributors"]
    if missing:
        raise ExportError(f"Camtrap DP requires of the project: {', '.join(missing)}. Give them with --project FILE.toml, such as:\n{TEMPLATE}")


def descriptor(
    facts: Mapping[str, Any], *, levels: Iterable[str], points: Iterable[tuple[float, float]], days: tuple[datetime, datetime], taxa: list[dict[str, Any]]
) -> dict[str, Any]:
    """The content of `datapackage.json`.

    Args:
        points: (longitude, latitude) of the deployments, at least one.
        days: When the first deployment began and the last one ended.
    """
    is_package = isinstance(facts.get("project"), Mapping)
    project = dict(facts["project"] if is_package else {name: facts[name] for name in PROJECT_KEYS if name in facts})
    project = {"individualAnimals": False} | project | {"observationLevel": list(levels)}
    package = {name: facts[name] for name in PACKAGE_KEYS if name in facts and (is_package or name not in ("id", "title", "description"))}
    return {
        "resources": [_resource(name) for name in TABLES],
        "profile": PROFILE,
        "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        **package,
        "project": project,
        "spatial": _spatial(list(points)),
        "temporal": {"start": f"{days[0]:%Y-%m-%d}", "end": f"{days[1]:%Y-%m-%d}"},
        "taxonomic": _taxonomic(taxa, facts.get("taxonomic") or ()),
    }


def _resource(name: str) -> dict[str, str]:
    told = {"name": name, "path": f"{name}.csv", "profile": "tabular-data-resource", "format": "csv", "mediatype": "text/csv", "encoding": "utf-8"}
    return told | {"schema": f"{HOME}{name}-table-schema.json"}


def _spatial(points: list[tuple[float, float]]) -> dict[str, Any]:
    """The box around all deployments; a point where there is but one place."""
    west, east = min(point[0] for point in points), max(point[0] for point in points)
    south, north = min(point[1] for point in points), max(point[1] for point in points)
    if west == east and south == north:
        return {"type": "Point", "coordinates": [west, south]}
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [corners]}


def _taxonomic(taxa: list[dict[str, Any]], known: Iterable[Any]) -> list[dict[str, Any]]:
    """The taxa, with what the user's file tells of those of the same name (their ids, names in more languages)."""
    more = {one.get("scientificName"): one for one in known if isinstance(one, Mapping)}
    told = []
    for taxon in taxa:
        extra = more.get(taxon["scientificName"], {})
        names = dict(taxon.get("vernacularNames", {})) | dict(extra.get("vernacularNames") or {})
        told.append(taxon | dict(extra) | ({"vernacularNames": names} if names else {}))
    return told
