"""Asks one `names.sqlite`: whole names, beginnings, words, spellings. It may come from anywhere and is not trusted.

Gives rows as they stand there; which taxon a row means is left to `lookup`.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, get_args, get_type_hints

from bioclip_search import places
from bioclip_search.errors import IndexDamagedError
from bioclip_search.names.store import FORMAT, SCHEMA, entries, write_store
from bioclip_search.taxonomy import Taxonomy

log = logging.getLogger(__name__)

UNFINISHED, ABANDONED_S = "unfinished-", 86_400
"""How a scratch folder in the cache is called, and the age (a day) at which nobody works on it any more."""

LAST_LETTER = "\U0010ffff"
"""Sorts behind every letter: names that begin with "pan" lie between "pan" and "pan" + this."""


_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What comes of a damaged file. Subtle: SQLite's own complaint about one may be no text in UTF-8."""


class Entry(NamedTuple):
    """One name as the store holds it. `row` is the row of one leaf below the taxon."""

    id: int
    name: str
    kind: str
    rank: str
    row: int
    language: str | None
    authorship: str | None
    taxon_key: str | None


class Section(NamedTuple):
    """The ids [first, stop) of the names of one kind and language."""

    first: int
    stop: int
    kind: str
    language: str | None


class Rows(NamedTuple):
    """The first and the last row that a store knows taxa by; None where it holds no name."""

    first: int | None
    last: int | None


class Key(NamedTuple):
    """A folded name, and the id of the name."""

    folded: str
    id: int


class Store:
    """One file of names, opened read-only."""

    def __init__(self, path: Path):
        """Opens a file of format 2.

        Raises:
            IndexDamagedError: It is missing, no database, or not built as we build it.
        """
        self.path = path
        try:
            self._store = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        try:
            self._prepare()
        except BaseException:
            self.close()  # Subtle: Windows deletes no file that is open, not even a damaged one
            raise

    def close(self) -> None:
        """Lets go of the file; nothing can be asked any more."""
        self._store.close()

    def _prepare(self) -> None:
        """Makes sure that the file is what it should be, and reads its sections."""
        try:
            for setting in ("trusted_schema = OFF", "cell_size_check = ON"):
                self._store.execute(f"PRAGMA {setting}")
            self._check_schema()
            self._store.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, words, row)")
            self._store.execute("PRAGMA query_only = ON")
        except _UNREADABLE as error:
            raise self._damaged(error) from error
        sections = self._ask("SELECT first, stop, kind, language FROM section ORDER BY first", ())
        self.sections = [Section(*row) for row in self._checked(sections, Section)]
        self.stop = self.sections[-1].stop if self.sections else 1
        (self.rows,) = self._checked(self._ask("SELECT min(row), max(row) FROM name", ()), Rows)

    def by_ids(self, ids: Sequence[int]) -> list[Entry]:
        """The names of these ids, in the order of the ids."""
        found = {entry.id: entry for entry in self._entries(f"SELECT * FROM name WHERE id IN ({','.join('?' * len(ids))})", ids)}
        return [found[number] for number in ids if number in found]

    def exactly(self, key: str) -> list[Entry]:
        """The names of this key, most important first."""
        return self._entries("SELECT name.* FROM forwards JOIN name USING (id) WHERE folded = ? ORDER BY id", (key,))

    def of_taxa(self, first: int, last: int, rank: str, kind: str, languages: Sequence[str] | None = None) -> list[Entry]:
        """The names of one kind, and of these languages if given, of the taxa of a rank that are known by the rows from first to last."""
        spoken = f" AND language IN ({','.join('?' * len(languages))})" if languages is not None else ""
        return self._entries(
            f"SELECT * FROM name WHERE row BETWEEN ? AND ? AND rank = ? AND kind = ?{spoken} ORDER BY id", (first, last, rank, kind, *(languages or ()))
        )

    def of_rows(self, first: int, last: int) -> list[Entry]:
        """All names of the taxa that are known by the rows from first to last, in order of importance."""
        return self._entries("SELECT * FROM name WHERE row BETWEEN ? AND ? ORDER BY id", (first, last))

    def beginning(self, start: str, lengths: tuple[int, int], *, backwards: bool = False, most: int = -1) -> list[tuple[str, int]]:
        """Keys (read from their end if `backwards`) of this beginning and of a length in the range, each with its id."""
        table = "backwards" if backwards else "forwards"
        found = self._ask(
            f"SELECT folded, id FROM {table} WHERE folded >= ? AND folded < ? AND length(folded) BETWEEN ? AND ? LIMIT ?",
            (start, start + LAST_LETTER, *lengths, most),
        )
        return self._checked(found, Key)

    def terms(self, start: str, most: int) -> list[str]:
        """The words in names that begin so, in alphabetical order."""
        found = self._ask("SELECT term FROM temp.terms WHERE term >= ? AND term < ? LIMIT ?", (start, start + LAST_LETTER, most))
        return [term for (term,) in found]

    def begins(self, start: str) -> int | None:
        """The id of one name whose key begins so."""
        found = self._ask("SELECT id FROM forwards WHERE folded >= ? AND folded < ? LIMIT 1", (start, start + LAST_LETTER))
        return found[0][0] if found else None

    def sounding(self, heard: str) -> list[tuple[str, int]]:
        """Keys and ids of the scientific names that sound so."""
        return self._checked(self._ask("SELECT heard, id FROM sound WHERE heard = ?", (heard,)), Key)

    def with_words(
        self, words: Sequence[str], first: int, stop: int, most: int, *, at_start: bool = False, whole: bool = False, rows: tuple[int, int] | None = None
    ) -> list[Entry]:
        """Names with all the words and with an id in [first, stop), most important first.

        Args:
            at_start: The name begins with these words, in this order, the last one perhaps unfinished; else they stand
                anywhere in it, and any of them may be unfinished.
            whole: No word is unfinished.
            rows: Only names of taxa that are known by a row in this range, ends included.
        """
        end = "" if whole else "*"
        asked = f'^ "{" ".join(words)}" {end}' if at_start else " AND ".join(f'"{word}" {end}' for word in words)
        within = " AND name.row BETWEEN ? AND ?" if rows else ""
        return self._entries(
            f"SELECT name.* FROM words JOIN name ON name.id = words.rowid WHERE words MATCH ? AND words.rowid >= ? AND words.rowid < ?{within} ORDER BY words.rowid LIMIT ?",
            (asked, first, stop, *(rows or ()), most),
        )

    def _entries(self, question: str, values: Iterable = ()) -> list[Entry]:
        return [Entry(*row) for row in self._checked(self._ask(question, tuple(values)), Entry)]

    def _checked(self, rows: list[tuple], kind: type) -> list[tuple]:
        """The rows as they are. Subtle: SQLite keeps anything in any column, whatever the column is declared to hold."""
        for column, types in zip(zip(*rows, strict=True), _types_of(kind), strict=False):
            if not types.issuperset(map(type, column)):
                raise self._damaged(f"a {kind.__name__.lower()} of another type than it should be")
        return rows

    def _ask(self, question: str, values: tuple) -> list[tuple]:
        try:
            return self._store.execute(question, values).fetchall()
        except _UNREADABLE as error:
            raise self._damaged(error) from error

    def _check_schema(self) -> None:
        """Refuses whatever we would not have written: other tables in place of ours, views and triggers.

        An index, which only saves time, may be another one.
        """
        told = self._store.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
        found = {name: sql for _, name, sql in told}
        if any(found.get(name) != sql for name, sql in SCHEMA.items() if not sql.startswith("CREATE INDEX")) or any(
            kind not in {"table", "index"} for kind, _, _ in told
        ):
            raise sqlite3.DatabaseError("it is not built as version 2 of this format is")

    def _damaged(self, error: Exception | str) -> IndexDamagedError:
        return IndexDamagedError(f"{self.path}: is not a list of names ({error}). Get the index again or rebuild it.")


