"""Stages one plain table of taxa, CSV, TSV or Parquet: its columns guessed from their names, or given.

Covers lists with a column for each rank, tables that point at parents (ITIS, WoRMS, iNaturalist's open data), and
GBIF's species lists. Judging the rows is left to `resolve`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bioclip_search.checklists.canonical import BINOMIAL, EPITHET
from bioclip_search.checklists.delimited import Delimited, describe_file, quoted
from bioclip_search.checklists.ranks import ITIS_RANK_IDS
from bioclip_search.checklists.report import Note
from bioclip_search.checklists.staging import USAGE_COLUMNS, Staging, cell
from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS
from bioclip_search.tables import NULL_WORDS

OTHER_NAMES = {
    "key": "taxonid taxonkey taxid usagekey tsn aphiaid taxoncode id",
    "parent_key": "parentnameusageid parenttaxonid parentid parentkey parenttaxid parenttsn parentnameusagekey parentusagekey",
    "accepted_key": "acceptednameusageid acceptedtaxonid acceptedtaxonkey acceptedid acceptedkey acceptednameusagekey acceptedusagekey acceptedtsn tsnaccepted"
    " validaphiaid validid",
    "parent_name": "parentnameusage parentname parent",
    "accepted_name": "acceptednameusage acceptedscientificname acceptedname validname synonymof",
    "scientific_name": "scientificname completename sciname latinname scientific latin binomial taxonname fullname taxon name",
    "canonical_name": "canonicalname namecomplete",
    "generic_name": "genericname",
    "specific_epithet": "specificepithet speciesepithet epithet",
    "infraspecific_epithet": "infraspecificepithet subspeciesepithet",
    "authorship": "scientificnameauthorship nameauthorship authority author taxonauthor authors scientificnameauthor",
    "rank": "taxonrank rankname ranklabel verbatimtaxonrank",
    "status": "taxonomicstatus taxonstatus nameusage usage taxonomicstate",
    **{rank: f"{rank}name" for rank in RANKS},
    "phylum": "phylumname division",
    "common_name": "vernacularname commonname englishname englishcommonname popularname mainname",
    "language": "languagecode lang",
    "country": "countrycode countrycodes countries iso3 alpha3",
}
"""Other names of our columns, lower case without punctuation, most trusted first."""

TRINOMIALS = (r"^\p{Lu}\p{Ll}+ [\p{Ll}-]+ [\p{Ll}-]+$", rf"{BINOMIAL} (?:.* )?(?:subsp|ssp|var|forma)\.? {EPITHET}")
"""Some lists have subspecies in their column of species."""

CAPITALS = r"^[\p{Lu}-]{4,}(?: [\p{Lu}-]{2,})?(?: |$)"
"""A genus or higher taxon, and perhaps an epithet, of a list that is all in capitals."""

MOST_COLUMNS_TOLD = 10

EXTRA = {"ancestry": "ancestry", "active": "active", "rankid": "rankid"}
"""iNaturalist's path of ancestors and sign of life, and ITIS's number for a rank."""


def stage_plain(path: Path, name: str, staging: Staging, columns: Mapping[str, str] | None = None) -> None:
    """Fills the staging from one table.

    Args:
        columns: Our name of a column to the table's own, for those that are not to be guessed.

    Raises:
        TableError: The table cannot be read, a given column is not there, or no column holds a name.
    """
    source, header = _open(path, name, staging)
    found = _guess(header, columns or {}, name)
    if not found.keys() & {"scientific_name", "canonical_name", *RANKS}:
        raise TableError(
            f"{name}: no column is known to hold names; it has {', '.join(header)}. "
            'Rename one to scientificName or species, or say which: --column species="YOUR COLUMN".'
        )
    unread = [theirs for theirs, sql in header.items() if theirs and sql not in found.values()]
    if unread:
        staging.notes.append(
            Note("dropped", "columns", "columns that are not read; --column says what one holds", len(unread), tuple(unread[:MOST_COLUMNS_TOLD]))
        )
    cleaned = ", ".join(f'{_cleaned(ours, theirs)} AS "{ours}"' for ours, theirs in found.items())
    expressions = {ours: f'"{ours}"' for ours in found}
    _add_special(expressions)
    _add_names_of_ranks(expressions)
    rows = f"(SELECT {cleaned} FROM {source.sql() if isinstance(source, Delimited) else source})"
    staging.add("usages", rows, {ours: expressions[ours] for ours in expressions if ours in USAGE_COLUMNS})
    if isinstance(source, Delimited):
        staging.note_rejects(source)


def _open(path: Path, name: str, staging: Staging) -> tuple[Delimited | str, dict[str, str]]:
    """The table, and for each name in its header how SQL names the column."""
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        source = f"read_parquet({quoted(glob_free(path))})"
        staging.run(f"CREATE TEMP VIEW parquet_source AS SELECT * FROM {source}", name)
        described = staging.rows("SELECT column_name, column_type FROM (DESCRIBE parquet_source)")
        header = {theirs: f'"{theirs.replace(chr(34), chr(34) * 2)}"::VARCHAR' for theirs, kind in described if "[" not in kind and "STRUCT" not in kind}
        return source, header
    file, cells = describe_file(path, name, staging.scratch, encoding="UTF-8", delimiter=None, quote='"', header_lines=1)
    header: dict[str, str] = {}
    for number, theirs in enumerate(cells):
        header.setdefault(theirs, f"c{number}")
    return file, header


def _guess(header: Mapping[str, str], given: Mapping[str, str], name: str) -> dict[str, str]:
    """Our columns and how SQL names theirs: the given ones, then by our own name, then by any other."""
    unknown = sorted(set(given) - set(USAGE_COLUMNS))
    if unknown:
        raise TableError(f"Unknown column {', '.join(unknown)}; choose of {', '.join(USAGE_COLUMNS)}.")
    missing = sorted(theirs for theirs in given.values() if theirs not in header)
    if missing:
        raise TableError(f"{name}: has no column {', '.join(missing)}; it has {', '.join(header)}.")
    plain: dict[str, str] = {}
    for theirs in header:
        plain.setdefault(plain_name(theirs), theirs)
    found = {ours: header[theirs] for ours, theirs in given.items()}
    taken = set(given.values())
    for ours in (*USAGE_COLUMNS, *EXTRA):
        others = OTHER_NAMES.get(ours, EXTRA.get(ours, ""))
        for other in (plain_name(ours), *others.split()):
            theirs = plain.get(other)
            if theirs is not None and theirs not in taken and ours not in found:
                found[ours] = header[theirs]
                taken.add(theirs)
    return found


def _cleaned(ours: str, theirs: str) -> str:
    """A cell without words that mean nothing; of a name, PARUS ATER as Parus ater, and what stands behind as it is."""
    words = cell(theirs)
    is_nothing = f"{words} IN ({', '.join(quoted(word) for word in NULL_WORDS if word)})"
    if ours not in {"scientific_name", "canonical_name", *RANKS}:
        return f"CASE WHEN {is_nothing} THEN NULL ELSE {words} END"
    loud = f"regexp_extract({words}, '{CAPITALS}')"
    quiet = f"left({loud}, 1) || substr(lower({loud}), 2) || substr({words}, length({loud}) + 1)"
    return f"CASE WHEN {is_nothing} THEN NULL WHEN {words} = upper({words}) AND {loud} <> '' THEN {quiet} ELSE {words} END"


def _add_special(expressions: dict[str, str]) -> None:
    """Reads what only some sources have: a path of ancestors, numbers for ranks, a mark of names that are retired."""
    if "ancestry" in expressions and "parent_key" not in expressions:
        expressions["parent_key"] = f"nullif(regexp_extract({expressions['ancestry']}, '([^/]+)$', 1), '')"
    if "rankid" in expressions and "rank" not in expressions:
        cases = " ".join(f"WHEN '{number}' THEN '{rank}'" for number, rank in ITIS_RANK_IDS.items())
        expressions["rank"] = f"CASE {expressions['rankid']} {cases} ELSE 'unranked' END"
    if "active" in expressions and "status" not in expressions:
        expressions["status"] = f"CASE WHEN lower({expressions['active']}) IN ('false', 'f', '0') THEN 'inactive' END"


def _add_names_of_ranks(expressions: dict[str, str]) -> None:
    """Where a row has no name of its own, it is that of its deepest rank; an epithet stands beside its genus."""
    genus = expressions.get("genus", "NULL")
    species = expressions.get("species", "NULL")
    if "species" not in expressions and "specific_epithet" in expressions and "scientific_name" not in expressions:
        species = expressions["specific_epithet"]
    binomial = f"CASE WHEN contains({species}, ' ') OR {genus} IS NULL THEN {species} ELSE {genus} || ' ' || lower({species}) END"
    if species != "NULL":
        expressions["species"] = binomial
    deepest = [rank for rank in reversed(RANKS) if rank in expressions]
    if not deepest:
        return
    own = expressions.get("scientific_name") or expressions.get("canonical_name") or "NULL"
    species = expressions.get("species", "NULL")
    has_three = " OR ".join(f"regexp_matches({species}, {quoted(pattern)})" for pattern in TRINOMIALS)
    trinomial = f"({has_three}) AND NOT regexp_matches({species}, 'virus|viroid|phage')"
    cases = f"WHEN {trinomial} THEN 'subspecies' " + " ".join(f"WHEN {expressions[rank]} IS NOT NULL THEN '{rank}'" for rank in deepest)
    ranked = f"CASE WHEN {own} IS NULL THEN CASE {cases} END ELSE {expressions.get('rank', 'NULL')} END"
    expressions["scientific_name"] = f"coalesce({', '.join([own, *(expressions[rank] for rank in deepest)])})"
    expressions["rank"] = ranked


def plain_name(theirs: str) -> str:
    """A column's name without namespace, case and punctuation: dwc:taxonID, taxon_id and Taxon ID are one."""
    last = re.split(r"[/#:]", theirs.strip())[-1] or theirs
    return re.sub(r"[^a-z0-9]", "", last.lower())


def glob_free(path: Path) -> str:
    """The path with the signs escaped that DuckDB would take for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
