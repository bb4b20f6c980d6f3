"""Reads taxa from tables and says which other taxa they lie in.

Their wording is left to `texts`.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS

Taxon = dict[str, str | None]
Node = tuple[str, str]


def lineage_nodes(taxon: Taxon) -> list[Node]:
    """The taxa that a label lies in, highest first, itself last; a missing rank is passed over.

    >>> lineage_nodes({"kingdom": "Animalia", "class": "Aves"})
    [('kingdom', 'Animalia'), ('class', 'Aves')]
    """
    return [(rank, name) for rank in RANKS if (name := taxon.get(rank))]


def taxon_above(taxon: Taxon, rank: str) -> Taxon:
    """The taxon of that rank which contains the given one, without a vernacular name."""
    kept = RANKS[: RANKS.index(rank) + 1]
    return {key: taxon.get(key) if key in kept else None for key in (*RANKS, "common_name")}


def read_taxa(path: Path) -> list[Taxon]:
    """The taxa of a table with one column per rank and `common_name`.

    Raises:
        TableError: The table is missing or lacks a column.
    """
    try:
        return pq.read_table(path, columns=[*RANKS, "common_name"]).to_pylist()
    except (OSError, ValueError) as error:
        raise TableError(f"Cannot read the checklist {path}: {error}") from error


def read_named_taxa(data_root: Path, tables: str) -> dict[str, Taxon]:
    """Every scientific name of the tables with its lineage, that of the first row that has it; species before higher taxa.

    Raises:
        TableError: Nothing matches, or a table cannot be read.
    """
    files = sorted(data_root.glob(tables))
    if not files:
        raise TableError(f"No table of taxa matches {tables!r} under {data_root}; check `taxa` and data_root.")
    rows = [row for file in files for row in read_taxa(file)]
    named = {row["species"]: row for row in reversed(rows) if row["species"]}
    for row in rows:
        for rank, name in lineage_nodes(row)[:-1]:
            if name not in named:
                named[name] = taxon_above(row, rank)
    return named
