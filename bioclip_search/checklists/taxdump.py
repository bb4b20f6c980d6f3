"""Stages NCBI's taxonomy dump: nodes.dmp with each taxon's parent and rank, names.dmp with all its names.

The format: readme.txt of https://ftp.ncbi.nlm.nih.gov/pub/taxonomy/. Judging the rows is left to `resolve`.
"""

from __future__ import annotations

from bioclip_search.checklists.archive import Archive
from bioclip_search.checklists.darwin_core import shallowest
from bioclip_search.checklists.delimited import Delimited, describe_file
from bioclip_search.checklists.staging import Staging, cell

SEPARATOR = "\t|\t"
ROOT = "1"
"""The taxon "root", which is its own parent; that is meant, and no circle."""

SYNONYM_CLASSES = ("synonym", "equivalent name", "genbank synonym", "anamorph", "teleomorph")
VERNACULAR_CLASSES = ("genbank common name", "common name")
"""Both are English; the first is the one that GenBank prefers. Acronyms, misspellings and type material are not taken in."""


def is_taxdump(archive: Archive) -> bool:
    return bool(shallowest(archive, "nodes.dmp") and shallowest(archive, "names.dmp"))


def stage_taxdump(archive: Archive, staging: Staging) -> None:
    """Fills the staging.

    Raises:
        TableError: A file cannot be read.
    """
    _load(archive, staging)
    authorities = "(SELECT key, any_value(name ORDER BY name) AS full_name FROM names WHERE kind = 'authority' GROUP BY key)"
    taxa = "(SELECT *, rowid AS place FROM nodes) AS t JOIN names AS n ON t.key = n.key AND n.kind = 'scientific name'"
    taxa += f" LEFT JOIN {authorities} AS a ON t.key = a.key"
    staging.add("usages", taxa, _TAXON, order="t.place")
    synonyms = "(SELECT *, rowid AS place FROM names) AS n LEFT JOIN nodes AS t ON n.key = t.key"
    staging.add("usages", synonyms, _SYNONYM, where=f"n.kind IN {SYNONYM_CLASSES}", order="n.place")
    vernaculars = {"key": "key", "name": "name", "language": "'en'", "preferred": f"(kind = '{VERNACULAR_CLASSES[0]}')::VARCHAR"}
    staging.add("vernaculars", "names", vernaculars, where=f"kind IN {VERNACULAR_CLASSES}", order="rowid")
    staging.run("DROP TABLE nodes")
    staging.run("DROP TABLE names")


def _load(archive: Archive, staging: Staging) -> None:
    """Makes the tables `nodes` (key, parent, rank) and `names` (key, name, kind)."""
    nodes, names = _open(archive, staging, "nodes.dmp", 3), _open(archive, staging, "names.dmp", 4)
    staging.run(f"CREATE TEMP TABLE nodes AS SELECT {cell(0)} AS key, {cell(1)} AS parent, {cell(2)} AS rank FROM {nodes.sql()}", nodes.name)
    staging.note_rejects(nodes)
    kind = "regexp_replace(c3, '\\s*\\|\\s*$', '')"
    staging.run(f"CREATE TEMP TABLE names AS SELECT {cell(0)} AS key, {cell(1)} AS name, {kind} AS kind FROM {names.sql()}", names.name)
    staging.note_rejects(names)


_TAXON = {
    "key": "t.key",
    "parent_key": f"CASE WHEN t.parent <> t.key OR t.key <> '{ROOT}' THEN t.parent END",
    "canonical_name": "n.name",
    "scientific_name": "n.name",
    "authorship": "CASE WHEN starts_with(a.full_name, n.name || ' ') THEN nullif(trim(substr(a.full_name, length(n.name) + 2)), '') END",
    "rank": "t.rank",
    "status": "'accepted'",
}
_SYNONYM = {"accepted_key": "n.key", "scientific_name": "n.name", "rank": "t.rank", "status": "'synonym'"}


def _open(archive: Archive, staging: Staging, name: str, least: int) -> Delimited:
    member = shallowest(archive, name)
    assert member is not None  # is_taxdump has seen it
    return describe_file(
        archive.file(member), f"{archive.name}: {member}", staging.scratch, encoding="UTF-8", delimiter=SEPARATOR, quote="", header_lines=0, least_columns=least
    )[0]
