"""The rows of a table as a stream of dicts: CSV, TSV or Parquet, from a file or out of an archive, with memory flat in their number.

What the columns mean is left to `cells`. (`bioclip_search.tables` reads whole tables of taxa at once, and cleans them.)
"""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bioclip_search.errors import SourceError
from bioclip_search.sources.paths import mended, tellable

PARQUET_START = b"PAR1"
MAX_LINE_CHARS = 1 << 20
"""A header of more characters belongs to no table."""

ROWS_AT_ONCE = 4096
PICTURES_AT_ONCE = 16
"""Rows of a Parquet file that are held at once: without and with the bytes of pictures in them."""


def is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(PARQUET_START)) == PARQUET_START


@contextmanager
def told_as_source_error(name: object) -> Iterator[None]:
    """Turns what reading a table raises into a `SourceError` that names it."""
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, EOFError, csv.Error, zlib.error, zipfile.BadZipFile, pa.ArrowException) as error:
        reason = tellable((str(error).splitlines() or [type(error).__name__])[0])
        raise SourceError(f"{name}: cannot be read as a table ({reason}). Give CSV or TSV in UTF-8, or Parquet.") from error


def delimited_header(file: BinaryIO) -> list[str]:
    """The names of the columns; empty for an empty file."""
    with _delimited(file) as (names, _):
        return names


def delimited_rows(file: BinaryIO) -> Iterator[dict[str, str]]:
    """The rows of a CSV or TSV, all cells as text; what a short row lacks is "", what a long one has too many is dropped."""
    with _delimited(file) as (names, rows):
        for row in rows:
            if any(row):
                yield dict(zip(names, row, strict=False)) | dict.fromkeys(names[len(row) :], "")


@contextmanager
def _delimited(file: BinaryIO) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """Subtle: bytes that are no UTF-8 survive as surrogates, so that names of files that were never Unicode still lead to them."""
    start = file.read(2)
    file.seek(0)
    is_wide = start in (b"\xff\xfe", b"\xfe\xff")
    text = io.TextIOWrapper(file, "utf-16" if is_wide else "utf-8-sig", errors="strict" if is_wide else "surrogateescape", newline="")
    try:
        header = text.readline(MAX_LINE_CHARS)
        delimiter = None
        if header.lower().startswith("sep=") and len(header.strip()) == len("sep=") + 1:  # Excel's own hint
            delimiter, header = header[4], text.readline(MAX_LINE_CHARS)
        delimiter = delimiter or max(",\t;", key=header.count)
        yield [mended(name).strip() for name in next(csv.reader([header], delimiter=delimiter), [])], csv.reader(text, delimiter=delimiter)
    finally:
        text.detach()  # the file is closed by whoever opened it


def parquet_header(path: Path) -> list[str]:
    from pyarrow import parquet

    return list(parquet.read_schema(path).names)


def parquet_count(path: Path) -> int:
    from pyarrow import parquet

    return parquet.read_metadata(path).num_rows


def parquet_rows(path: Path, columns: Sequence[str], *, with_pictures: bool = False) -> Iterator[dict[str, Any]]:
    """The rows with only these columns."""
    from pyarrow import parquet

    with parquet.ParquetFile(path, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(PICTURES_AT_ONCE if with_pictures else ROWS_AT_ONCE, columns=list(columns), use_threads=False):
            yield from batch.to_pylist()
