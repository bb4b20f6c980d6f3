"""Stages a Darwin Core Archive: the Taxon core and its vernacular names and distributions, as meta.xml describes them.

Covers GBIF's backbone, national checklists, iNaturalist's taxa, WoRMS, EOL. Reading meta.xml is left to `meta`,
judging the rows to `resolve`.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from bioclip_search.checklists.archive import Archive
from bioclip_search.checklists.delimited import Delimited, describe_file
from bioclip_search.checklists.meta import DataFile, read_meta
from bioclip_search.checklists.report import Note
from bioclip_search.checklists.staging import Staging, cell
from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS

TAXON_TERMS = {
    "key": ("taxonID", "identifier"),
    "parent_key": ("parentNameUsageID", "higherTaxonID", "parentNameUsageKey"),
    "accepted_key": ("acceptedNameUsageID", "acceptedTaxonID"),
    "parent_name": ("parentNameUsage", "higherTaxon"),
    "accepted_name": ("acceptedNameUsage", "acceptedTaxon"),
    "scientific_name": ("scientificName",),
    "canonical_name": ("canonicalName", "nameComplete"),
    "generic_name": ("genericName",),
    "specific_epithet": ("specificEpithet",),
    "infraspecific_epithet": ("infraspecificEpithet",),
    "authorship": ("scientificNameAuthorship",),
    "rank": ("taxonRank", "verbatimTaxonRank"),
    "status": ("taxonomicStatus",),
    **{rank: (rank,) for rank in RANKS},
    "common_name": ("vernacularName",),
}
"""Our columns and the terms they are read from, the first that the file has."""

EXTENSION_TERMS = {
    "VernacularName": ("vernaculars", {"name": ("vernacularName",), "language": ("language",), "preferred": ("isPreferredName",)}),
    "Distribution": ("distributions", {"country": ("countryCode", "locationID", "country"), "status": ("occurrenceStatus",)}),
}

INATURALIST_ADDRESS = r"^https?://www\.inaturalist\.org/taxa/"
"""iNaturalist writes a taxon's number as an address, and only the number in its other exports."""


def stage_darwin_core(archive: Archive, staging: Staging) -> None:
    """Fills the staging.

    Raises:
        TableError: The archive's meta.xml is broken, or a table is missing or not as described.
    """
    member = shallowest(archive, "meta.xml")
    home = PurePosixPath(member).parent
    meta = read_meta(archive.file(member), f"{archive.name}: {member}")
    if meta.core.row_type not in {"Taxon", "NameUsage", ""}:
        raise TableError(
            f"{archive.name}: its core table is of {meta.core.row_type}, not of Taxon, so it is no checklist. "
            "Get the checklist (taxonomic) archive of this data set."
        )
    for location in meta.core.locations:
        _stage_core(archive, staging, meta.core, str(home / location))
    for extension in meta.extensions:
        if extension.row_type in EXTENSION_TERMS:
            for location in _with_unlisted(archive, home, extension):
                _stage_extension(archive, staging, extension, location)


def shallowest(archive: Archive, *names: str) -> str | None:
    """The member of one of these names, in lower case, that lies least deep; None if there is none."""
    found = [member for member in archive.members if PurePosixPath(member).name.lower() in names]
    return min(found, key=lambda member: (member.count("/"), member), default=None)


def _stage_core(archive: Archive, staging: Staging, core: DataFile, location: str) -> None:
    file, _ = _describe(archive, staging, core, location)
    columns = {ours: found for ours, terms in TAXON_TERMS.items() if (found := _expression(core, terms))}
    if "scientific_name" not in columns and "canonical_name" not in columns:
        raise TableError(f"{file.name}: no column is described as scientificName. Expected at least taxonID and scientificName; ask the archive's publisher.")
    if core.id_column is not None:
        columns["id"] = cell(core.id_column)
        columns.setdefault("key", columns["id"])
    for ours in {"key", "parent_key", "accepted_key"} & columns.keys():
        columns[ours] = f"regexp_replace({columns[ours]}, '{INATURALIST_ADDRESS}', '')"
    staging.add("usages", file, columns)


def _stage_extension(archive: Archive, staging: Staging, extension: DataFile, location: str) -> None:
    if location not in archive.members:
        staging.notes.append(Note("dropped", "no_such_file", "files that meta.xml names are not in the archive", 1, (location,)))
        return
    table, terms = EXTENSION_TERMS[extension.row_type]
    columns = {ours: found for ours, wanted in terms.items() if (found := _expression(extension, wanted))}
    if extension.id_column is None or next(iter(terms)) not in columns:
        staging.notes.append(Note("dropped", "no_link", "tables do not say which taxon they speak of, or nothing of it", 1, (location,)))
        return
    if archive.file(location).stat().st_size == 0:
        return
    file, _ = _describe(archive, staging, extension, location)
    staging.add(table, file, {"key": cell(extension.id_column), **columns})


def _describe(archive: Archive, staging: Staging, table: DataFile, location: str) -> tuple[Delimited, list[str]]:
    if location not in archive.members:
        there = ", ".join(archive.members[:10]) or "nothing"
        raise TableError(f"{archive.name}: meta.xml names the file {location}, which is not in the archive (there are {there}). Download it again.")
    return describe_file(
        archive.file(location),
        f"{archive.name}: {location}",
        staging.scratch,
        encoding=table.encoding,
        delimiter=table.delimiter,
        quote=table.quote,
        header_lines=table.header_lines,
        least_columns=1 + max([*table.columns.values(), table.id_column or 0]),
    )


def _expression(table: DataFile, terms: tuple[str, ...]) -> str | None:
    """The SQL for the terms, the first that has a value; None where the table has none of them."""
    found = [cell(table.columns[term], table.defaults.get(term)) for term in terms if term in table.columns]
    found += [cell("''", table.defaults[term]) for term in terms if term in table.defaults and term not in table.columns]
    return f"coalesce({', '.join(found)})" if found else None


def _with_unlisted(archive: Archive, home: PurePosixPath, extension: DataFile) -> list[str]:
    """The files of an extension, with those of iNaturalist's languages (VernacularNames-*.csv) that meta.xml leaves out."""
    listed = [str(home / location) for location in extension.locations]
    if not any("VernacularNames-" in location for location in listed):
        return listed
    there = [member for member in archive.members if PurePosixPath(member).parent == home and PurePosixPath(member).name.startswith("VernacularNames-")]
    return listed + [member for member in there if member not in listed]
