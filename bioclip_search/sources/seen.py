"""Which names came before, and what was told of each: kept on the disk, so that memory stays flat in their number.

Both are nameless temporary databases, which the operating system removes by itself; close them by `with`.
"""

from __future__ import annotations

import json
import sqlite3
from hashlib import blake2b
from types import TracebackType
from typing import Any

KEY_BYTES = 8
"""Of a name's hash; among a hundred million names two with the same one are expected in 3 of 10,000 collections."""


class _Base:
    def __init__(self, table: str) -> None:
        self._base = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute(table)
        self._base.execute("BEGIN")  # never ended: else each name would be a transaction of its own

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._base.close()


class Seen(_Base):
    """A set of names."""

    def __init__(self) -> None:
        super().__init__("CREATE TABLE seen (key INTEGER PRIMARY KEY)")

    def is_new(self, name: str) -> bool:
        """Whether it was never asked about before."""
        return self._base.execute("INSERT OR IGNORE INTO seen VALUES (?)", (_key(name),)).rowcount == 1


class Kept(_Base):
    """Of each name the values that were told of it, in their order; first all are added, then they are asked for."""

    def __init__(self) -> None:
        super().__init__("CREATE TABLE kept (key INTEGER, value TEXT)")
        self._is_sorted = False

    def add(self, name: str, value: Any) -> None:
        self._base.execute("INSERT INTO kept VALUES (?, ?)", (_key(name), json.dumps(value)))

    def of(self, name: str) -> list[Any]:
        if not self._is_sorted:
            self._base.execute("CREATE INDEX by_key ON kept (key)")
            self._is_sorted = True
        return [json.loads(value) for (value,) in self._base.execute("SELECT value FROM kept WHERE key = ? ORDER BY rowid", (_key(name),))]


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest(), "big", signed=True)
