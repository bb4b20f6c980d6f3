"""Turns staged rows into the tables of a checklist: one row for each leaf, and one for each further name.

Finds what every key points at; cleaning names is left to `canonical`, deciding to `fates`, writing to `output`,
telling to `account`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bioclip_search.checklists import account, output
from bioclip_search.checklists.canonical import BINOMIAL, CAPITAL, DOUBTFUL, NAMELESS, PRO_PARTE, REPEATED, SYNONYM, clean, clean_added
from bioclip_search.checklists.fates import Decision, Links, decide
from bioclip_search.checklists.ranks import INFRASPECIFIC, SPECIES
from bioclip_search.checklists.report import ImportReport, Note
from bioclip_search.checklists.staging import Staging
from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS

Progress = Callable[[int, int], None]
STEPS = 7


def resolve(staging: Staging, folder: Path, progress: Progress | None = None) -> ImportReport:
    """Writes taxa.parquet and names.parquet into the folder and gives the account of it.

    Raises:
        TableError: No row names a taxon that can be placed.
    """
    steps = iter(range(1, STEPS + 1))

    def step() -> None:
        if progress:
            progress(next(steps), STEPS)

    step()
    clean(staging)
    _add_accepted_names(staging)
    _add_species_of_subspecies(staging)
    staging.run("SET preserve_insertion_order = false")  # from here on rows carry their number
    step()
    _index_keys(staging)
    links = _links(staging)
    step()
    decision = decide(links)
    if not (decision.fate == 0).any():
        raise TableError(_nothing_left(staging, decision))
    step()
    output.place(staging, decision)
    step()
    output.write_taxa(staging, folder / output.TAXA_FILE)
    step()
    names = output.write_names(staging, folder / output.NAMES_FILE)
    report = account.tell(staging, links, decision, names)
    step()
    return report


def _add_accepted_names(staging: Staging) -> None:
    """Adds the accepted taxa that are only named beside their synonyms, as in GBIF's species lists."""
    known = "SELECT {0} FROM usages WHERE {0} IS NOT NULL"
    ranks = ", ".join(f'arg_min("{rank}", rowid)' for rank in (*RANKS, "rank"))
    names = ", ".join(f'"{rank}"' for rank in (*RANKS, "rank"))
    before = _count(staging, "usages")
    staging.run(f"""
        INSERT INTO usages (key, scientific_name, {names})
        SELECT accepted_key, arg_min(accepted_name, rowid), {ranks} FROM usages
        WHERE accepted_name IS NOT NULL AND CASE WHEN accepted_key IS NULL
            THEN accepted_name NOT IN ({known.format("scientific_name")}) AND accepted_name NOT IN (SELECT name FROM clean WHERE name IS NOT NULL)
            ELSE accepted_key NOT IN ({known.format("key")}) AND accepted_key NOT IN ({known.format("id")}) END
        GROUP BY accepted_key, CASE WHEN accepted_key IS NULL THEN accepted_name END ORDER BY min(rowid)""")
    clean_added(staging, before)
    _note_added(staging, before, "accepted_added", "taxa are named only as the accepted name of others and were added")


def _add_species_of_subspecies(staging: Staging) -> None:
    """Adds the species of which only taxa below it are listed, without a parent."""
    ranks, columns = RANKS[:SPECIES], ", ".join(f'"{rank}"' for rank in RANKS[:SPECIES])
    first = ", ".join(f'arg_min(c."{rank}", c.row)' for rank in ranks)
    binomial = f"regexp_extract(c.name, '{_quotable(BINOMIAL)}')"
    before = _count(staging, "usages")
    staging.run(f"""
        INSERT INTO usages (canonical_name, rank, {columns})
        SELECT {binomial} AS binomial, 'species', {first} FROM clean AS c JOIN usages AS u ON u.rowid = c.row
        WHERE c.rank = {INFRASPECIFIC} AND c.standing <= {DOUBTFUL} AND u.parent_key IS NULL AND u.parent_name IS NULL AND {binomial} <> ''
            AND {binomial} NOT IN (SELECT name FROM clean WHERE rank = {SPECIES} AND standing <= {DOUBTFUL})
        GROUP BY binomial ORDER BY min(c.row)""")
    clean_added(staging, before)
    _note_added(staging, before, "species_added", "species are listed only by what is below them and were added")


def _note_added(staging: Staging, before: int, what: str, words: str) -> None:
    added = _count(staging, "usages") - before
    if added:
        found = staging.rows(f"SELECT coalesce(scientific_name, canonical_name) FROM usages WHERE rowid >= {before} ORDER BY rowid LIMIT 3")
        staging.notes.append(Note("kept", what, words, added, tuple(name for (name,) in found)))


def _index_keys(staging: Staging) -> None:
    """One row for each key; of a key that stands twice, the first taxon has it, and other taxa of it are left out."""
    staging.run(f"""
        CREATE TABLE handles AS SELECT key AS handle, coalesce(min(row) FILTER (standing <= {DOUBTFUL}), min(row)) AS row, count(*) AS uses
        FROM clean WHERE key IS NOT NULL AND standing <> {NAMELESS} GROUP BY key""")
    staging.run("INSERT INTO handles SELECT id, min(row), 1 FROM clean WHERE id IS NOT NULL AND id NOT IN (SELECT handle FROM handles) GROUP BY id")
    staging.run(f"""
        UPDATE clean SET standing = {REPEATED} FROM handles
        WHERE uses > 1 AND clean.key = handle AND clean.row <> handles.row AND standing NOT IN ({SYNONYM}, {PRO_PARTE}, {NAMELESS})""")


