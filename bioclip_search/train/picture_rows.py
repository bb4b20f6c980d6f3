"""The encoded picture in a row of a Parquet file, read when it is asked for, so that no set of pictures stands in memory.

What the row says of the picture is read by `pictures`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from bioclip_search.errors import PictureError

COLUMN = "image.bytes"
BATCH_ROWS = 64
"""Rows that are read together; of pictures of 2 MB these are 128 MB."""

BUFFER_BYTES = 1 << 20
"""How much of a file is read at once, beyond which a group of rows would be read whole."""

KEPT_BATCHES = 2
"""The batch that is read and the one before it: several threads ask for rows that lie near each other, though not one after the other."""


class PictureRows:
    """Reads the pictures of Parquet files, quickly where they are asked for in about their order.

    What is asked for out of order is read as well, from the start of its group of rows. For several threads at once.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._path: Path | None = None
        self._group = range(0)
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._window: list[tuple[int, pa.Array]] = []

    def read(self, path: Path, row: int) -> bytes:
        """The bytes of the picture.

        Raises:
            PictureError: The file cannot be read any more, or the row holds no bytes.
        """
        with self._lock:
            try:
                first, pictures = self._batch_with(path, row)
            except (OSError, ValueError, StopIteration) as error:
                self._path = None
                raise PictureError(f"{path}, row {row + 1}: cannot be read ({error}). The files must stay as they are while a training reads them.") from error
            data = pictures[row - first].as_py()
        if not data:
            raise PictureError(f"{path}, row {row + 1}: holds no bytes of a picture.")
        return data

    def _batch_with(self, path: Path, row: int) -> tuple[int, pa.Array]:
        """The batch of the row, and the number of its first row."""
        is_behind = not self._window or row < self._window[0][0]
        if path != self._path or row not in self._group or is_behind:
            self._begin(path, row)
        for first, pictures in reversed(self._window):
            if first <= row < first + len(pictures):
                return first, pictures
        while True:
            last = self._window[-1] if self._window else (self._group.start, ())
            pictures = next(self._batches).column(0).field("bytes")
            self._window = [*self._window, (last[0] + len(last[1]), pictures)][-KEPT_BATCHES:]
            if row < self._window[-1][0] + len(pictures):
                return self._window[-1]

    def _begin(self, path: Path, row: int) -> None:
        """Opens the group of rows in which the row stands.

        Subtle: files of other programs often are one group of all rows; only without reading ahead is it read piece by piece.
        """
        self._window, self._path = [], path
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES)
        first = 0
        for number in range(file.num_row_groups):
            self._group = range(first, first + file.metadata.row_group(number).num_rows)
            if row in self._group:
                self._batches = file.iter_batches(BATCH_ROWS, row_groups=[number], columns=[COLUMN], use_threads=False)
                return
            first = self._group.stop
        raise ValueError(f"it has {first:,} rows")


@dataclass(frozen=True, eq=False)
class PictureRow:
    """Where an encoded picture stands: the row of a Parquet file, counted from 0."""

    rows: PictureRows
    path: Path
    row: int

    def read(self) -> bytes:
        """The encoded picture.

        Raises:
            PictureError: As `PictureRows.read`.
        """
        return self.rows.read(self.path, self.row)
