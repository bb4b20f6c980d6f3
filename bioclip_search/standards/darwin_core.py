"""Writes a run as Darwin Core occurrences: CSV, tab-separated text, or (a path that ends in .zip) an archive that GBIF takes.

Terms are those of dwc.tdwg.org/terms. An occurrence is a box with a name: people, vehicles, blank pictures and boxes that
nobody could name, or in which nothing moves, are none and are left out. `basisOfRecord` is MachineObservation throughout, for it says how the evidence
came about, not who named it (GBIF, "Best practices for managing and publishing camera trap data"); who did stands in
`identifiedBy`, and whether a person looked in `identificationVerificationStatus`. Reading archives is `checklists`.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from bioclip_search.errors import ExportError
from bioclip_search.media import Deployment
from bioclip_search.prompts import RANKS
from bioclip_search.results import Answer
from bioclip_search.standards.camtrap_survey import file_path
from bioclip_search.standards.collection import Collection, SeenCrop, SeenPicture, Standing, place_of, with_zone
from bioclip_search.standards.csv_table import open_to_write
from bioclip_search.standards.options import EVENT, ExportOptions
from bioclip_search.standards.output import fresh_file
from bioclip_search.standards.report import ExportReport, Tally

TERMS = (
    *("occurrenceID", "basisOfRecord", "occurrenceStatus", "eventID", "eventDate", "scientificName", "taxonRank"),
    *(*RANKS[:6], "specificEpithet", "vernacularName", "identifiedBy", "dateIdentified", "identificationRemarks"),
    *("identificationVerificationStatus", "decimalLatitude", "decimalLongitude", "geodeticDatum", "locationID", "locality", "associatedMedia"),
)
TERMS_HOME = "http://rs.tdwg.org/dwc/terms/"
REQUIRED = ("occurrenceID", "basisOfRecord", "scientificName")
"""Without these GBIF takes no occurrence; it also wants eventDate, which is told where it is known (GBIF, "Occurrence data quality requirements")."""

BASIS, VERIFIED, UNVERIFIED = "MachineObservation", "verified by a person", "unverified"
CORE_FILE, META_FILE = "occurrence.txt", "meta.xml"


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the file; see `ExportOptions`."""
    tally, suffix, options = Tally(), out.suffix.lower(), replace(options, without_repeats=True)
    if options.level == EVENT:
        tally.note("Occurrences are told of pictures; eventID says which burst each belongs to.")
    with fresh_file(out, options) as part:
        rows = _checked(_rows(collection, options, tally))
        if suffix == ".zip":
            _write_archive(part, rows)
            tally.note("GBIF also wants a description of the data set, eml.xml, which a run does not tell; its Integrated Publishing Toolkit makes one.")
        else:
            with open_to_write(part) as file:
                _write_rows(file, rows, "\t" if suffix in (".txt", ".tsv") else ",")
    return tally.report("darwin-core", out)


