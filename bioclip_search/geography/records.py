"""Reads a table of occurrence records, counted by name, country, cell and month; memory stays flat in the number of rows.

Takes GBIF's downloads (simple and Darwin Core, packed or not), Camtrap DP packages and tables of one's own. Which taxa the
names mean is left to `resolving`, what the counts say to `occurrences`.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from bioclip_search.checklists.archive import open_archive
from bioclip_search.checklists.delimited import MAX_LINE_BYTES, describe_file, quoted
from bioclip_search.checklists.plain import glob_free, plain_name
from bioclip_search.checklists.staging import Staging, cell, open_staging
from bioclip_search.errors import TableError
from bioclip_search.tables import NULL_WORDS

CELL_DEG = 0.25
"""Width of the cells that records are counted in, in degrees: 28 km from south to north."""

COLUMNS = {
    "species": "species",
    "epithet": "specificepithet speciesepithet epithet",
    "scientific": "scientificname acceptedscientificname taxonname taxon name canonicalname verbatimscientificname latinname binomial",
    "genus": "genus genericname",
    **{rank: rank for rank in ("family", "order", "class", "phylum", "kingdom")},
    "country": "countrycode country iso3 alpha3 iso2",
    "latitude": "decimallatitude latitude lat",
    "longitude": "decimallongitude longitude lon lng long",
    "month": "month",
    "date": "eventdate date observedon eventstart timestamp datetime observationdate",
    "times": "count records nrecords occurrences",
    "status": "occurrencestatus",
    "deployment": "deploymentid",
}
"""Names of columns in small letters without punctuation, most trusted first."""

NAME_COLUMNS = ("species", "epithet", "scientific", "genus", "family", "order", "class", "phylum")
CONTEXT = ("genus", "family", "order", "class", "phylum", "kingdom")
"""Ranks that tell homonyms apart and say where an unknown name belongs, lowest first."""

OF_OCCURRENCES = {"latitude", "date", "status", "deployment"}
"""Columns that tables of occurrences have and lists of species have not."""

BINOMIAL = r"^\S+ ([x×] ?)?\p{Ll}"
"""A genus with an epithet; what stands behind the name of a genus are authors, in capitals."""

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

TABLE_NAMES = ("observations.csv", "occurrence.txt", "occurrence.csv", "occurrences.csv", "taxon.txt", "taxa.txt")
"""Tables that are meant where an archive has several."""

MOST_RECORDS = 1e12
"""No row counts more records than this; GBIF holds some billions in all."""

EXPECTED = "a column species or scientificName, and countryCode or decimalLatitude and decimalLongitude"


@dataclass(frozen=True, eq=False)
class Records:
    """How often each name was recorded in each country, cell and month, and how many rows tell of what."""

    names: pa.Table  # name, the ranks of CONTEXT, records
    number: np.ndarray  # (m,) int64 row of `names`
    country: np.ndarray  # (m,) object, the word in capitals, None where there is none
    cell: np.ndarray  # (m, 2) float64, the middle of the cell in degrees, NaN where there is none
    month: np.ndarray  # (m,) int64, 0 where there is none
    count: np.ndarray  # (m,) float64
    rows: int
    unnamed: int
    absent: int
    misshapen: int
    bad_points: int
    bad_dates: int


def read_records(path: Path) -> Records:
    """The counted records of a file, folder or archive.

    Raises:
        TableError: It cannot be read, holds no record, or has no column with names or none with places.
    """
    if not path.exists():
        raise TableError(f"{path}: no such file. Give a table of occurrences: CSV, TSV, Parquet, a GBIF download or a Camtrap DP package.")
    with ExitStack() as stack:
        staging, relation, columns, name, deployments = _staged(path, stack)
        if "deployment" in columns:
            columns.pop("times", None)  # in a Camtrap DP package: individuals, not records
            if deployments is not None and "latitude" not in columns:
                relation, columns = _with_deployments(relation, columns, deployments, staging)
        _stop_if_useless(columns, name)
        return _counted(staging, relation, columns, name)


def read_recorded_names(path: Path) -> tuple[list[str], int]:
    """The names of a table of species or of occurrences, each once, in alphabetical order; what was found absent is left out.

    Of occurrences only species count, for a bird that nobody could name is no word for all birds; the second number is
    how many names above species were left out for that.

    Raises:
        TableError: It cannot be read, or has no name.
    """
    with ExitStack() as stack:
        staging, relation, columns, name, _ = _staged(path, stack)
        typed = f"SELECT {NAME} AS name FROM {_cleaned(relation, columns)} WHERE NOT {IS_ABSENT}"
        staging.run(f"CREATE TEMP TABLE listed AS SELECT DISTINCT name FROM ({typed}) WHERE name IS NOT NULL", name)
        rows = staging.rows(f"SELECT name, regexp_matches(name, '{BINOMIAL}') FROM listed ORDER BY name")
    if not rows:
        raise TableError(f"{path}: holds no name. Expected a column species or scientificName; rename its columns.")
    are_occurrences = bool(columns.keys() & OF_OCCURRENCES) and any(is_species for _, is_species in rows)
    names = [word for word, is_species in rows if is_species or not are_occurrences]
    return names, len(rows) - len(names)


def knows_columns(header: list[str]) -> bool:
    """Whether a header has a column that names taxa."""
    return bool(_found([(column.strip('"'), column) for column in header]).keys() & set(NAME_COLUMNS))


def _staged(path: Path, stack: ExitStack) -> tuple[Staging, str, dict[str, str], str, Path | None]:
    """The table of a file, folder or archive as SQL, our columns of it, what the user knows it as, and the deployments of a Camtrap DP."""
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bioclip-occurrences-", ignore_cleanup_errors=True)))
    table, deployments, name = _tables(path, scratch, stack)
    staging = stack.enter_context(open_staging(scratch, name, "occurrences"))
    return staging, *_relation(table, name, staging), name, deployments


def _tables(path: Path, scratch: Path, stack: ExitStack) -> tuple[Path, Path | None, str]:
    """The table of records, that of a Camtrap DP's deployments if there is one, and what the user knows the first as."""
    if path.is_file() and not _is_packed(path):
        beside = path.with_name("deployments.csv")
        return path, beside if beside.is_file() and beside != path else None, path.name
    archive = stack.enter_context(open_archive(path, scratch))
    by_name = {PurePosixPath(member).name.lower(): member for member in sorted(archive.members, key=lambda member: -member.count("/"))}
    tables = [member for member in archive.members if member.lower().endswith((".csv", ".tsv", ".parquet"))]
    member = next((by_name[name] for name in TABLE_NAMES if name in by_name), tables[0] if len(tables) == 1 else None)
    if member is None:
        there = ", ".join(archive.members[:10]) or "nothing"
        raise TableError(f"{path}: has no table of occurrences by itself (there are {there}). Give the file that holds them.")
    deployments = by_name.get("deployments.csv") if member == by_name.get("observations.csv") else None
    return archive.file(member), archive.file(deployments) if deployments else None, f"{archive.name}: {member}"


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04" or path.name.lower().endswith((".tar", ".tar.gz", ".tgz"))


