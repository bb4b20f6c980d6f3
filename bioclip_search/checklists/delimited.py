"""Gives a delimited text file to DuckDB exactly as its description says; nothing is guessed that somebody has said.

Checks the encoding first, so that a wrong byte is an error and never a wrong name. What the columns mean is left
to the formats (`darwin_core`, `coldp`, `parents`, `plain`).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from bioclip_search.errors import TableError

BLOCK_BYTES = 1 << 22
MAX_LINE_BYTES = 1 << 24
"""A longer line is no row of a checklist; a quote that is never closed makes such lines."""

MAX_COLUMNS = 2_000

ADVICE = 'Save it as UTF-8 (in a spreadsheet: "CSV UTF-8"); of an archive, name its true encoding in meta.xml (encoding="ISO-8859-1", for example).'

TEXT_CODECS = re.compile(r"(utf-(8|16|32)(-(le|be|sig))?|ascii|iso8859-\d+|cp\d+|mac-\w+|koi8-\w|gb\w+|big5\w*|euc_\w+|shift_\w+)")
"""Python names other things codecs too (zip, rot13, punycode); an archive may name none of those."""


@dataclass(frozen=True)
class Delimited:
    """A text file in UTF-8 with plain line breaks, and how its rows are written."""

    path: Path
    name: str
    """What the user knows the file as."""
    delimiter: str
    quote: str
    header_lines: int
    width: int

    def sql(self) -> str:
        """The rows as a DuckDB table function with the text columns c0, c1, …; rows of another width are rejected."""
        columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(self.width))
        return (
            f"read_csv({quoted(str(self.path))}, auto_detect=false, header=false, columns={{{columns}}}, delim={quoted(self.delimiter)}, "
            f"quote={quoted(self.quote)}, escape={quoted(self.quote)}, comment='', new_line='\\n', skip={self.header_lines}, nullstr='', "
            f"max_line_size={MAX_LINE_BYTES}, buffer_size={2 * MAX_LINE_BYTES}, store_rejects=true, rejects_limit=0)"
        )


def describe_file(
    path: Path, name: str, scratch: Path, *, encoding: str, delimiter: str | None, quote: str, header_lines: int, least_columns: int = 1
) -> tuple[Delimited, list[str]]:
    """The file ready for DuckDB, and the cells of its first line.

    Args:
        delimiter: None to take the one of tab, semicolon, comma and bar that the first line has most of.
        least_columns: How many columns the description speaks of.

    Raises:
        TableError: The file is empty, not in that encoding, or has fewer columns than were described.
    """
    clean = _in_utf8(path, name, scratch, encoding)
    with clean.open(encoding="utf-8", newline="\n") as file:
        line = file.readline(MAX_LINE_BYTES)
    if not line.strip():
        raise TableError(f"{name}: has no rows. Expected a table of taxa; download it again.")
    if delimiter is None:
        delimiter = max("\t,;|", key=line.count)
    with clean.open(encoding="utf-8", newline="\n") as file:
        cells = _first_row(file.read(MAX_LINE_BYTES), delimiter, quote)
    if len(cells) > MAX_COLUMNS:
        raise TableError(f"{name}: its first line has {len(cells):,} columns, more than any checklist ({MAX_COLUMNS:,}). Is it the right file?")
    if len(cells) < least_columns:
        raise TableError(
            f"{name}: its first line has {len(cells)} columns, the description speaks of {least_columns}. "
            f"Expected fields separated by {delimiter!r}; look at meta.xml (fieldsTerminatedBy, index) or download the archive again."
        )
    return Delimited(clean, name, delimiter, quote, header_lines, len(cells)), [cell.strip() for cell in cells]


def quoted(words: str) -> str:
    """A text as an SQL literal."""
    return "'" + words.replace("'", "''") + "'"


def _first_row(start: str, delimiter: str, quote: str) -> list[str]:
    if not quote or len(delimiter) > 1:
        return start.split("\n", 1)[0].split(delimiter)
    try:
        return next(csv.reader(io.StringIO(start), delimiter=delimiter, quotechar=quote), [])
    except csv.Error:
        return start.split("\n", 1)[0].split(delimiter)


def _in_utf8(path: Path, name: str, scratch: Path, encoding: str) -> Path:
    """The file itself if it is clean UTF-8 with plain line breaks, else a copy that is."""
    codec = _codec(encoding, name)
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not codec.startswith("utf-32"):
        codec = "utf-16"
    elif start.startswith(codecs.BOM_UTF8):
        codec = "utf-8-sig"
    if codec in {"utf-8", "ascii"} and _is_clean(path, name, codec) and not re.search(r"[*?\[]", str(path)):
        return path
    copy = scratch / f"text-{len(list(scratch.glob('text-*'))):05d}"
    with copy.open("x", encoding="utf-8", newline="") as target:
        for words in _decoded(path, name, codec):
            target.write(words)
    return copy


def _codec(encoding: str, name: str) -> str:
    try:
        codec = codecs.lookup(encoding).name
    except (LookupError, UnicodeError, ValueError):
        codec = ""
    if not TEXT_CODECS.fullmatch(codec):
        raise TableError(f"{name}: is said to be encoded as {encoding[:40]!r}, which is no text encoding known here. Expected such as UTF-8 or ISO-8859-1.")
    return codec


def _is_clean(path: Path, name: str, codec: str) -> bool:
    """Whether the file needs no rewriting: no carriage returns. Its bytes are checked on the way."""
    decoder = codecs.getincrementaldecoder(codec)()
    done = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            _decode(decoder, block, done, name, codec)
            done += len(block)
            if b"\r" in block:
                return False
        _decode(decoder, b"", done, name, codec, final=True)
    return True


def _decoded(path: Path, name: str, codec: str):
    """The text block by block, every kind of line break as a line feed."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(codec)(), translate=True)
    done = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield _decode(decoder, block, done, name, codec)
            done += len(block)
    yield _decode(decoder, b"", done, name, codec, final=True)


def _decode(decoder, block: bytes, done: int, name: str, codec: str, final: bool = False) -> str:
    try:
        words = decoder.decode(block, final)
    except UnicodeError as error:
        place = done + max(getattr(error, "start", 0), 0)
        raise TableError(
            f"{name}: is not text in {codec.removesuffix('-sig').upper()} as expected: about byte {place:,} stands {_bad_bytes(error)}. {ADVICE}"
        ) from error
    if "\x00" in words:
        raise TableError(f"{name}: holds NUL characters (near byte {done:,}), so it is not text in {codec.upper()}; it may be UTF-16. {ADVICE}")
    return words


def _bad_bytes(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "0x" + bytes(error.object[error.start : error.start + 1]).hex()
    return "something else"
