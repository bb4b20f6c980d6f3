"""Writes the tables of a checklist from decided rows: taxa.parquet, one row for each leaf, and names.parquet.

Deciding is left to `fates`, counting to `account`.

Rules for a leaf's vernacular name, first match wins:
1. The one that stands in its own row of the source, if its language is not said.
2. The first English one that the source prefers.
3. The first English one.
4. The first one whose language is not said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from bioclip_search.checklists.canonical import DOUBTFUL
from bioclip_search.checklists.fates import BELOW_SPECIES, INTERIOR, LEAF, OTHER_NAME, SHARED_NAME, Decision
from bioclip_search.checklists.ranks import SPECIES
from bioclip_search.checklists.staging import Staging
from bioclip_search.countries import ALPHA3_OF_ALPHA2
from bioclip_search.prompts import RANKS

TAXA_FILE, NAMES_FILE = "taxa.parquet", "names.parquet"
SEATS_IN_PART = 250_000
"""How many leaves are written at a time; a part of them takes some hundred megabytes."""

ENGLISH = "^(en|eng|english)([-_].*)?$"
NOT_PRESENT = ("absent", "excluded", "extinct", "doubtful", "uncertain", "not present")
"""Words of occurrenceStatus that mean the taxon does not live there, or not surely."""

BEFORE_ALL = 1 << 40
"""More than any source has rows: puts the vernacular names of the taxa's own rows before those of other tables."""

COUNTRY_PREFIX = r"^(iso(_?3166)?(-?1)?|iso_3166-1_alpha-[23])\s*:\s*"


def place(staging: Staging, decision: Decision) -> None:
    """Makes the tables `placed` (row, fate, taxon, leaf), `leaves` with lineages, and `seats` (leaf, its row in taxa)."""
    staging.connection.register(
        "decided", pa.table({"row": np.arange(len(decision.fate)), "fate": decision.fate, "taxon": decision.taxon, "leaf": decision.leaf})
    )
    staging.run("CREATE TABLE placed AS SELECT * FROM decided")
    staging.connection.unregister("decided")
    rows = (decision.fate == LEAF).nonzero()[0]
    above = pa.table({"row": rows} | {f"a{number}": decision.above[number, rows] for number in range(SPECIES)})
    staging.connection.register("climbed", above)
    columns = ", ".join(f'{_lineage(number)} AS "{rank}"' for number, rank in enumerate(RANKS))
    joins = " ".join(f"LEFT JOIN clean AS n{number} ON n{number}.row = climbed.a{number} AND n{number}.rank = {number}" for number in range(SPECIES))
    staging.run(f"CREATE TABLE leaves AS SELECT c.row, c.standing, {columns} FROM climbed JOIN clean AS c ON c.row = climbed.row {joins}")
    staging.connection.unregister("climbed")
    _seat(staging)


def _lineage(number: int) -> str:
    """The name at a rank: of the taxon above, else as the row's own classification has it, the genus also as the species does."""
    if number == SPECIES:
        return f"CASE WHEN c.rank = {number} THEN c.name END"
    words = f'n{number}.name, c."{RANKS[number]}"'
    if number == SPECIES - 1:
        words += f", CASE WHEN c.rank = {SPECIES} AND regexp_matches(c.name, '^[^× ]+ ') THEN split_part(c.name, ' ', 1) END"
    return f"CASE WHEN c.rank = {number} THEN c.name WHEN c.rank > {number} THEN coalesce({words}) END"


def _seat(staging: Staging) -> None:
    """Numbers the leaves in the source's order; of leaves with one and the same lineage the first accepted one is kept."""
    ranks = ", ".join(f'"{rank}"' for rank in RANKS)
    staging.run(f"CREATE TABLE lineages AS SELECT hash({ranks}) AS lineage, row, standing FROM leaves")
    staging.run(f"""
        CREATE TABLE twins AS SELECT lineage, arg_min(row, (standing, row)) AS kept FROM lineages WHERE standing <= {DOUBTFUL}
        GROUP BY lineage HAVING count(*) > 1""")
    staging.run("""
        CREATE TABLE seats AS
        WITH chosen AS (SELECT row, coalesce(kept, row) AS kept FROM lineages LEFT JOIN twins USING (lineage)),
        numbered AS (SELECT row AS kept, row_number() OVER (ORDER BY row) - 1 AS seat FROM chosen WHERE row = kept)
        SELECT row AS leaf, seat, kept FROM chosen JOIN numbered USING (kept)""")