def _links(staging: Staging) -> Links:
    """What each row points at, by key, else by name, else by the words of its classification."""
    staging.run("""
        CREATE TABLE links AS SELECT c.row, c.rank, c.standing, p.row AS parent, a.row AS accepted,
            p.row IS NULL AND u.parent_key IS NOT NULL AND u.parent_key <> '0' AS is_orphan
        FROM clean AS c JOIN usages AS u ON u.rowid = c.row
        LEFT JOIN handles AS p ON p.handle = u.parent_key LEFT JOIN handles AS a ON a.handle = u.accepted_key""")
    if staging.rows(
        "SELECT 1 FROM usages WHERE (accepted_key IS NULL AND accepted_name IS NOT NULL) OR (parent_key IS NULL AND parent_name IS NOT NULL) LIMIT 1"
    ):
        _link_by_name(staging)
    _link_by_classification(staging)
    found = staging.connection.execute("""
        SELECT rank, standing, coalesce(parent, -1) AS parent, coalesce(accepted, -1) AS accepted FROM links ORDER BY row""").fetchnumpy()
    return Links(*(np.asarray(found[name]) for name in ("rank", "standing", "parent", "accepted")))


def _link_by_name(staging: Staging) -> None:
    staging.run(f"""
        CREATE TEMP TABLE by_name AS SELECT name, min(row) AS row FROM (
            SELECT name, row FROM clean WHERE standing <= {DOUBTFUL}
            UNION SELECT scientific_name, row FROM clean JOIN usages AS u ON u.rowid = row WHERE standing <= {DOUBTFUL} AND scientific_name IS NOT NULL
        ) GROUP BY name HAVING count(DISTINCT row) = 1""")
    for link in ("parent", "accepted"):
        staging.run(f"""
            UPDATE links SET {link} = b.row FROM usages AS u, by_name AS b
            WHERE u.rowid = links.row AND links.{link} IS NULL AND u.{link}_key IS NULL AND b.name = u.{link}_name AND b.row <> links.row""")


def _link_by_classification(staging: Staging) -> None:
    """Gives taxa without a parent the deepest listed taxon that their own row names above them."""
    staging.run(f"""
        CREATE TEMP TABLE by_rank AS SELECT rank, name, CASE WHEN rank = 0 THEN name ELSE coalesce(kingdom, '') END AS kingdom, min(row) AS row
        FROM clean WHERE standing <= {DOUBTFUL} AND rank <= {SPECIES} GROUP BY ALL HAVING count(*) = 1""")
    binomial = f"nullif(regexp_extract(c.name, '{_quotable(BINOMIAL)}'), '')"
    genus = f"coalesce(c.genus, CASE WHEN contains(c.name, ' ') THEN nullif(regexp_extract(c.name, '^{CAPITAL}'), '') END)"
    higher = ", ".join(f'CASE WHEN c.rank > {number} THEN c."{rank}" END AS w{number}' for number, rank in enumerate(RANKS[: SPECIES - 1]))
    staging.run(f"""
        CREATE TEMP TABLE lost AS SELECT c.row, coalesce(c.kingdom, '') AS kingdom, {higher},
            CASE WHEN c.rank > {SPECIES - 1} THEN {genus} END AS w{SPECIES - 1},
            CASE WHEN c.rank = {INFRASPECIFIC} THEN coalesce({binomial}, c.species) END AS w{SPECIES}
        FROM links JOIN clean AS c ON c.row = links.row WHERE links.parent IS NULL AND c.standing <= {DOUBTFUL} AND c.rank > 0""")
    joins = " ".join(
        f"LEFT JOIN by_rank AS b{number} ON b{number}.rank = {number} AND b{number}.name = w{number} AND b{number}.row <> lost.row"
        f" AND b{number}.kingdom = {f'b{number}.name' if number == 0 else 'lost.kingdom'}"
        for number in range(SPECIES + 1)
    )
    deepest = ", ".join(f"b{number}.row" for number in range(SPECIES, -1, -1))
    staging.run(f"CREATE TEMP TABLE found AS SELECT lost.row, coalesce({deepest}) AS parent FROM lost {joins}")
    staging.run("UPDATE links SET parent = found.parent FROM found WHERE links.row = found.row AND found.parent IS NOT NULL")


def _quotable(pattern: str) -> str:
    return pattern.replace("'", "''")


def _count(staging: Staging, table: str) -> int:
    return int(staging.rows(f"SELECT count(*) FROM {table}")[0][0])


def _nothing_left(staging: Staging, decision: Decision) -> str:
    rows = len(decision.fate)
    if not rows:
        rejected = "".join(f" ({note})" for note in staging.notes if note.what == "misshapen")
        return f"{staging.archive}: has no rows that can be read{rejected}. Expected a list of taxa."
    reasons = "; ".join(f"{account.words_of(int(fate))}: {int(count):,}" for fate, count in zip(*np.unique(decision.fate, return_counts=True), strict=True))
    return f"{staging.archive}: none of its {rows:,} rows is a taxon that can be placed ({reasons}). Expected names with ranks such as species, genus, family."
