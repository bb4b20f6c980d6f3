"""What is wrong with the list of names of an index: names of no taxon, and taxa without a name.

Compares it with the taxonomy; how it is searched is left to `names`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from pyarrow import parquet

from bioclip_search.check.finding import FAULT, NOTE, Finding, found_one, found_rows
from bioclip_search.errors import IndexDamagedError
from bioclip_search.index import Index
from bioclip_search.intervals import Level
from bioclip_search.names.reading import Store, format_of
from bioclip_search.names.store import ACCEPTED, FORMAT
from bioclip_search.taxonomy import Taxonomy

REPAIR = "`bioclip-search index check --repair` writes the list again."


def check_names(index: Index, base: Taxonomy) -> Iterator[Finding]:
    """Compares each name's rank and row with the tree, and the tree's taxa with the names that are accepted.

    Args:
        base: The taxa that the index was built with, in the order of their rows.
    """
    taxonomy, paths = base, [index.names_path]
    if index.added:
        taxonomy, paths = base.grown(parquet.read_table(index.added.taxa_path)), [*paths, index.added.names_path]
    entries: list[tuple[str, str, str, int]] = []
    for path in paths:
        try:
            if format_of(path) < FORMAT:
                yield Finding("names", NOTE, 1, f"{path.name} is of an earlier version, and is made anew in the cache", (), REPAIR)
                return
            entries += _read(path)
        except (sqlite3.DatabaseError, IndexDamagedError) as error:
            yield found_one("names", f"{path.relative_to(index.folder).as_posix()} is not a list of names ({str(error).split('. ')[0]})", REPAIR)
            return
    names, kinds, ranks, rows = zip(*entries, strict=True) if entries else ((), (), (), ())
    is_accepted, ranks, rows = np.array(kinds, str) == ACCEPTED, np.array(ranks, str), np.array(rows, np.int64)
    has_taxon = np.zeros(len(rows), bool)
    for level in taxonomy.levels:
        of_rank = np.flatnonzero((ranks == level.rank) & (rows >= 0) & (rows < len(taxonomy.leaf_of_row)))
        number = level.numbers(taxonomy.leaf_of_row[rows[of_rank]])
        has_taxon[of_rank] = number >= 0
        yield from _nameless(level, number[is_accepted[of_rank]], taxonomy)
    yield from found_rows(
        "orphan name", FAULT, ~has_taxon, "{} names are of no taxon of this index", lambda entry: f"{names[entry]}, row {rows[entry] + 1}", REPAIR
    )


def _read(path: Path) -> list[tuple[str, str, str, int]]:
    """The name, kind, rank and row of every name, as they stand in a file that is built as it should be."""
    Store(path).close()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as store:
        entries = store.execute("SELECT name, kind, rank, row FROM name").fetchall()
    if any(not isinstance(row, int) for *_, row in entries):
        raise sqlite3.DatabaseError("a row is no number")
    return entries


def _nameless(level: Level, named: np.ndarray, taxonomy: Taxonomy) -> list[Finding]:
    missing = np.bincount(named[named >= 0], minlength=len(level)) == 0
    what = f"{{}} taxa of the rank {level.rank} do not stand in the list of names"
    return found_rows("taxon without a name", FAULT, missing, what, lambda number: taxonomy.taxon(level.rank, number).name, REPAIR)
