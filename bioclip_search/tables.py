"""Reads a table of taxa, names or labels, whatever it is kept in, as clean columns of text.

Knows files and columns only; what the names mean is left to `taxonomy`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS

COLUMN_ALIASES = {
    "vernacularname": "common_name",
    "vernacular_name": "common_name",
    "commonname": "common_name",
    "common name": "common_name",
    "specificepithet": "species_epithet",
    "specific_epithet": "species_epithet",
    "epithet": "species_epithet",
    "scientificname": "scientific_name",
    "scientific name": "scientific_name",
    "taxonid": "taxon_key",
    "taxonkey": "taxon_key",
}
"""Other spellings of our columns, in lower case: Darwin Core's terms and those of BioCLIP's own tables."""

NULL_WORDS = ["", "NA", "N/A", "NULL", "null", "None", "nan", "NaN"]

FOLDERS_TABLE = "taxa.parquet"
"""The table of taxa in a folder that `names import` made."""

MAX_LINE_BYTES = 1 << 24
"""A delimited file is read in blocks of this size; a longer single line is no table."""


def read_table(source: Any) -> pa.Table:
    """The table with lower-case column names, texts trimmed, empty cells null; rows in their order.

    Args:
        source: A path to CSV, TSV (also `.txt`) or Parquet, a pandas or polars DataFrame, or a pyarrow Table.

    Raises:
        TableError: The file is missing, empty, of no known kind, not text in UTF-8, or names a column twice.
    """
    if isinstance(source, str | Path):
        table = _read_file(Path(source))
    elif isinstance(source, pa.Table):
        table = source
    elif hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__"):
        table = pa.table(source)
    else:
        raise TableError(f"A table is a path, a DataFrame or a pyarrow Table; got {type(source).__name__}.")
    names = [_column_name(name) for name in table.column_names]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise TableError(f"The table has the column {', '.join(doubled)} more than once (after aliases); keep one.")
    return pa.table([_clean(column) for column in table.columns], names=names)


def read_header(path: Path) -> list[str]:
    """The names of the columns as `read_table` gives them, without reading the rows; empty where there is no header.

    Raises:
        TableError: The file cannot be read.
    """
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            from pyarrow import parquet

            return [_column_name(name) for name in parquet.read_schema(path).names]
        return [_column_name(name) for name in _header_of(path)[0]]
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read as a table ({str(error).splitlines()[0]}). Give CSV or TSV in UTF-8, or Parquet.") from error


def text_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """The column as strings, all null where the table lacks it.

    Raises:
        TableError: The column holds lists, pictures or the like.
    """
    if name in table.column_names:
        try:
            return table[name].cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise TableError(f"The column {name} holds {table[name].type}, where text in UTF-8 was expected. Save it as text.") from error
    return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])


def read_names(source: str | Path | Sequence[str]) -> list[str]:
    """The names of a checklist: a list, a text file with one name per line, a table, or a folder that `names import` made.

    Of a table each row gives its deepest name: species, else genus and so on up, else the vernacular name.

    Raises:
        TableError: The file cannot be read, or there is no name in it.
    """
    if isinstance(source, str | Path) and Path(source, FOLDERS_TABLE).is_file():
        source = Path(source, FOLDERS_TABLE)
    if not isinstance(source, str | Path):
        names = [name.strip() for name in source if name.strip()]
    elif Path(source).suffix.lower() in {".csv", ".tsv", ".parquet", ".pq"}:
        table = read_table(source)
        columns = [text_column(table, name) for name in ("scientific_name", *reversed(RANKS), "common_name")]
        species = text_column(table, "species")  # a binomial is better than a scientific name with authors and subspecies
        binomials = pc.if_else(pc.fill_null(pc.match_substring(species, " "), False), species, pa.scalar(None, pa.string()))
        names = [name for name in pc.coalesce(binomials, *columns).to_pylist() if name]
    else:
        names = read_lines(source)
    if not names:
        raise TableError(
            f"{source if isinstance(source, str | Path) else 'The list'}: holds no name. Give one name per line, or a table with a column species."
        )
    return list(dict.fromkeys(names))


def read_lines(path: Path | str) -> list[str]:
    """The lines of a text file, as `lines_of` gives them."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}). Give a text file with one name per line.") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: is not text in UTF-8. Save it as UTF-8 with one name per line.") from error
    return lines_of(text)


def lines_of(text: str) -> list[str]:
    """The non-empty lines of a text, trimmed; lines that start with # are left out."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _read_file(path: Path) -> pa.Table:
    if not path.is_file():
        raise TableError(f"{path}: no such file. Give a CSV, TSV or Parquet table.")
    if path.stat().st_size == 0:
        raise TableError(f"{path}: the file is empty. A table needs a header line and at least one row.")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            from pyarrow import parquet

            return parquet.read_table(path)
        return _read_delimited(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise TableError(f"{path}: cannot be read as a table ({reason}). Give CSV or TSV in UTF-8, or Parquet.") from error


def _read_delimited(path: Path) -> pa.Table:
    """Subtle: every column is read as text, or the taxon key 007 would become 7 and an epithet `nan` a number."""
    from pyarrow import csv

    columns, delimiter = _header_of(path)
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=columns, skip_rows=1, block_size=MAX_LINE_BYTES),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True, null_values=NULL_WORDS),
    )


def _header_of(path: Path) -> tuple[list[str], str]:
    """The names of the columns, and what parts them."""
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline(MAX_LINE_BYTES)
    delimiter = max("\t,;", key=header.count)
    return [name.strip().strip('"') for name in header.rstrip("\r\n").split(delimiter)], delimiter


def _column_name(name: str) -> str:
    lowered = re.sub(r"\s+", " ", str(name).strip().lower())
    return COLUMN_ALIASES.get(lowered, lowered)


def _clean(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts trimmed, inner white space folded, words that mean "nothing" null; other types as they are."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    odd = pc.match_substring_regex(trimmed, r"\s\s|[\t\r\n]")
    if pc.any(odd).as_py():
        trimmed = pc.replace_substring_regex(trimmed, r"\s+", " ")
    is_nothing = pc.is_in(trimmed, value_set=pa.array(NULL_WORDS))
    return pc.if_else(is_nothing, pa.scalar(None, pa.string()), trimmed)