def write_taxa(staging: Staging, path: Path) -> None:
    """Writes one row for each leaf, with those of taxon_key, authorship and countries of which anything is known."""
    _gather_vernaculars(staging)
    _gather_countries(staging)
    known = {
        "taxon_key": "SELECT 1 FROM clean WHERE key IS NOT NULL LIMIT 1",
        "authorship": "SELECT 1 FROM clean WHERE authorship IS NOT NULL LIMIT 1",
        "countries": "SELECT 1 FROM lived LIMIT 1",
    }
    expressions = {"taxon_key": "c.key AS taxon_key", "authorship": "c.authorship", "countries": "lived.countries"}
    further = "".join(f", {expressions[column]}" for column, query in known.items() if staging.rows(query))
    ranks = ", ".join(f'leaves."{rank}"' for rank in RANKS)
    preference = f"CASE WHEN regexp_matches(language, '{ENGLISH}') THEN CASE WHEN preferred THEN 2 ELSE 3 END ELSE 4 END"
    query = f"""
        WITH chosen AS (
            SELECT here.seat, arg_min(name, ({preference}, place, name)) AS name FROM spoken JOIN here ON here.leaf = spoken.row
            WHERE language IS NULL OR regexp_matches(language, '{ENGLISH}') GROUP BY here.seat)
        SELECT {ranks}, coalesce(CASE WHEN c.language IS NULL THEN nullif(trim(split_part(c.common_name, '|', 1)), '') END, chosen.name) AS common_name{further}
        FROM here JOIN leaves ON leaves.row = here.leaf JOIN clean AS c ON c.row = here.leaf
        LEFT JOIN chosen ON chosen.seat = here.seat LEFT JOIN lived ON lived.seat = here.seat
        WHERE here.leaf = here.kept ORDER BY here.seat"""
    for _ in _write_in_parts(staging, query, path):
        pass


def _write_in_parts(staging: Staging, query: str, path: Path) -> Iterator[pa.Table]:
    """Writes what a query about the table `here`, a part of `seats`, gives for part after part: a sort of all would not fit."""
    (seats,) = staging.rows("SELECT 1 + max(seat) FROM seats")[0]
    writer = None
    try:
        for start in range(0, seats, SEATS_IN_PART):
            staging.run(f"CREATE OR REPLACE TEMP TABLE here AS SELECT * FROM seats WHERE seat >= {start} AND seat < {start + SEATS_IN_PART}")
            part = staging.table(query)
            writer = writer or parquet.ParquetWriter(path, part.schema, compression="zstd")
            writer.write_table(part)
            yield part
    finally:
        if writer:
            writer.close()


def _gather_vernaculars(staging: Staging) -> None:
    """The table `spoken`: vernacular names by the row of the usage they stand at, in the source's order.

    Several in one cell, parted by bars, are each a name; the first of a leaf's own row, if its language is not said, is in
    `taxa` and not repeated.
    """
    staging.run(f"""
        CREATE TABLE spoken AS
        SELECT handles.row, regexp_replace(name, '\\s+', ' ', 'g') AS name, lower(language) AS language,
            coalesce(lower(preferred) IN ('true', 't', '1', 'yes'), false) AS preferred, v.rowid AS place
        FROM vernaculars AS v JOIN handles ON handles.handle = v.key WHERE name IS NOT NULL
        UNION ALL
        SELECT row, trim(name), language, false, row - {BEFORE_ALL} FROM (
            SELECT row, language, unnest(string_split(common_name, '|')[CASE WHEN row = kept AND language IS NULL THEN 2 ELSE 1 END:]) AS name
            FROM clean LEFT JOIN seats ON leaf = row WHERE common_name IS NOT NULL
        ) WHERE trim(name) <> ''""")


