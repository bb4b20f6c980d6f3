"""Reads a list of names that is to be matched, row by row, with what its columns say besides the name.

Knows files and columns; what the names mean is left to `match`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.errors import TableError
from bioclip_search.names.match import Query
from bioclip_search.prompts import RANKS
from bioclip_search.tables import COLUMN_ALIASES, lines_of, read_lines, read_table, text_column
from bioclip_search.taxonomy import lineage_columns

NAME_COLUMNS = ("scientific_name", "name", "taxon", "taxon_name", "verbatim_name", "verbatimscientificname", "canonicalname", "species_name", "label")
"""Columns that hold the name of a row, likeliest first; then come the ranks, lowest first, and the vernacular name."""

AUTHORSHIP_COLUMNS = ("authorship", "scientificnameauthorship", "scientific_name_authorship", "author", "authors", "authority")

CONTEXT_RANKS = tuple(rank for rank in RANKS if rank not in ("genus", "species"))
"""Columns that tell homonyms apart. Not the genus: that of a synonym is another one."""

STANDARD_INPUT = "-"

TABLE_SUFFIXES = {".csv", ".tsv", ".parquet", ".pq"}


def read_list(source: Path, column: str | None = None) -> list[Query]:
    """The rows of a list in their order: a text with one name per line, or a table; `-` is standard input, a name per line.

    Of a text, empty lines and lines that start with # are left out; of a table every row is kept, named or not. A text
    whose first line holds a tab is a table, too: so spreadsheets save one.

    Args:
        column: The column that holds the names; guessed without.

    Raises:
        TableError: It cannot be read, or has no such column.
    """
    if str(source) == STANDARD_INPUT:
        return [Query(line) for line in _lines_of_standard_input()]
    if source.suffix.lower() not in TABLE_SUFFIXES and column is None:
        lines = read_lines(source)
        if not lines or "\t" not in lines[0]:
            return [Query(line) for line in lines]
    table = read_table(source)
    names = _name_column(table, column).to_pylist()
    authors = pc.coalesce(*(text_column(table, one) for one in AUTHORSHIP_COLUMNS)).to_pylist()
    ranks = [rank for rank in CONTEXT_RANKS if rank in table.column_names and rank != column]
    context = zip(*(text_column(table, rank).to_pylist() for rank in ranks), strict=True) if ranks else [()] * len(names)
    return [
        Query(name, author, {rank: value for rank, value in zip(ranks, values, strict=True) if value and value != name})
        for name, author, values in zip(names, authors, context, strict=True)
    ]


def _lines_of_standard_input() -> list[str]:
    """Subtle: read as bytes, for Windows would take what comes through a pipe for its old code page."""
    try:
        return lines_of(sys.stdin.buffer.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise TableError("Standard input is not text in UTF-8. Save the list as UTF-8 and give the file.") from error


def _name_column(table: pa.Table, column: str | None) -> pa.ChunkedArray:
    """The given column, else of each row its first name among the columns that usually hold one."""
    if column is not None:
        wanted = column.strip().lower()
        wanted = COLUMN_ALIASES.get(wanted, wanted)
        if wanted not in table.column_names:
            raise TableError(f"The list has no column {column!r}; it has {', '.join(table.column_names)}.")
        return text_column(table, wanted)
    columns = [text_column(table, name) for name in NAME_COLUMNS if name in table.column_names]
    if {*RANKS, "species_epithet"} & set(table.column_names):
        lineage = lineage_columns(table, RANKS)
        columns += [lineage[rank] for rank in reversed(RANKS)]
    if "common_name" in table.column_names:
        columns.append(text_column(table, "common_name"))
    if not columns:
        raise TableError(f"No column of the list looks like names; it has {', '.join(table.column_names)}. Say which with --column.")
    return pc.coalesce(*columns)
