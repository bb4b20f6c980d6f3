"""Holds the rows of a source as three plain tables in a DuckDB file: names, vernacular names and distributions.

Which column is which is left to the formats (`darwin_core`, `coldp`, `parents`, `plain`), what the rows mean to `resolve`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search.checklists.delimited import Delimited, quoted
from bioclip_search.checklists.report import Note
from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY_LIMIT = "1GB"
"""What DuckDB may hold before it writes to the scratch folder; the GBIF backbone needs no more."""

USAGE_COLUMNS = (
    *("key", "id", "parent_key", "accepted_key", "parent_name", "accepted_name"),
    *("scientific_name", "canonical_name", "generic_name", "specific_epithet", "infraspecific_epithet", "authorship", "rank", "status"),
    *RANKS,
    *("common_name", "language", "country"),
)
"""One row for each use of a scientific name, as the source has it. `key` is what other rows point at, `id` what the
extensions of a Darwin Core Archive point at, where that is something else. The ranks are the classification as words; the language
is that of the common name, the country where the taxon lives, by codes."""

COLUMNS = {
    "usages": USAGE_COLUMNS,
    "vernaculars": ("key", "name", "language", "preferred"),
    "distributions": ("key", "country", "status"),
}

MAX_EXAMPLES = 3


class Staging:
    """The three tables while they are filled."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Path, archive: str, format: str):
        self.connection, self.scratch, self.archive, self.format = connection, scratch, archive, format
        self.notes: list[Note] = []
        for table, columns in COLUMNS.items():
            typed = ", ".join(f'"{name}" VARCHAR' for name in columns)
            connection.execute(f"CREATE TABLE {table} ({typed})")

    def add(self, table: str, source: Delimited | str, expressions: Mapping[str, str], *, where: str = "true", order: str = "") -> None:
        """Appends the rows of a file, or of any SQL relation, given an SQL expression for each of our columns.

        Raises:
            TableError: DuckDB cannot read the file.
        """
        names = [name for name in COLUMNS[table] if name in expressions]
        relation = source if isinstance(source, str) else source.sql()
        columns, values = ", ".join(f'"{name}"' for name in names), ", ".join(expressions[name] for name in names)
        name, order = self.archive if isinstance(source, str) else source.name, f" ORDER BY {order}" if order else ""
        self.run(f"INSERT INTO {table} ({columns}) SELECT {values} FROM {relation} WHERE {where}{order}", name)
        if isinstance(source, Delimited):
            self.note_rejects(source)

    def run(self, statement: str, name: str = "") -> None:
        """Executes a statement that reads what a user gave, and translates what may go wrong."""
        import duckdb

        try:
            self.connection.execute(statement)
        except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException):
            raise  # ours to mend, not the user's
        except duckdb.OutOfMemoryException as error:
            raise TableError(
                f"{name or self.archive}: needs more than {MEMORY_LIMIT} of memory or the space on disk ({_first_line(error)}). Free some space."
            ) from error
        except duckdb.Error as error:
            raise TableError(
                f"{name or self.archive}: cannot be read as a table ({_first_line(error)}). Download it again, or save it as CSV in UTF-8."
            ) from error

    def table(self, query: str) -> pa.Table:
        return self.connection.sql(query).to_arrow_table()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def note_rejects(self, file: Delimited) -> None:
        """Counts the rows of the file just read that DuckDB could not fit into its columns."""
        (count,), *_ = self.rows("SELECT count(DISTINCT line) FROM reject_errors")
        if count:
            found = self.rows(f"SELECT line, lower(any_value(error_type)) FROM reject_errors GROUP BY line ORDER BY line LIMIT {MAX_EXAMPLES}")
            examples = tuple(f"line {line} ({_in_words(kind)})" for line, kind in found)
            self.notes.append(Note("dropped", "misshapen", f"rows of {file.name} that have not {file.width} columns", count, examples))
        for table in ("reject_errors", "reject_scans"):
            self.connection.execute(f"DROP TABLE IF EXISTS {table}")


@contextmanager
def open_staging(scratch: Path, archive: str, format: str) -> Iterator[Staging]:
    """An empty staging whose database and overflow lie in the scratch folder."""
    import duckdb

    settings = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(scratch / "overflow"),
        "threads": min(4, os.cpu_count() or 1),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(scratch / "staging.duckdb", config=settings)
    connection.execute("SET enable_progress_bar = false")
    try:
        yield Staging(connection, scratch, archive, format)
    finally:
        connection.close()


def cell(column: int | str, default: str | None = None) -> str:
    """The SQL for a cell: trimmed, null where it is empty or the \\N of database dumps, else the default."""
    name = f"c{column}" if isinstance(column, int) else column
    found = f"nullif(nullif(trim({name}), ''), '\\N')"
    return f"coalesce({found}, {quoted(default)})" if default else found


def _in_words(kind: str) -> str:
    return {"missing columns": "too few", "too many columns": "too many", "line size over maximum": "too long"}.get(kind, kind)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300]