def _relation(path: Path, name: str, staging: Staging) -> tuple[str, dict[str, str]]:
    """A table as SQL, and for each of our columns how SQL names it."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        relation = f"read_parquet({quoted(glob_free(path))})"
        staging.run(f"CREATE OR REPLACE TEMP VIEW described AS SELECT * FROM {relation}", name)
        theirs = [
            (column, f'"{column.replace(chr(34), chr(34) * 2)}"::VARCHAR')
            for column, _ in staging.rows("SELECT column_name, column_type FROM (DESCRIBE described)")
        ]
        return relation, _found(theirs)
    with path.open("rb") as file:
        is_tabbed = b"\t" in file.readline(MAX_LINE_BYTES)
    # Subtle: GBIF writes tabs between cells and never quotes them, so a quotation mark there is a letter like others.
    file, cells = describe_file(path, name, staging.scratch, encoding="UTF-8", delimiter=None, quote="" if is_tabbed else '"', header_lines=1)
    return file.sql(), _found([(column.strip('"'), f"c{number}") for number, column in enumerate(cells)])


def _found(theirs: list[tuple[str, str]]) -> dict[str, str]:
    plain: dict[str, str] = {}
    for column, sql in theirs:
        plain.setdefault(plain_name(column), sql)
    named = {ours: next((plain[other] for other in others.split() if other in plain), None) for ours, others in COLUMNS.items()}
    return {ours: sql for ours, sql in named.items() if sql}


def _with_deployments(relation: str, columns: dict[str, str], deployments: Path, staging: Staging) -> tuple[str, dict[str, str]]:
    """A Camtrap DP's observations with the points of their deployments."""
    places, there = _relation(deployments, deployments.name, staging)
    if not {"deployment", "latitude", "longitude"} <= there.keys():
        return relation, columns
    points = f"SELECT {cell(there['deployment'])} AS deployment, any_value({there['latitude']}) AS latitude, any_value({there['longitude']}) AS longitude"
    joined = f"(SELECT seen.*, places.latitude, places.longitude FROM {relation} AS seen LEFT JOIN ({points} FROM {places} GROUP BY 1) AS places"
    return f"{joined} ON {cell('seen.' + columns['deployment'])} = places.deployment)", columns | {"latitude": "latitude", "longitude": "longitude"}


