"""Writes a run as one CSV file with all columns of `rows`, safe to open in a spreadsheet; and cells for other CSV formats.

A file name or note that begins like a formula would be run by a spreadsheet program, so an apostrophe is set before it,
which `reading` takes away again (OWASP, "CSV Injection"). Numbers stay numbers: only texts are changed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from bioclip_search.errors import ExportError
from bioclip_search.standards import collection as view
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_file
from bioclip_search.standards.report import ExportReport, Tally
from bioclip_search.standards.rows import COLUMNS, rows_of

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet program would take for a formula, or that was kept from it."""

ENCODING, ON_ODD_BYTES = "utf-8", "surrogateescape"
"""Names of files that are no text are written byte by byte as they are."""


def write(collection: view.Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the file; see `ExportOptions`."""
    tally = Tally()
    with fresh_file(out, options) as part:
        with open_to_write(part) as file:
            writer = table_writer(file, COLUMNS)
            for seen in collection.pictures(options, tally):
                rows = list(rows_of(seen))
                writer.writerows(safe(row) for row in rows)
                tally.pictures += 1
                tally.observations += len(seen.crops)
        check_table(part, COLUMNS, required=("media_id", "image", "status"))
    return tally.report("csv", out)


def open_to_write(path: Path) -> TextIO:
    return path.open("w", encoding=ENCODING, errors=ON_ODD_BYTES, newline="")


def open_to_read(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors=ON_ODD_BYTES, newline="")


def table_writer(file: TextIO, columns: Sequence[str]) -> csv.DictWriter:
    """A writer whose header stands already."""
    writer = csv.DictWriter(file, columns, lineterminator="\r\n", extrasaction="ignore")
    writer.writeheader()
    return writer


def safe(row: Mapping[str, Any], exact: Collection[str] = ()) -> dict[str, Any]:
    """The row with its texts kept from being taken for formulas, all but those of the columns that must stay exact.

    >>> safe({"image": "=2+5.jpg", "crop": -1, "note": "plain"})
    {'image': "'=2+5.jpg", 'crop': -1, 'note': 'plain'}
    """
    return {name: f"'{value}" if isinstance(value, str) and name not in exact and FORMULA.match(value) else value for name, value in row.items()}


def unsafe(text: str) -> str:
    """The text as it was before `safe`.

    >>> unsafe("'=2+5.jpg"), unsafe("plain")
    ('=2+5.jpg', 'plain')
    """
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file by its header, one at a time.

    Raises:
        ExportError: A row has more or fewer cells than the header.
    """
    with open_to_read(path) as file:
        for number, row in enumerate(csv.DictReader(file, strict=True), 2):
            if None in row or None in row.values():
                raise ExportError(f"{path.name}, row {number}: has another number of cells than the header.")
            yield row


def check_table(path: Path, columns: Sequence[str], required: Iterable[str] = ()) -> int:
    """Reads back what was written; the number of rows.

    Raises:
        ExportError: The header is another, a row has too few or too many cells, or a cell that is required is empty.
    """
    with open_to_read(path) as file:
        header = next(csv.reader(file), [])
    if header != list(columns):
        raise ExportError(f"The columns {', '.join(columns)} were expected, and {', '.join(header) or 'none'} written.")
    count, required = 0, tuple(required)
    try:
        with closing(read_rows(path)) as rows:
            for count, row in enumerate(rows, 1):
                lost = [name for name in required if not row[name]]
                if lost:
                    raise ExportError(f"Row {count} lacks {', '.join(lost)}: {' '.join(filter(None, row.values()))[:200]}")
    except csv.Error as error:
        raise ExportError(f"Row {count + 1} cannot be read back ({error}).") from error
    return count
