"""Writes a run as the images.csv of Wildlife Insights' batch upload, one row for each taxon in a picture.

The columns are those of "Template Wildlife Insights Batch Upload - Imagev1.0", as agentmorris/MegaDetector fills it
(data_management/cct_to_wi.py) and ConservationInternational/Wildlife-Insights----Data-Migration describes it; the ids of
blank, human and vehicle are those that SpeciesNet's labels carry. The upload also wants projects.csv, cameras.csv and
deployments.csv, whose facts a run does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bioclip_search.errors import ExportError
from bioclip_search.runs.record import BLANK, PERSON, VEHICLE
from bioclip_search.standards.camtrap_survey import file_path
from bioclip_search.standards.collection import Collection, SeenPicture, Standing
from bioclip_search.standards.csv_table import check_table, open_to_write, read_rows, safe, table_writer
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_file
from bioclip_search.standards.report import ExportReport, Tally

TAXON_RANKS = ("class", "order", "family", "genus", "species")
COLUMNS = (
    *("project_id", "deployment_id", "image_id", "location", "identified_by", "common_name", "wi_taxon_id", *TAXON_RANKS),
    *("number_of_objects", "uncertainty", "timestamp", "highlighted", "age", "sex", "animal_recognizable", "individual_id"),
    *("individual_animal_notes", "markings"),
)
REQUIRED = ("project_id", "deployment_id", "image_id", "location", "identified_by", "timestamp")
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"

PLAIN: dict[str, dict[str, str]] = {
    BLANK: {"common_name": "Blank", "wi_taxon_id": "f1856211-cfb7-4a5b-9158-c0f72fd09ee6"},
    PERSON: {
        **{"common_name": "Human", "wi_taxon_id": "990ae9dd-7a59-4344-afcb-1b7b21368000", "class": "Mammalia", "order": "Primates"},
        **{"family": "Hominidae", "genus": "Homo", "species": "sapiens"},
    },
    VEHICLE: {"common_name": "Vehicle", "wi_taxon_id": "e2895ed5-780b-48f6-8a11-9e27cb594511"},
}
"""What is no wildlife, as Wildlife Insights calls it."""


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the file; see `ExportOptions`. Boxes in which nothing moves are left out.

    Raises:
        ExportError: The project has no id, or no picture has what the upload requires.
    """
    project = options.project.get("project") or options.project
    if not project.get("id"):
        raise ExportError('Wildlife Insights wants the id of the project. Give it with --project FILE.toml, which holds a line such as: id = "2004252"')
    tally = Tally()
    tally.note(
        "wi_taxon_id is told of blanks, people and vehicles only; match the others by their names against Wildlife Insights' taxonomy before the upload."
    )
    with fresh_file(out, options) as part:
        with open_to_write(part) as file:
            writer = table_writer(file, COLUMNS)
            for row in _rows(collection, str(project["id"]), replace(options, without_repeats=True), tally):
                writer.writerow(safe(row, exact=("deployment_id", "location")))
        if tally.left_out and not tally.pictures:
            why = "; ".join(f"{count} {words}" for words, count in tally.left_out.items())
            raise ExportError(f"No picture can be told to Wildlife Insights: {why}. Deployments come from `tag --deployments`, times from EXIF or a list.")
        check_table(part, COLUMNS, REQUIRED)
        _check_times(part)
    return tally.report("wildlife-insights", out)


def _rows(collection: Collection, project: str, options: ExportOptions, tally: Tally) -> Iterator[dict[str, Any]]:
    machine = collection.machine
    for seen in collection.pictures(options, tally):
        picture, facts = seen.picture, seen.picture.facts
        why = _refusal(seen)
        if why:
            tally.leave_out(why)
            continue
        tally.pictures += 1
        about = {"project_id": project, "deployment_id": facts.deployment, "image_id": picture.media_id, "highlighted": 0, "animal_recognizable": "No"}
        about |= {"location": file_path(picture.image, options.media_base), "timestamp": f"{facts.timestamp:{TIME_FORMAT}}"}
        for stands, count in _grouped(seen):
            tally.observations += 1
            by = stands.who if stands.is_decided else stands.machine or machine
            yield about | _taxon_cells(stands) | {"number_of_objects": count, "identified_by": by}


def _refusal(seen: SeenPicture) -> str | None:
    if seen.picture.error is not None:
        return "pictures that could not be read"
    if seen.picture.frame_number is not None:
        return "frames of videos, which this upload does not take"
    lacking = [word for word, fact in (("time", seen.picture.facts.timestamp), ("deployment", seen.picture.facts.deployment)) if fact is None]
    return f"pictures without a {' and a '.join(lacking)}, which Wildlife Insights requires" if lacking else None


def _grouped(seen: SeenPicture) -> Iterator[tuple[Standing, int]]:
    """What was seen, and how many of it."""
    found: dict[tuple[Any, ...], tuple[Standing, int]] = {}
    for _, stands in seen.observed:
        key = (stands.status, stands.taxon, tuple(stands.lineage.items()), stands.who)
        found[key] = stands, found.get(key, (stands, 0))[1] + (stands.status != BLANK)
    yield from found.values()


def _taxon_cells(stands: Standing) -> dict[str, Any]:
    """A species is told by its epithet, as the upload has it; what nobody could name has no taxon."""
    if stands.status in PLAIN:
        return dict(PLAIN[stands.status])
    told = {rank: stands.lineage.get(rank) for rank in TAXON_RANKS}
    if told["species"]:
        told["species"] = told["species"].removeprefix(told["genus"] or "").strip()
    return told | {"common_name": stands.common_name or stands.taxon}


def _check_times(path: Path) -> None:
    with closing(read_rows(path)) as rows:
        for row in rows:
            try:
                datetime.strptime(row["timestamp"], TIME_FORMAT)
            except ValueError as error:
                raise ExportError(f"{row['location']}: its time {row['timestamp']} cannot stand in the upload, which wants YYYY-MM-DD HH:MM:SS.") from error