def _write_rows(file: Any, rows: Iterator[dict[str, Any]], delimiter: str) -> None:
    writer = csv.DictWriter(file, TERMS, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _write_archive(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(CORE_FILE, "w", force_zip64=True) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
            _write_rows(file, rows, "\t")
        archive.writestr(META_FILE, meta())


def meta() -> str:
    """The description of the archive's file (Darwin Core Text Guide)."""
    fields = "\n".join(f"    <field index={quoteattr(str(place))} term={quoteattr(TERMS_HOME + term)}/>" for place, term in enumerate(TERMS))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<archive xmlns="http://rs.tdwg.org/dwc/text/">
  <core encoding="UTF-8" fieldsTerminatedBy="\\t" linesTerminatedBy="\\n" fieldsEnclosedBy='"' ignoreHeaderLines="1" rowType="{TERMS_HOME}Occurrence">
    <files><location>{CORE_FILE}</location></files>
    <id index="0"/>
{fields}
  </core>
</archive>
"""


def _rows(collection: Collection, options: ExportOptions, tally: Tally) -> Iterator[dict[str, Any]]:
    places, machine, when = collection.places(options), collection.machine, collection.finished
    for seen in collection.pictures(options, tally):
        if seen.picture.error is not None:
            tally.leave_out("pictures that could not be read")
            continue
        tally.pictures += 1
        for crop, stands in seen.observed:
            if stands.taxon is None:
                tally.leave_out({"identified": "boxes that nobody could name"}.get(stands.status, f"observations that are no organism ({stands.status})"))
                continue
            tally.observations += 1
            yield _what(seen, crop, stands) | _who(crop, stands, machine, when, options) | _where(seen, places, options)


def _what(seen: SeenPicture, crop: SeenCrop | None, stands: Standing) -> dict[str, Any]:
    species = stands.lineage.get("species")
    epithet = species.removeprefix(stands.lineage.get("genus", "")).strip() if species else None
    return {
        "occurrenceID": f"{seen.picture.media_id}:{'whole' if crop is None else crop.crop.number}",
        "basisOfRecord": BASIS,
        "occurrenceStatus": "present",
        "eventID": seen.sequence,
        "scientificName": stands.taxon,
        "taxonRank": stands.rank,
        **{rank: stands.lineage.get(rank) for rank in RANKS[:6]},
        "specificEpithet": epithet,
        "vernacularName": stands.common_name,
    }


def _who(crop: SeenCrop | None, stands: Standing, machine: str, when: datetime | None, options: ExportOptions) -> dict[str, Any]:
    said = stands.when and (with_zone(stands.when, options.timezone) or stands.when) if stands.is_decided else None if stands.machine else when
    return {
        "identifiedBy": stands.who if stands.is_decided else stands.machine or machine,
        "dateIdentified": said.replace(microsecond=0).isoformat() if said else None,
        "identificationRemarks": "; ".join(_remarks(crop and crop.crop.answer, stands)) or None,
        "identificationVerificationStatus": VERIFIED if stands.is_decided else UNVERIFIED,
    }


def _remarks(answer: Answer | None, stands: Standing) -> Iterator[str]:
    if stands.note:
        yield stands.note
    if stands.is_decided:
        yield f"{stands.verdict} on review"
    if answer is not None and answer.taxon is not None:
        if stands.is_decided and answer.taxon != stands.taxon:
            yield f"machine: {answer.taxon}"
        if answer.probability is not None:
            yield f"probability {answer.probability:.4f}"
        if answer.chance is not None:
            yield f"chance of being right {answer.chance:.4f}"
        yield answer.rule


def _where(seen: SeenPicture, places: dict[str, Deployment], options: ExportOptions) -> dict[str, Any]:
    facts, place = seen.picture.facts, place_of(seen.picture, places)
    stay = places.get(facts.deployment or "")
    stamp = facts.timestamp and (with_zone(facts.timestamp, options.timezone) or facts.timestamp)
    return {
        "eventDate": stamp.replace(microsecond=0).isoformat() if stamp else None,
        "decimalLatitude": place and place[0],
        "decimalLongitude": place and place[1],
        "geodeticDatum": "WGS84" if place else None,
        "locationID": facts.deployment,
        "locality": stay and stay.place,
        "associatedMedia": file_path(seen.picture.image, options.media_base),
    }


def _checked(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """
    Raises:
        ExportError: An occurrence lacks what it must have, or lies nowhere on earth.
    """
    for row in rows:
        lost = [name for name in REQUIRED if not row[name]]
        latitude, longitude = row["decimalLatitude"], row["decimalLongitude"]
        if lost:
            raise ExportError(f"An occurrence of {row['associatedMedia']} lacks {', '.join(lost)}, which Darwin Core archives need.")
        if latitude is not None and not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            raise ExportError(f"{row['associatedMedia']}: latitude {latitude}, longitude {longitude} is no place. Mend the place of its deployment.")
        yield row