@cache
def _types_of(kind: type) -> list[set[type]]:
    """The types that each field of a record may have."""
    return [set(get_args(hint)) or {hint} for hint in get_type_hints(kind).values()]


def open_store(path: Path, taxonomy: Taxonomy, rows: Sequence[int]) -> Store:
    """The store at the path; of an older format, one that is written anew from the taxonomy, once, in the user's cache.

    Args:
        rows: (n,) the row of the index under which each leaf is kept.

    Raises:
        IndexDamagedError: It cannot be read, or is newer than this program.
    """
    version = format_of(path)
    if version > FORMAT:
        raise IndexDamagedError(f"{path}: is of format {version}, this program reads up to {FORMAT}. Get a newer bioclip-search.")
    if version == FORMAT:
        return Store(path)
    stat = os.stat(path)
    state = f"{stat.st_size} {stat.st_mtime_ns} {taxonomy.content_hash}"
    return cached_store(path, state, lambda target: write_store(target, entries(taxonomy, rows=rows)))


def cached_store(source: Path, state: str, write: Callable[[Path], None]) -> Store:
    """The store that `write(path)` makes of a source, kept in the user's cache as long as the source is in this state.

    Where the cache cannot be written, it is a temporary file that goes with the store.
    """
    home = places.user_cache() / "names"
    name = _short_hash(str(source.resolve()))
    kept = home / f"{name}-{_short_hash(f'{FORMAT} {state}')}.sqlite"
    if kept.is_file():
        try:
            return Store(kept)
        except IndexDamagedError as error:
            log.info("writing %s again: %s", kept, error)
    try:
        home.mkdir(parents=True, exist_ok=True)
        _clear_away(home, f"{name}-*.sqlite")
        return _written_whole(kept, write)
    except (OSError, sqlite3.OperationalError) as error:
        log.info("cannot keep the list of names in %s: %s", home, error)
    return _temporary_store(write)


def _temporary_store(write: Callable[[Path], None]) -> Store:
    scratch = Path(tempfile.mkdtemp(prefix="bioclip-search-names-"))
    try:
        write(scratch / "names.sqlite")
        store = Store(scratch / "names.sqlite")
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    weakref.finalize(store, _discard, store._store, scratch)
    return store


def _discard(connection: sqlite3.Connection, folder: Path) -> None:
    connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def _short_hash(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _clear_away(home: Path, outdated: str) -> None:
    """Deletes what was made of a former state of a source, and what a killed program left half-written."""
    for path in home.glob(outdated):
        with suppress(OSError):  # Windows deletes no file that somebody reads
            path.unlink()
    for folder in home.glob(f"{UNFINISHED}*"):
        with suppress(FileNotFoundError):  # its own program may be about to delete it
            if time.time() - folder.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _written_whole(kept: Path, write: Callable[[Path], None]) -> Store:
    """Subtle: two processes may do this at once; each writes a file of its own, and the last one stays."""
    scratch = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=kept.parent))
    try:
        write(scratch / "names.sqlite")
        os.replace(scratch / "names.sqlite", kept)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Store(kept)


def format_of(path: Path) -> int:
    """The format of a file of names: 0 and 1 are those without synonyms and languages.

    Raises:
        IndexDamagedError: It is missing or no database.
    """
    try:
        store = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            store.execute("SELECT 1 FROM name LIMIT 1").fetchone()
            return store.execute("PRAGMA user_version").fetchone()[0]
        finally:
            store.close()
    except _UNREADABLE as error:
        raise IndexDamagedError(f"{path}: is not a list of names ({error}). Get the index again or rebuild it.") from error
