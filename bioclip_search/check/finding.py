"""One thing that is wrong or odd about an index, in words and as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

FAULT, NOTE = "fault", "note"
"""A fault makes answers wrong or impossible; a note is something that the maker of the checklist may want to look at."""

EXAMPLES_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """`count` things of one kind, the first few of them, and what to do about it."""

    kind: str
    severity: str
    count: int
    what: str
    examples: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        examples = f" ({'; '.join(self.examples)}{'; …' if self.count > len(self.examples) else ''})" if self.examples else ""
        return f"{self.severity}: {self.what}{examples}. {self.advice}"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def found_rows(kind: str, severity: str, which: np.ndarray, what: str, name_of: Callable[[int], str], advice: str) -> list[Finding]:
    """The finding of some rows, none where there is none.

    Args:
        which: (n,) bool, or the numbers of the rows.
        what: Words with {} for the count.
    """
    rows = np.flatnonzero(which) if which.dtype == bool else which
    if not len(rows):
        return []
    examples = tuple(name_of(int(row)) for row in rows[:EXAMPLES_SHOWN])
    return [Finding(kind, severity, len(rows), what.format(f"{len(rows):,}"), examples, advice)]


def found_one(kind: str, what: str, advice: str, examples: Sequence[str] = ()) -> Finding:
    """A fault of the whole."""
    return Finding(kind, FAULT, 1, what, tuple(examples), advice)
