"""Stages a data package of the Catalogue of Life (ColDP): NameUsage, or Name with Taxon and Synonym, and what hangs on them.

The format: https://github.com/CatalogueOfLife/coldp (version 1.1). Judging the rows is left to `resolve`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from bioclip_search.checklists.archive import Archive
from bioclip_search.checklists.delimited import Delimited, describe_file
from bioclip_search.checklists.staging import Staging, cell
from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS

SUFFIXES = {".csv": (",", '"'), ".tsv": ("\t", ""), ".tab": ("\t", ""), ".txt": ("\t", "")}
"""How a file of each suffix is written, as the format has it: only csv knows quotes."""

NAME_COLUMNS = {
    "scientific_name": "scientificname",
    "specific_epithet": "specificepithet",
    "infraspecific_epithet": "infraspecificepithet",
    "authorship": "authorship",
    "rank": "rank",
}
POINTS_AT_ACCEPTED = "regexp_matches(lower(coalesce({status}, '')), 'synonym|misapplied|unaccepted')"


def find_tables(archive: Archive) -> dict[str, str]:
    """Which member holds which entity, by names such as NameUsage.tsv or vernacular-name.csv, in lower case."""
    found: dict[str, str] = {}
    for member in sorted(archive.members, key=lambda member: (member.count("/"), member)):
        path = PurePosixPath(member)
        if path.suffix.lower() in SUFFIXES:
            found.setdefault(re.sub(r"[-_]", "", path.stem.lower()), member)
    return found


def is_coldp(archive: Archive) -> bool:
    tables = find_tables(archive)
    return "nameusage" in tables or {"name", "taxon"} <= tables.keys()


def stage_coldp(archive: Archive, staging: Staging) -> None:
    """Fills the staging.

    Raises:
        TableError: A table lacks a column that it cannot do without, or cannot be read.
    """
    tables = find_tables(archive)
    if "nameusage" in tables:
        _stage_usages(*_open(archive, staging, tables["nameusage"]), staging)
    else:
        _stage_names_and_taxa(archive, staging, tables)
    if "vernacularname" in tables:
        file, columns = _open(archive, staging, tables["vernacularname"])
        wanted = {"key": "taxonid", "name": "name", "language": "language", "preferred": "preferred"}
        staging.add("vernaculars", file, _pick(file, columns, wanted, {"key", "name"}))
    if "distribution" in tables:
        file, columns = _open(archive, staging, tables["distribution"])
        found = _pick(file, columns, {"key": "taxonid", "area": "area", "areaid": "areaid", "gazetteer": "gazetteer", "status": "status"}, {"key"})
        area = f"coalesce({found.get('areaid', 'NULL')}, {found.get('area', 'NULL')})"
        gazetteer = f"lower(coalesce({found.get('gazetteer', 'NULL')}, ''))"
        prefixed = f"CASE WHEN {gazetteer} IN ('iso', '') OR contains({area}, ':') THEN {area} ELSE {gazetteer} || ':' || {area} END"
        staging.add("distributions", file, {"key": found["key"], "country": prefixed, "status": found.get("status", "NULL")})


def _stage_usages(file: Delimited, columns: dict[str, str], staging: Staging) -> None:
    wanted = {"key": "id", "parent_key": "parentid", "generic_name": "genericname", "status": "status", **NAME_COLUMNS, **{rank: rank for rank in RANKS}}
    found = _pick(file, columns, wanted, {"key", "scientific_name"})
    found["canonical_name"] = found["scientific_name"]
    parent, status = found.pop("parent_key", "NULL"), found.get("status", "NULL")
    is_synonym = POINTS_AT_ACCEPTED.format(status=status)
    found["accepted_key"] = f"CASE WHEN {is_synonym} THEN {parent} END"
    found["parent_key"] = f"CASE WHEN NOT {is_synonym} THEN {parent} END"
    staging.add("usages", file, found)


def _stage_names_and_taxa(archive: Archive, staging: Staging, tables: dict[str, str]) -> None:
    """Joins Taxon and Synonym with Name; a name that neither speaks of is a bare name and is not taken in."""
    name, name_columns = _open(archive, staging, tables["name"])
    found = _pick(name, name_columns, {"name_id": "id", "generic_name": "genus", **NAME_COLUMNS}, {"name_id", "scientific_name"})
    chosen = ", ".join(f'{expression} AS "{ours}"' for ours, expression in found.items())
    staging.run(f"CREATE TEMP TABLE coldp_names AS SELECT {chosen} FROM {name.sql()}", name.name)
    staging.note_rejects(name)
    named = {ours: f'n."{ours}"' for ours in found if ours != "name_id"}
    named["canonical_name"] = named["scientific_name"]
    taxon, taxon_columns = _open(archive, staging, tables["taxon"])
    links = {"key": "id", "name_id": "nameid", "parent_key": "parentid", "provisional": "provisional", **{rank: rank for rank in RANKS}}
    taxa = _pick(taxon, taxon_columns, links, {"key", "name_id"})
    provisional = taxa.pop("provisional", "NULL")
    status = {"status": f"CASE WHEN lower({provisional}) IN ('true', 't', '1', 'yes') THEN 'provisionally accepted' ELSE 'accepted' END"}
    _add_named(staging, taxon, taxa | status, named)
    if "synonym" in tables:
        synonym, synonym_columns = _open(archive, staging, tables["synonym"])
        links = {"key": "id", "name_id": "nameid", "accepted_key": "taxonid", "status": "status"}
        synonyms = _pick(synonym, synonym_columns, links, {"name_id", "accepted_key"})
        synonyms["status"] = f"coalesce({synonyms.get('status', 'NULL')}, 'synonym')"
        _add_named(staging, synonym, synonyms, named)
    staging.run("DROP TABLE coldp_names")


def _add_named(staging: Staging, file: Delimited, columns: dict[str, str], named: dict[str, str]) -> None:
    chosen = ", ".join(f'{expression} AS "{ours}"' for ours, expression in columns.items())
    staging.run(f"CREATE TEMP TABLE coldp_rows AS SELECT {chosen} FROM {file.sql()}", file.name)
    staging.note_rejects(file)
    own = {ours: f't."{ours}"' for ours in columns if ours != "name_id"}
    staging.add("usages", "(SELECT *, rowid AS place FROM coldp_rows) AS t LEFT JOIN coldp_names AS n ON t.name_id = n.name_id", named | own, order="t.place")
    staging.run("DROP TABLE coldp_rows")


def _open(archive: Archive, staging: Staging, member: str) -> tuple[Delimited, dict[str, str]]:
    """The table, and the SQL for each of its columns by name in lower case without prefix and punctuation."""
    delimiter, quote = SUFFIXES[PurePosixPath(member).suffix.lower()]
    file, header = describe_file(
        archive.file(member), f"{archive.name}: {member}", staging.scratch, encoding="UTF-8", delimiter=delimiter, quote=quote, header_lines=1
    )
    columns: dict[str, str] = {}
    for number, name in enumerate(header):
        columns.setdefault(re.sub(r"[^a-z]", "", name.lower().rsplit(":", 1)[-1]), cell(number))
    return file, columns


def _pick(file: Delimited, columns: dict[str, str], wanted: dict[str, str], needed: set[str]) -> dict[str, str]:
    missing = sorted(wanted[ours] for ours in needed if wanted[ours] not in columns)
    if missing:
        raise TableError(
            f"{file.name}: has no column {', '.join(missing)}; its header names {', '.join(columns) or 'nothing'}. "
            "Expected the columns of ColDP, see its documentation."
        )
    return {ours: columns[theirs] for ours, theirs in wanted.items() if theirs in columns}
