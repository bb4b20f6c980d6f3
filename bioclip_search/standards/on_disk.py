"""Keys and rows laid down on disk until they are asked for, so that tables of any length can be compared in little memory.

What is laid down is left to the formats.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bioclip_search.errors import BioclipSearchError

CACHE_KB = 16_384
"""Memory that it may take."""


class Keys:
    """Sets of texts, each by a name, which may be longer than memory; open one with `kept_keys`."""

    def __init__(self, base: sqlite3.Connection):
        self._base = base
        base.execute("CREATE TABLE keys (kind TEXT, key BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID")

    def add(self, kind: str, key: str) -> bool:
        """Whether it was not there before."""
        return self._base.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (kind, _bytes(key))).rowcount == 1

    def has(self, kind: str, key: str) -> bool:
        return self._base.execute("SELECT 1 FROM keys WHERE kind = ? AND key = ?", (kind, _bytes(key))).fetchone() is not None


@contextmanager
def kept_keys() -> Iterator[Keys]:
    with _base() as base:
        yield Keys(base)


@contextmanager
def rows_by_key(rows: Iterable[tuple[str, Any]]) -> Iterator[Callable[[str], list[Any]]]:
    """A function that gives the rows of a key in their order; rows are whatever JSON holds."""
    with _base() as base:
        base.execute("CREATE TABLE told (key BLOB, body TEXT)")
        base.executemany("INSERT INTO told VALUES (?, ?)", ((_bytes(key), json.dumps(row)) for key, row in rows))
        base.execute("CREATE INDEX by_key ON told (key)")
        yield lambda key: [json.loads(body) for (body,) in base.execute("SELECT body FROM told WHERE key = ? ORDER BY rowid", (_bytes(key),))]


def _bytes(key: str) -> bytes:
    """Names of files may hold bytes that are no text, which SQLite takes for no text either."""
    return key.encode("utf-8", "surrogatepass")


@contextmanager
def _base() -> Iterator[sqlite3.Connection]:
    """
    Raises:
        BioclipSearchError: There is no room for temporary files.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="bioclip-search-") as folder, closing(sqlite3.connect(Path(folder, "rows"), isolation_level=None)) as base:
            for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KB}"):
                base.execute(f"PRAGMA {setting}")
            base.execute("BEGIN")
            yield base
            base.execute("COMMIT")
    except sqlite3.Error as error:
        raise BioclipSearchError(
            f"Nothing can be laid down in the folder for temporary files ({error}). Make room there, or name another one in TMPDIR."
        ) from error
