"""What a run has done so far, kept so that no kill, power cut or full disk loses more than the batch in flight.

Rows of finished batches wait in an SQLite file; when there are enough, they become a part of `rows/` under its final name, and only
then leave the file. One process writes a run at a time. What the rows hold is left to `table`, the folder to `folder`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import RunError
from bioclip_search.runs.folder import JOURNAL_FILE, ROWS_FOLDER, unreadable, unwritable
from bioclip_search.runs.record import FAILED, TaggedPicture
from bioclip_search.runs.table import EMBEDDING, schema, to_pictures, to_table
from bioclip_search.swapping import whole_file

PICTURES_PER_PART = 1024
"""Pictures of a part of `rows/`; so many are in memory when it is written."""

_TABLES = """
CREATE TABLE IF NOT EXISTS pending (number INTEGER PRIMARY KEY, pictures INTEGER NOT NULL, rows BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS done (media_id BLOB PRIMARY KEY, content BLOB, part INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS done_content ON done (content) WHERE content IS NOT NULL;
CREATE TABLE IF NOT EXISTS leaving (media_id BLOB PRIMARY KEY, part INTEGER NOT NULL) WITHOUT ROWID;
"""


class Journal:
    """The journal of one run; a context manager that may be used from several threads, which then take turns.

    Attributes:
        folder: That of the run.
        dim: The numbers in an embedding; None keeps none.
    """

    def __init__(self, folder: Path, dim: int | None):
        """Opens the journal, and makes it anew from the parts where it is missing.

        Raises:
            RunError: Another process is writing this run, or the folder cannot be written to.
        """
        self.folder, self.dim, self._lock = folder, dim, threading.RLock()
        with self._errors_told():
            (folder / ROWS_FOLDER).mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(folder / JOURNAL_FILE, isolation_level=None, check_same_thread=False)
            self._base.executescript(f"PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; {_TABLES} COMMIT;")
            self._sweep()
            if self._one("SELECT 1 FROM done LIMIT 1") is None:
                self._learn_parts()
            self._leave()
            self.part, self._waiting = self._next_part()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def has(self, media_id: str) -> bool:
        """Whether the picture is done."""
        return self._one("SELECT 1 FROM done WHERE media_id = ?", bytes.fromhex(media_id)) is not None

    def pictures(self) -> int:
        """How many pictures are done, each frame of a video as one."""
        return self._one("SELECT count(*) FROM done WHERE part >= 0")[0]

    def mark(self, media_id: str) -> None:
        """Remembers a video, of which all frames that were wanted are done; one that broke off has a row of its own, which stays."""
        self._one("INSERT OR IGNORE INTO done VALUES (?, NULL, -1)", bytes.fromhex(media_id))

    def knows(self, content_hash: str, frame_number: int | None = None) -> bool:
        """Whether a picture with these bytes is done."""
        return self._one("SELECT 1 FROM done WHERE content = ?", _content(content_hash, frame_number)) is not None

    def recall(self, content_hash: str, frame_number: int | None = None) -> TaggedPicture | None:
        """The first picture that was done with these bytes, with its embeddings; None where there is none."""
        found = self._one("SELECT part FROM done WHERE content = ? ORDER BY part LIMIT 1", _content(content_hash, frame_number))
        if found is None:
            return None
        is_it = pa.compute.field("content_hash") == content_hash
        tables = [self._read_part(found[0], filters=is_it)] if self._path(found[0]).exists() else (table.filter(is_it) for table in self._pending())
        alike = to_pictures(batch for table in tables for batch in table.to_batches())
        return next((picture for picture in alike if picture.frame_number == frame_number), None)

    def add(self, pictures: Sequence[TaggedPicture]) -> None:
        """Keeps the rows of a batch of pictures, all or none.

        Raises:
            RunError: There is no room for them; what was kept before stays.
        """
        self.add_rows(to_table(pictures, self.dim))

    def add_rows(self, rows: pa.Table) -> None:
        """As `add`, for pictures that stand as rows already, in the columns of `table.schema`."""
        of_picture = zip(*(rows.column(name).to_pylist() for name in ("media_id", "content_hash", "frame_number")), strict=True)
        done = {media_id: (bytes.fromhex(media_id), _content(content, frame), self.part) for media_id, content, frame in of_picture}
        with self._lock, self._errors_told(), self._transaction():
            self._base.execute("INSERT INTO pending (pictures, rows) VALUES (?, ?)", (len(done), _packed(rows)))
            self._base.executemany("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", done.values())
        self._waiting += len(done)
        if self._waiting >= PICTURES_PER_PART:
            self.flush()

    def add_new_rows(self, rows: pa.Table) -> None:
        """As `add_rows`, but passes over the rows of pictures that are done already."""
        of_row = rows.column("media_id").to_pylist()
        is_new = {one: not self.has(one) for one in dict.fromkeys(of_row)}
        fresh = rows.filter(pa.array([is_new[one] for one in of_row], pa.bool_()))
        if len(fresh):
            self.add_rows(fresh)

    def flush(self) -> None:
        """Makes a part of all rows that wait; nothing where none do.

        Subtle: killed between the two steps, the part stands under the number that its rows still wait for, and is written again.
        """
        with self._lock, self._errors_told():
            tables = list(self._pending())
            if not tables:
                return
            self._write_part(self.part, pa.concat_tables(tables))
            with self._transaction():
                self._base.execute("DELETE FROM pending")
        self.part, self._waiting = self.part + 1, 0

    def release_failed(self) -> int:
        """Takes the rows of failed pictures out, which are then done anew like new ones; gives how many there were.

        Subtle: which ones leave is written down first, so where a kill comes in between, the next to open the journal ends it.
        """
        self.flush()
        with self._lock, self._errors_told():
            with self._transaction():
                for number in range(self.part):
                    failed = self._read_part(number, columns=["media_id", "status"], filters=pa.compute.field("status") == FAILED)
                    ids = [bytes.fromhex(media_id) for media_id in failed.column("media_id").to_pylist()]
                    self._base.executemany("INSERT OR IGNORE INTO leaving VALUES (?, ?)", ((media_id, number) for media_id in ids))
                    self._base.executemany("DELETE FROM done WHERE media_id = ?", ((media_id,) for media_id in ids))
            return self._leave()

    def statuses(self) -> Iterator[tuple[str, str, str | None]]:
        """Image, status and error of every row so far, in order."""
        for number in range(self.part):
            yield from _statuses(self._read_part(number, columns=["image", "status", "error"]))
        for table in self._pending():
            yield from _statuses(table)

    def _pending(self) -> Iterator[pa.Table]:
        with self._lock:
            blobs = self._base.execute("SELECT rows FROM pending ORDER BY number").fetchall()
        for (blob,) in blobs:
            yield pa.ipc.open_file(pa.BufferReader(blob)).read_all()

    def _read_part(self, number: int, **wanted: Any) -> pa.Table:
        """Raises: RunError: it is damaged or gone."""
        try:
            return parquet.read_table(self._path(number), **wanted)
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise unreadable(self._path(number), error) from error

    def _write_part(self, number: int, rows: pa.Table) -> None:
        with whole_file(self._path(number)) as part, part.open("wb") as file:
            parquet.write_table(rows, file, compression="zstd", use_dictionary=[*_repetitive()])
            file.flush()
            os.fsync(file.fileno())

    def _leave(self) -> int:
        """Writes parts anew without the rows that are to leave; gives how many left."""
        numbers = [number for (number,) in self._base.execute("SELECT DISTINCT part FROM leaving")]
        left = 0
        for number in numbers:
            ids = [media_id.hex() for (media_id,) in self._base.execute("SELECT media_id FROM leaving WHERE part = ?", (number,))]
            rows = self._read_part(number)
            self._write_part(number, rows.filter(pa.compute.invert(pa.compute.is_in(rows.column("media_id"), pa.array(ids)))))
            left += len(ids)
        if numbers:
            self._base.execute("DELETE FROM leaving")
        return left

    def _path(self, number: int) -> Path:
        return self.folder / ROWS_FOLDER / f"part-{number:05}.parquet"

    def _next_part(self) -> tuple[int, int]:
        """The number of the part that is to be written next, and how many pictures wait for it."""
        waiting = self._one("SELECT coalesce(sum(pictures), 0) FROM pending")[0]
        last = self._one("SELECT max(part) FROM done")[0]
        return (0 if last is None else last if waiting else last + 1), waiting

    def _sweep(self) -> None:
        """Removes what a kill left half-written."""
        for path in [*self.folder.glob(".*.part"), *(self.folder / ROWS_FOLDER).glob(".*.part")]:
            path.unlink(missing_ok=True)

    def _learn_parts(self) -> None:
        with self._transaction():
            for path in sorted((self.folder / ROWS_FOLDER).glob("part-*.parquet")):
                number = int(path.stem.rpartition("-")[2])
                rows = self._read_part(number, columns=["media_id", "content_hash", "frame_number"]).to_pylist()
                done = ((bytes.fromhex(row["media_id"]), _content(row["content_hash"], row["frame_number"]), number) for row in rows)
                self._base.executemany("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", done)

    def _one(self, query: str, *values: object) -> tuple | None:
        with self._lock, self._errors_told():
            return self._base.execute(query, values).fetchone()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk may have rolled back already
                self._base.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise RunError(f"{self.folder}: another process is writing this run. Wait for it, or choose another folder.") from error
            if not isinstance(error, sqlite3.OperationalError):
                journal = self.folder / JOURNAL_FILE
                raise RunError(f"{journal}: is damaged ({error}). Remove it: what is done is learned from {ROWS_FOLDER} again.") from error
            raise unwritable(self.folder, error) from error
        except OSError as error:
            raise unwritable(self.folder, error) from error


def _content(content_hash: str | None, frame_number: int | None) -> bytes | None:
    """What two pictures with the same pixels share: the hash of the file, and which frame of it."""
    if content_hash is None:
        return None
    return bytes.fromhex(content_hash) + (b"" if frame_number is None else frame_number.to_bytes(8, "little"))


def _packed(table: pa.Table) -> bytes:
    """The table as the bytes of an Arrow file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _statuses(table: pa.Table) -> Iterable[tuple[str, str, str | None]]:
    return zip(*(table.column(name).to_pylist() for name in ("image", "status", "error")), strict=True)


def _repetitive() -> list[str]:
    """Columns whose values come again and again."""
    return [name for name in schema(None).names if name not in ("media_id", "image", "content_hash", EMBEDDING)]