def _gather_countries(staging: Staging) -> None:
    """The table `lived`: the countries of each leaf, its other names and subspecies included."""
    staging.connection.register("iso", pa.table({"code": [*ALPHA3_OF_ALPHA2, *ALPHA3_OF_ALPHA2.values()], "alpha3": [*ALPHA3_OF_ALPHA2.values()] * 2}))
    staging.run(f"""
        CREATE TABLE places AS SELECT key, row,
            regexp_replace(trim(upper(regexp_replace(place, '{COUNTRY_PREFIX}', '', 'i'))), '^([A-Z]{{2,3}})-.*$', '\\1') AS code,
            lower(coalesce(status, '')) IN {NOT_PRESENT} AS is_absent
        FROM (
            SELECT key, row, trim(unnest(regexp_split_to_array(country, '\\s*[|;,]\\s*'))) AS place, status FROM (
                SELECT key, NULL::BIGINT AS row, country, status FROM distributions UNION ALL SELECT NULL, rowid, country, NULL FROM usages
            ) WHERE country IS NOT NULL)""")
    staging.run(f"""
        CREATE TABLE lived AS SELECT seat, list_sort(list(DISTINCT alpha3)) AS countries
        FROM places JOIN iso ON iso.code = places.code LEFT JOIN handles ON handles.handle = places.key
            JOIN placed ON placed.row = coalesce(places.row, handles.row)
            JOIN clean ON clean.row = placed.taxon JOIN seats ON seats.leaf = placed.leaf
        WHERE NOT is_absent AND fate IN ({LEAF}, {OTHER_NAME}, {SHARED_NAME}, {BELOW_SPECIES}) AND placed.taxon = placed.leaf GROUP BY seat""")
    staging.run("CREATE TABLE iso_codes AS SELECT * FROM iso")
    staging.connection.unregister("iso")


def write_names(staging: Staging, path: Path) -> dict[str, int]:
    """Writes one row for each further name, sorted by leaf, and gives how many there are of each kind."""
    words = " ".join(f"WHEN {number} THEN '{rank}'" for number, rank in enumerate(RANKS))
    kinds = f"CASE WHEN fate = {INTERIOR} THEN 'accepted' WHEN fate = {BELOW_SPECIES} THEN 'infraspecific' ELSE 'synonym' END"
    is_twin = f"(fate = {LEAF} AND held.leaf <> held.kept AND coalesce(c.key, c.authorship) IS NOT NULL)"
    query = f"""
        WITH held AS (
            SELECT placed.row, placed.fate, here.seat, here.leaf, here.kept, t.rank
            FROM here JOIN placed ON placed.leaf = here.leaf JOIN clean AS t ON t.row = placed.taxon
        ), named AS (
            SELECT seat, held.rank, c.name, {kinds} AS kind, NULL::VARCHAR AS language, c.authorship, c.key AS taxon_key, c.row AS place
            FROM held JOIN clean AS c ON c.row = held.row
            WHERE held.fate IN ({INTERIOR}, {OTHER_NAME}, {SHARED_NAME}, {BELOW_SPECIES}) OR {is_twin}
            UNION ALL
            SELECT seat, held.rank, spoken.name, 'vernacular', language, NULL, NULL, min(spoken.place)
            FROM spoken JOIN held ON held.row = spoken.row GROUP BY seat, held.rank, spoken.name, language)
        SELECT seat AS row, CASE rank {words} END AS rank, name, kind, language, authorship, taxon_key
        FROM named ORDER BY seat, named.rank, kind, place, name, language"""
    counts: Counter[str] = Counter()
    for part in _write_in_parts(staging, query, path):
        counts.update({pair["values"]: pair["counts"] for pair in pc.value_counts(part["kind"]).to_pylist()})
    return dict(sorted(counts.items()))
