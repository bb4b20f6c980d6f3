"""Reads the meta.xml of a Darwin Core Archive: which files there are, how they are written, and what each column means.

Follows the Darwin Core text guide (https://dwc.tdwg.org/text/). Refuses DOCTYPE and entities; opening the files
themselves is left to `delimited`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from bioclip_search.errors import TableError

MAX_META_BYTES = 4 << 20
"""The largest we know, iNaturalist's with a file for each language, has a hundred times less."""

MAX_COLUMN = 2_000


@dataclass
class DataFile:
    """One table of the archive: a core or an extension, maybe in several files."""

    row_type: str
    """The last part of the row type's address: Taxon, VernacularName, Distribution."""
    locations: list[str] = field(default_factory=list)
    encoding: str = "UTF-8"
    delimiter: str = ","
    quote: str = '"'
    header_lines: int = 0
    id_column: int | None = None
    """The column with the row's own id in the core, with the core's id in an extension."""
    columns: dict[str, int] = field(default_factory=dict)
    """Term, without its namespace, to column, from 0."""
    defaults: dict[str, str] = field(default_factory=dict)
    """Term to the value of all rows, or of those whose cell is empty."""


@dataclass
class Meta:
    core: DataFile
    extensions: list[DataFile]


def read_meta(path: Path, name: str) -> Meta:
    """The description in a meta.xml.

    Raises:
        TableError: It is no XML, has a DOCTYPE, has no core, or a column number is none.
    """
    content = path.read_bytes() if path.stat().st_size <= MAX_META_BYTES else None
    if content is None:
        raise TableError(f"{name}: is larger than {MAX_META_BYTES:,} bytes; a meta.xml takes a few thousand. Do not use this archive.")
    reader = _Reader(name)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise TableError(
            f"{name}: is broken ({error}). Expected an XML file that describes the archive's tables; ask its publisher, or pack it again."
        ) from error
    return reader.meta()


class _Reader:
    """Collects the tables while expat walks through the elements."""

    def __init__(self, name: str):
        self._name = name
        self._core: list[DataFile] = []
        self._extensions: list[DataFile] = []
        self._open: DataFile | None = None
        self._location: str | None = None

    def doctype(self, *_: object) -> None:
        raise TableError(f"{self._name}: has a DOCTYPE, which can smuggle in entities and files, and which no meta.xml needs. Do not use this archive.")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rsplit(" ", 1)[-1]
        if tag in {"core", "extension", "table"}:
            self._open = self._data_file(attributes)
            (self._core if tag == "core" else self._extensions).append(self._open)
        elif tag == "location":
            self._location = ""
        elif tag in {"id", "coreid"} and self._open:
            self._open.id_column = self._number(attributes, "index")
        elif tag == "field" and self._open:
            self._field(self._open, attributes)

    def end(self, tag: str) -> None:
        if tag.rsplit(" ", 1)[-1] == "location" and self._open and self._location is not None:
            self._open.locations.append(self._location.strip())
            self._location = None

    def text(self, words: str) -> None:
        if self._location is not None:
            self._location += words

    def meta(self) -> Meta:
        if not self._core and len(self._extensions) >= 1:  # EOL's archives call all their tables <table>
            taxa = [table for table in self._extensions if table.row_type == "Taxon"]
            self._core, self._extensions = taxa[:1], [table for table in self._extensions if table not in taxa[:1]]
        if len(self._core) != 1:
            raise TableError(
                f"{self._name}: describes {len(self._core) or 'no'} core tables; expected one <core> with its <files>. Ask the archive's publisher."
            )
        for table in (*self._core, *self._extensions):
            if not table.locations or not all(table.locations):
                raise TableError(
                    f"{self._name}: its table {table.row_type or '(no rowType)'} names no file; expected <files><location>…. Ask the archive's publisher."
                )
        return Meta(self._core[0], self._extensions)

    def _data_file(self, attributes: dict[str, str]) -> DataFile:
        lines = _unescape(attributes.get("linesTerminatedBy", "\n"))
        if lines.strip(" \r\n"):
            raise TableError(f"{self._name}: its lines end with {lines!r}; only line breaks are read. Write the table with one row per line.")
        delimiter, quote = _unescape(attributes.get("fieldsTerminatedBy", ",")), _unescape(attributes.get("fieldsEnclosedBy", '"'))
        if not 1 <= len(delimiter.encode()) <= 4 or len(quote) > 1 or delimiter in {"\n", "\r"} or quote in {"\n", "\r", delimiter}:
            raise TableError(
                f"{self._name}: fieldsTerminatedBy {delimiter!r} and fieldsEnclosedBy {quote!r} do not separate fields. Expected such as '\\t' and ''."
            )
        return DataFile(
            row_type=attributes.get("rowType", "").rstrip("/#").replace("#", "/").rsplit("/", 1)[-1],
            encoding=attributes.get("encoding", "UTF-8").strip() or "UTF-8",
            delimiter=delimiter,
            quote=quote.strip(),
            header_lines=self._number(attributes, "ignoreHeaderLines", 0) or 0,
        )

    def _field(self, table: DataFile, attributes: dict[str, str]) -> None:
        term = attributes.get("term", "").rstrip("/#").replace("#", "/").rsplit("/", 1)[-1]
        if not term:
            raise TableError(f'{self._name}: has a <field> without a term. Expected such as term="http://rs.tdwg.org/dwc/terms/scientificName".')
        if "default" in attributes:
            table.defaults[term] = attributes["default"]
        index = self._number(attributes, "index")
        if index is not None:
            table.columns[term] = index

    def _number(self, attributes: dict[str, str], name: str, default: int | None = None) -> int | None:
        words = attributes.get(name, "").strip()
        if not words:
            return default
        if not words.isascii() or not words.isdigit() or len(words) > 6 or int(words) > MAX_COLUMN:
            raise TableError(f"{self._name}: {name}={words[:40]!r} is not a number from 0 to {MAX_COLUMN}. Ask the archive's publisher.")
        return int(words)


def _unescape(words: str) -> str:
    r"""`\t`, `\n`, `\r` written as two characters, as most archives do, as the one they mean."""
    return words.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r").replace("\\\\", "\\")
