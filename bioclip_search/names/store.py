"""Gives the list of all names of a taxonomy, and writes it as `names.sqlite`, the same bytes for the same names.

Asking it is left to `reading`. A name points to its taxon by rank and by the row of one leaf below it, for rows never
move when an index grows; which leaves the taxon holds is left to `taxonomy`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.names.fold import fold, fold_scientific, key, sound, word_endings
from bioclip_search.names.parse import parse
from bioclip_search.tables import text_column
from bioclip_search.taxonomy import Taxonomy

FORMAT = 2
"""`PRAGMA user_version` of the file."""

ACCEPTED, SYNONYM, INFRASPECIFIC, VERNACULAR = KINDS = ("accepted", "synonym", "infraspecific", "vernacular")

SCHEMA = {
    "name": "CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, rank TEXT NOT NULL,"
    " row INTEGER NOT NULL, language TEXT, authorship TEXT, taxon_key TEXT)",
    "name_row": "CREATE INDEX name_row ON name (row, kind, language)",
    "forwards": "CREATE TABLE forwards (folded TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (folded, id)) WITHOUT ROWID",
    "backwards": "CREATE TABLE backwards (folded TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (folded, id)) WITHOUT ROWID",
    "sound": "CREATE TABLE sound (heard TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (heard, id)) WITHOUT ROWID",
    "section": "CREATE TABLE section (first INTEGER PRIMARY KEY, stop INTEGER NOT NULL, kind TEXT NOT NULL, language TEXT)",
    "words": "CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, prefix='1 2 3',"
    " tokenize=\"unicode61 remove_diacritics 2 categories 'L* M* N* Co'\")",
}
"""The ids of names run in order of importance, so that the first found are the ones to show; `section` holds the ids of
each kind and language. `forwards` and `backwards` are the folded names and the same read from their end, for a name with
one slip of the pen keeps its first or its last half; `sound` is for scientific names."""

BLOCK_NAMES = 100_000
"""Names that are turned into Python's own strings at a time."""

_BARE = re.compile(r"^[A-Z][a-z-]+(?: [a-z-]+){0,2}$")

ENTRY_SCHEMA = pa.schema(
    [
        *((column, pa.string()) for column in ("name", "kind", "rank")),
        *((column, pa.int64()) for column in ("row", "leaves")),
        *((column, pa.string()) for column in ("language", "authorship", "taxon_key")),
    ]
)


def write_names(path: Path, taxonomy: Taxonomy, further: pa.Table | None = None) -> None:
    """Writes every name of the taxonomy, whose leaves are the rows of the index, into a new file.

    Args:
        further: Other names of its taxa, as `Checklist.names` holds them.
    """
    write_store(path, entries(taxonomy, further))


def entries(taxonomy: Taxonomy, further: pa.Table | None = None, rows: np.ndarray | None = None) -> pa.Table:
    """One row per name, taxon, kind and language, by `ENTRY_SCHEMA`; no order.

    Args:
        further: Other names: row (of the table that the taxonomy was read from), rank, name, kind, language,
            authorship, taxon_key. Names of rows that became no leaf are left out.
        rows: (n,) the row of the index under which each leaf is kept; without it leaf i is row i.
    """
    parts = [_accepted(taxonomy, depth) for depth in range(len(taxonomy.ranks))] + [_vernacular(taxonomy)]
    if further is not None and further.num_rows:
        parts.append(_further(taxonomy, further))
    found = pa.concat_tables(parts)
    found = _told_once(_with_details(found))
    starts = np.asarray(found["start"].combine_chunks())
    rows = starts if rows is None else rows[starts]
    return found.drop_columns("start").append_column("row", pa.array(rows, pa.int64())).select(ENTRY_SCHEMA.names).cast(ENTRY_SCHEMA)


