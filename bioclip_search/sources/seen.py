"""Which names came before, and what was told of each: kept on the disk, so that memory stays flat in their number."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b
from types import TracebackType

KEY_BYTES = 8
"""Of a name's hash; among a hundred million names two with the same one are expected in 3 of 10,000 collections."""


class Seen:
    """A set of names in a nameless temporary database, which the operating system removes by itself; close it by `with`."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("CREATE TABLE seen (key INTEGER PRIMARY KEY)")

    def is_new(self, name: str) -> bool:
        """Whether it was never asked about before."""
        key = int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest(), "big", signed=True)
        return self._base.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount == 1

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._base.close()
