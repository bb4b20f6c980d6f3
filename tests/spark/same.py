"""Whether two runs say the same: in names and ranks to the letter, in probabilities to 1e-5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from bioclip_search.runs.folder import Run

TOLERANCE = 1e-5
NUMBERS = ("probability", "chance", "detector_confidence")
WORDS = (
    "media_id",
    "image",
    "content_hash",
    "status",
    "error",
    "crop",
    "category",
    "taxon",
    "rank",
    "rule",
    "species",
    "timestamp",
    "deployment",
    "index",
    "encoder",
)


def rows_of(folder: Path) -> pa.Table:
    return pa.Table.from_batches(list(Run.open(folder).batches()))


def assert_same(one: Path, other: Path) -> None:
    """Both have the same rows in the same order, each once."""
    ours, theirs = rows_of(one), rows_of(other)
    assert len(ours) == len(theirs)
    for name in WORDS:
        assert ours[name].to_pylist() == theirs[name].to_pylist(), name
    for name in NUMBERS:
        first, second = (np.array(table[name].to_pylist(), np.float64) for table in (ours, theirs))
        assert np.allclose(first, second, rtol=0, atol=TOLERANCE, equal_nan=True), name
    assert Run.open(one).note["counts"] == Run.open(other).note["counts"]