def _stop_if_useless(columns: dict[str, str], name: str) -> None:
    has_name, has_place = columns.keys() & set(NAME_COLUMNS), "country" in columns or {"latitude", "longitude"} <= columns.keys()
    if not has_name or not (has_place or {"month", "date"} & columns.keys()):
        raise TableError(
            f"{name}: does not say which taxon was recorded where. Expected {EXPECTED}; month or eventDate if the season counts. Rename its columns."
        )


def _counted(staging: Staging, relation: str, columns: dict[str, str], name: str) -> Records:
    """Counts in DuckDB, which writes to the disk what memory does not hold."""
    names = ", ".join(f'"{rank}"' for rank in CONTEXT)
    typed = (
        f"SELECT {NAME} AS name, {names}, upper(country) AS country, {_number('latitude')} AS latitude, {_number('longitude')} AS longitude, "
        f"latitude IS NOT NULL AS has_point, {MONTH} AS month, date IS NOT NULL AS has_date, "
        f"coalesce({_number('times')}, CASE WHEN times IS NULL THEN 1 ELSE -1 END) AS told, CASE WHEN told <= {MOST_RECORDS:.0f} THEN told ELSE -1 END AS count, {IS_ABSENT} AS absent FROM {_cleaned(relation, columns)}"
    )
    point = "coalesce(abs(latitude) <= 90 AND abs(longitude) <= 180 AND NOT (latitude = 0 AND longitude = 0), false)"
    cells = ", ".join(f"CASE WHEN {point} THEN floor({axis} / {CELL_DEG}) * {CELL_DEG} + {CELL_DEG / 2} END AS {axis}" for axis in ("latitude", "longitude"))
    staging.run(
        f"CREATE TEMP TABLE counted AS SELECT name, {names}, country, {cells}, month, absent OR count <= 0 AS absent, count(*) AS n_rows, "
        f"sum(greatest(count, 0))::DOUBLE AS records, sum((has_point AND NOT {point})::INT) AS bad_points, sum((has_date AND month IS NULL)::INT) AS bad_dates "
        f"FROM ({typed}) GROUP BY ALL",
        name,
    )
    return _fetched(staging, name, names)