def write_store(path: Path, entries: pa.Table) -> None:
    """Writes the names into a new SQLite file in one transaction."""
    ordered, sections = _in_order(entries)
    path.unlink(missing_ok=True)
    store = sqlite3.connect(path, isolation_level=None)
    try:
        for setting in ("page_size = 8192", "journal_mode = OFF", "synchronous = OFF", f"user_version = {FORMAT}"):
            store.execute(f"PRAGMA {setting}")
        store.execute("BEGIN")
        for statement in (SCHEMA[table] for table in SCHEMA if table != "name_row"):
            store.execute(statement)
        store.executemany("INSERT INTO section VALUES (?, ?, ?, ?)", sections)
        store.executemany("INSERT INTO name VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _rows(ordered))
        _write_spellings(store, ordered)
        store.execute(SCHEMA["name_row"])
        store.execute("INSERT INTO words (words) VALUES ('optimize')")
        store.execute("COMMIT")
        store.execute("VACUUM")
    finally:
        store.close()


def _write_spellings(store: sqlite3.Connection, ordered: pa.Table) -> None:
    """Folds each name once, block by block, and lets SQLite sort what is looked up by its spelling: it has room on disk."""
    trees = {"forwards": "folded", "backwards": "folded", "sound": "heard"}
    for tree, column in trees.items():
        store.execute(f"CREATE TEMP TABLE unsorted_{tree} ({column} TEXT, id INTEGER)")
    first = 1
    for block in ordered.select(["name", "kind"]).to_batches(max_chunksize=BLOCK_NAMES):
        rows = _spelt(block, first)
        store.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", rows["words"])
        for tree in trees:
            store.executemany(f"INSERT INTO unsorted_{tree} VALUES (?, ?)", rows[tree])
        first += block.num_rows
    for tree, column in trees.items():
        store.execute(f"INSERT INTO {tree} SELECT {column}, id FROM unsorted_{tree} ORDER BY {column}, id")
        store.execute(f"DROP TABLE unsorted_{tree}")


def _spelt(block: pa.RecordBatch, first: int) -> dict[str, list[tuple]]:
    """The rows of each tree for the names of a block, whose ids begin with `first`."""
    rows: dict[str, list[tuple]] = {tree: [] for tree in ("words", "forwards", "backwards", "sound")}
    for number, (name, kind) in enumerate(zip(block["name"].to_pylist(), block["kind"].to_pylist(), strict=True), start=first):
        is_scientific = kind != VERNACULAR
        folded = fold_scientific(name) if is_scientific else fold(name)
        if not folded:
            continue
        rows["words"].append((number, f"{folded} {word_endings(folded)}".rstrip()))
        for spelling in _keys(name, folded, is_scientific):
            rows["forwards"].append((spelling, number))
            rows["backwards"].append((spelling[::-1], number))
        if is_scientific:
            rows["sound"].append((sound(folded), number))
    return rows


def _keys(name: str, folded: str, is_scientific: bool) -> set[str]:
    """The name's key, and that of its bare words where it holds rank marks, a subgenus or authors."""
    keys = {key(folded)}
    if is_scientific and not _BARE.match(name):
        parsed = parse(name)
        if parsed.epithet and not parsed.qualifier:
            keys.add(key(fold_scientific(parsed.canonical)))
    return keys


def _rows(ordered: pa.Table) -> Iterator[tuple]:
    columns = ("name", "kind", "rank", "row", "language", "authorship", "taxon_key")
    number = count(1)
    for block in ordered.select(columns).to_batches(max_chunksize=BLOCK_NAMES):
        yield from zip(islice(number, block.num_rows), *(block[column].to_pylist() for column in columns), strict=True)


def _in_order(entries: pa.Table) -> tuple[pa.Table, list[tuple[int, int, str, str | None]]]:
    """The names in order of importance, and the ids (from 1) of each kind and language.

    Accepted names come first, then synonyms, infraspecific and vernacular names, those of no told language before the
    languages with many names; within a kind the taxa with many leaves come first, and equals in their order.
    """
    kinds, languages = _codes_of(entries["kind"], KINDS), entries["language"]
    counted = languages.drop_null().value_counts().to_pylist()
    spoken = [None, *(count["values"] for count in sorted(counted, key=lambda count: (-count["counts"], count["values"])))]
    tongues = _codes_of(languages, spoken)
    section = kinds * len(spoken) + tongues
    order = np.lexsort((-np.asarray(entries["leaves"].combine_chunks()), section))
    numbers, firsts = np.unique(section[order], return_index=True)
    stops = [*firsts[1:], len(order)]
    sections = [
        (int(first) + 1, int(stop) + 1, KINDS[number // len(spoken)], spoken[number % len(spoken)])
        for number, first, stop in zip(numbers.tolist(), firsts, stops, strict=True)
    ]
    return entries.take(pa.array(order)), sections


def _codes_of(column: pa.ChunkedArray, values: tuple | list) -> np.ndarray:
    """The place of each element among the values, (n,) int64."""
    return np.asarray(pc.index_in(column, value_set=pa.array(values, pa.string()))).astype(np.int64)


def _accepted(taxonomy: Taxonomy, depth: int) -> pa.Table:
    """The names of the taxa of one rank; key and authorship where the taxon is a leaf itself."""
    level = taxonomy.levels[depth]
    is_leaf = taxonomy.deepest_ranks()[level.start] == depth
    at = pa.array(level.start)
    own = {column: pc.if_else(pa.array(is_leaf), text_column(taxonomy.leaves, column).take(at), None) for column in ("authorship", "taxon_key")}
    return _table(taxonomy.leaves[level.rank].take(at), ACCEPTED, level.rank, level.start, level.stop, **own)


def _vernacular(taxonomy: Taxonomy) -> pa.Table:
    """A leaf's vernacular name stands for the taxon that the leaf names."""
    named = np.flatnonzero(np.asarray(pc.is_valid(text_column(taxonomy.leaves, "common_name").combine_chunks())))
    depths = taxonomy.deepest_ranks()[named]
    parts = []
    for depth, level in enumerate(taxonomy.levels):
        leaves = named[depths == depth]
        number = level.numbers(leaves)
        names = taxonomy.leaves["common_name"].take(pa.array(leaves))
        parts.append(_table(names, VERNACULAR, level.rank, level.start[number], level.stop[number]))
    return pa.concat_tables(parts)


def _further(taxonomy: Taxonomy, further: pa.Table) -> pa.Table:
    """The names of a checklist on the taxa they name; a rank that the taxonomy lacks means the taxon of the row itself."""
    leaves = taxonomy.leaf_of_row[np.asarray(further["row"].combine_chunks())]
    ranks = text_column(further, "rank")
    asked = np.asarray(pc.fill_null(pc.index_in(ranks, value_set=pa.array(taxonomy.ranks)), -1)).astype(np.int64)
    depths = np.where(asked < 0, taxonomy.deepest_ranks()[leaves], asked)
    usable = (leaves >= 0) & np.asarray(pc.is_valid(text_column(further, "name").combine_chunks()))
    parts = []
    for depth, level in enumerate(taxonomy.levels):
        chosen = np.flatnonzero(usable & (depths == depth))
        number = level.numbers(leaves[chosen])
        chosen, number = chosen[number >= 0], number[number >= 0]  # a lineage may lack the rank
        rows = further.take(pa.array(chosen))
        told = {column: text_column(rows, column) for column in ("authorship", "taxon_key")}
        language = pc.utf8_lower(text_column(rows, "language"))
        parts.append(_table(text_column(rows, "name"), text_column(rows, "kind"), level.rank, level.start[number], level.stop[number], language, **told))
    return pa.concat_tables(parts)


def _table(names: pa.ChunkedArray, kind: str | pa.ChunkedArray, rank: str, start: np.ndarray, stop: np.ndarray, language=None, **told) -> pa.Table:
    count = len(names)
    columns = {
        "name": names.cast(pa.string()),
        "kind": pa.array([kind] * count, pa.string()) if isinstance(kind, str) else kind,
        "rank": pa.array([rank] * count, pa.string()),
        "start": pa.array(start, pa.int64()),
        "leaves": pa.array(stop - start, pa.int64()),
        "language": pa.nulls(count, pa.string()) if language is None else language,
    }
    return pa.table(columns | {column: told.get(column, pa.nulls(count, pa.string())) for column in ("authorship", "taxon_key")})


def _with_details(found: pa.Table) -> pa.Table:
    """A checklist's word on an accepted name gives the name at hand its key and authorship, wherever they were missing."""
    order, is_same = _groups(found, ("rank", "start", "kind", "name"))
    is_same &= np.asarray(pc.equal(found["kind"], ACCEPTED))[order]
    group = np.cumsum(~is_same) - 1
    for column in ("authorship", "taxon_key"):
        values = found[column].take(pa.array(order)).combine_chunks()
        valid = np.flatnonzero(np.asarray(pc.is_valid(values)))
        first = np.full(group[-1] + 1, -1) if len(group) else np.empty(0, np.int64)
        first[group[valid][::-1]] = valid[::-1]
        source = np.empty(len(order), np.int64)
        source[order] = first[group]
        filled = values.take(pa.array(source, mask=source < 0))
        found = found.set_column(found.column_names.index(column), column, filled)
    return found


def _told_once(found: pa.Table) -> pa.Table:
    """Without repeats, and without a vernacular name of no told language where the same is told with its language."""
    order, is_same = _groups(found, ("rank", "start", "kind", "name", "language"))
    _, is_same_name = _groups(found, ("rank", "start", "kind", "name"), order)
    group = np.cumsum(~is_same_name) - 1
    told = np.asarray(pc.is_valid(found["language"]))[order]
    is_told_elsewhere = np.bincount(group, weights=told, minlength=1)[group] > 0
    return found.take(pa.array(np.sort(order[~is_same & (told | ~is_told_elsewhere)])))


def _groups(table: pa.Table, columns: tuple[str, ...], order: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """An order in which equal rows stand together, first come first, null first, and whether each equals the one before."""
    codes = [_equal_codes(table[column]) for column in columns]
    if order is None:
        order = np.lexsort(codes[::-1])
    is_same = np.ones(len(order), bool)
    is_same[:1] = False
    for code in codes:
        is_same[1:] &= code[order][1:] == code[order][:-1]
    return order, is_same


def _equal_codes(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_integer(column.type):
        return np.asarray(column.combine_chunks())
    return np.asarray(pc.fill_null(column.combine_chunks().dictionary_encode().indices, -1))
