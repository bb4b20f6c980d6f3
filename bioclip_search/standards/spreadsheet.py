"""Writes a run as a workbook with the columns of `rows`, a sheet for each million of rows; needs the extra `xlsx`.

Texts are stored as texts, never as formulas. What the columns mean is left to `rows`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search.errors import ExportError, MissingExtraError
from bioclip_search.standards.collection import Collection
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_file
from bioclip_search.standards.report import ExportReport, Tally
from bioclip_search.standards.rows import COLUMNS, rows_of

if TYPE_CHECKING:
    from openpyxl import Workbook

SHEET_ROWS = 1_048_576
"""Rows of a sheet, the header among them (Excel specifications and limits)."""

CELL_CHARACTERS = 32_767
"""Characters of a cell (Excel specifications and limits)."""

FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML, of which a workbook is made, cannot hold."""


def write(collection: Collection, out: Path, options: ExportOptions, sheet_rows: int = SHEET_ROWS) -> ExportReport:
    """Writes the file; see `ExportOptions`.

    Raises:
        MissingExtraError: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
    except ImportError as error:
        raise MissingExtraError("Writing a workbook", "xlsx") from error
    tally = Tally()
    with fresh_file(out, options) as part:
        book = Workbook(write_only=True)
        sheet, filled = _new_sheet(book), 1
        for seen in collection.pictures(options, tally):
            for row in rows_of(seen):
                if filled == sheet_rows:
                    sheet, filled = _new_sheet(book), 1
                sheet.append(list(_cells(sheet, row, tally)))
                filled += 1
            tally.pictures += 1
            tally.observations += len(seen.crops)
        sheets = len(book.worksheets)
        book.save(part)
        book.close()
        _check(part, sheets)
    if sheets > 1:
        tally.note(f"The rows stand on {sheets} sheets, for one holds no more than {sheet_rows}.")
    return tally.report("xlsx", out)


def _new_sheet(book: Workbook) -> Any:
    sheet = book.create_sheet(f"rows {len(book.worksheets) + 1}")
    sheet.append(list(COLUMNS))
    return sheet


def _cells(sheet: Any, row: dict[str, Any], tally: Tally) -> Iterator[Any]:
    from openpyxl.cell import WriteOnlyCell

    for name in COLUMNS:
        value = row.get(name)
        if not isinstance(value, str):
            yield value
            continue
        text = FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)
        if text != value:
            tally.note("Characters that a workbook cannot hold stand as \N{REPLACEMENT CHARACTER} in it; csv holds them.")
        if len(text) > CELL_CHARACTERS:
            tally.note(f"Texts longer than {CELL_CHARACTERS} characters are cut in it; csv holds them.")
        cell = WriteOnlyCell(sheet, text[:CELL_CHARACTERS])
        cell.data_type = "s"
        yield cell


def _check(path: Path, sheets: int) -> None:
    from openpyxl import load_workbook

    with path.open("rb") as file:
        book = load_workbook(file, read_only=True)
        try:
            headers = [[cell.value for cell in next(sheet.iter_rows(max_row=1))] for sheet in book.worksheets]
        finally:
            book.close()
    if headers != [list(COLUMNS)] * sheets:
        raise ExportError("The workbook could not be read back as it was written. Use --to csv, and say so to the makers of this program.")