def _fetched(staging: Staging, name: str, names: str) -> Records:
    (rejected,) = staging.rows("SELECT count(DISTINCT line) FROM reject_errors")[0] if _has_rejects(staging) else (0,)
    totals = (
        "SELECT sum(n_rows), sum(n_rows) FILTER (name IS NULL), sum(n_rows) FILTER (absent AND name IS NOT NULL), sum(bad_points), sum(bad_dates) FROM counted"
    )
    rows, unnamed, absent, bad_points, bad_dates = (int(value or 0) for value in staging.rows(totals)[0])
    kept = "FROM counted WHERE name IS NOT NULL AND NOT absent AND records > 0"
    staging.run(
        f"CREATE TEMP TABLE named AS SELECT row_number() OVER (ORDER BY name, {names}) - 1 AS number, * FROM (SELECT name, {names}, sum(records)::DOUBLE AS records {kept} GROUP BY ALL)"
    )
    same = " AND ".join(f'named."{rank}" IS NOT DISTINCT FROM counted."{rank}"' for rank in CONTEXT)
    table = staging.table(
        f"SELECT number, country, latitude, longitude, coalesce(month, 0) AS month, counted.records AS records FROM counted JOIN named ON named.name = counted.name AND {same} "
        f"WHERE NOT absent AND counted.records > 0 ORDER BY ALL"
    )
    if not len(table):
        odd = (
            f"{rows + rejected:,} rows, {unnamed:,} without a name, {absent:,} of absence or a count that is none, {rejected:,} with too few or too many cells"
        )
        raise TableError(f"{name}: holds no record of a taxon ({odd}). Expected {EXPECTED}.")
    columns = {field: table[field].to_numpy() for field in ("number", "latitude", "longitude", "month", "records")}
    words = table["country"].combine_chunks().dictionary_encode()
    country = np.array([*words.dictionary.to_pylist(), None], object)[np.asarray(words.indices.fill_null(len(words.dictionary)))]  # (m,) few texts, shared
    cells = np.stack([columns["latitude"], columns["longitude"]], axis=1).astype(np.float64)  # (m, 2)
    listed = staging.table(f"SELECT name, {names}, records FROM named ORDER BY number")
    numbers = columns["number"].astype(np.int64), country, cells, columns["month"].astype(np.int64), columns["records"].astype(np.float64)
    return Records(listed, *numbers, rows=rows + rejected, unnamed=unnamed, absent=absent, misshapen=rejected, bad_points=bad_points, bad_dates=bad_dates)


def _has_rejects(staging: Staging) -> bool:
    return bool(staging.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'"))


# Cells as SQL


def _cleaned(relation: str, columns: dict[str, str]) -> str:
    """The table with our columns alone, all of them: cells without spaces around, null where they hold nothing or a word for it."""
    nothing = ", ".join(quoted(word) for word in NULL_WORDS if word)
    trimmed = ", ".join(f'{cell(columns[ours])} AS "{ours}"' if ours in columns else f'NULL::VARCHAR AS "{ours}"' for ours in COLUMNS)
    cleaned = ", ".join(f'CASE WHEN "{ours}" NOT IN ({nothing}) THEN "{ours}" END AS "{ours}"' if ours in columns else f'"{ours}"' for ours in COLUMNS)
    return f"(SELECT {cleaned} FROM (SELECT {trimmed} FROM {relation}))"


def _number(column: str) -> str:
    """A finite number, with a point or a comma; null for anything else."""
    cast = f"try_cast(replace({column}, ',', '.') AS DOUBLE)"
    return f"CASE WHEN isfinite({cast}) THEN {cast} END"


def _of_genus(column: str) -> str:
    """A binomial: an epithet stands beside its genus."""
    return f"CASE WHEN contains({column}, ' ') OR genus IS NULL THEN {column} ELSE genus || ' ' || lower({column}) END"


def _month(number: str) -> str:
    return f"CASE WHEN {number} BETWEEN 1 AND 12 THEN {number} END"


NAME = f'coalesce({_of_genus("species")}, CASE WHEN genus IS NOT NULL THEN {_of_genus("epithet")} END, scientific, genus, family, "order", class, phylum)'
"""The lowest name that a row tells."""

MONTH = (
    f"coalesce({_month('try_cast(' + _number('month') + ' AS INTEGER)')}, {_month(f'list_position({MONTHS!r}, lower(left(month, 3)))')}, "
    + _month(r"try_cast(regexp_extract(date, '^\d{4}-(\d{1,2})(\D|$)', 1) AS INTEGER)")
    + ")"
)
"""A month from 1 to 12: its own column, a number or a word, else that of a date such as 2020-05-30."""

IS_ABSENT = "coalesce(upper(status) = 'ABSENT', false)"
