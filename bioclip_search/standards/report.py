"""What an export came to: how much was written, what was left out and why.

Printing it is left to `cli.export`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Tally:
    """Counts while an export goes on; `report` closes it."""

    pictures: int = 0
    observations: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    notes: dict[str, None] = field(default_factory=dict)

    def leave_out(self, why: str, count: int = 1) -> None:
        self.left_out[why] += count

    def note(self, words: str) -> None:
        """What a reader of the file should know; the same words are told once."""
        self.notes[words] = None

    def report(self, format: str, out: Path) -> ExportReport:
        return ExportReport(format, out, self.pictures, self.observations, dict(self.left_out), tuple(self.notes))


@dataclass(frozen=True)
class ExportReport:
    """
    Attributes:
        pictures: Written; a frame of a video counts as one.
        observations: Rows, boxes or features written, as the format has them.
        left_out: How many of what were left out, by reason.
        notes: What the format cannot say, and where this export differs from what one may expect.
    """

    format: str
    out: Path
    pictures: int
    observations: int
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For a person, the most important first."""
        first = f"{self.out}: pictures {self.pictures:,}, observations {self.observations:,} ({self.format})"
        return [first, *(f"left out: {count} {why}" for why, count in self.left_out.items()), *(f"note: {words}" for words in self.notes)]
