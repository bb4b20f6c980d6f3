"""Single rows of a run, read from the parts that hold them and no others.

What a row means is left to `runs.table`, which rows are wanted to `queue` and `worklist`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import RunError
from bioclip_search.runs.folder import Run


class Rows:
    """Finds rows of a finished run by their numbers, counted from 0 through all parts in order."""

    def __init__(self, run: Run):
        self.run = run
        self._parts = run.parts
        counts = []
        for part in self._parts:
            try:
                counts.append(parquet.read_metadata(part).num_rows)
            except (OSError, ValueError, pa.ArrowException) as error:
                raise _damaged(part, error) from error
        self._starts = np.cumsum([0, *counts])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def at(self, numbers: np.ndarray, columns: Sequence[str]) -> Iterator[tuple[np.ndarray, pa.Table]]:
        """The rows of these numbers, (k,) ascending: for each part that holds some of them, their numbers and the rows.

        Raises:
            RunError: A part is damaged.
        """
        for number in np.unique(np.searchsorted(self._starts, numbers, side="right") - 1).tolist():
            low, high = np.searchsorted(numbers, self._starts[number : number + 2])
            here = numbers[low:high]
            try:
                table = parquet.read_table(self._parts[number], columns=list(columns), partitioning=None)
                yield here, table.take(pa.array(here - self._starts[number]))
            except (OSError, ValueError, KeyError, pa.ArrowException) as error:
                raise _damaged(self._parts[number], error) from error


def _damaged(part: object, error: Exception) -> RunError:
    return RunError(f"{part}: cannot be read ({str(error).splitlines()[0]}). Run `tag` anew into another folder.")
