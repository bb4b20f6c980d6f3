"""What became of the rows of a checklist: kept, merged, dropped and why, in words and as a record.

Counting is left to `resolve` and `summary`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Note:
    """One decision, how many rows it met, and a few of them."""

    action: str
    """kept, merged or dropped."""
    what: str
    words: str
    count: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        examples = f", such as {'; '.join(self.examples)}" if self.examples else ""
        return f"{self.action}: {self.count:,} {self.words}{examples}"


@dataclass(frozen=True)
class Fault:
    """Rows that contradict themselves and were left out: the keys, in the order in which they point at each other."""

    what: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what}: {' → '.join((*self.keys, self.keys[0]))}"


@dataclass(frozen=True)
class ImportReport:
    """The account of one import."""

    source: str
    format: str
    rows: int
    taxa: int
    names: Mapping[str, int] = field(default_factory=dict)
    """How many further names there are of each kind."""
    notes: tuple[Note, ...] = ()
    faults: tuple[Fault, ...] = ()
    fault_count: int = 0
    """How many rows are at fault; `faults` names the first of them."""

    def lines(self) -> list[str]:
        """The report in words."""
        kinds = {"accepted": "higher taxa", "synonym": "synonyms", "infraspecific": "names below species", "vernacular": "vernacular names"}
        names = ", ".join(f"{self.names.get(kind, 0):,} {words}" for kind, words in kinds.items())
        told = [f"{self.source} ({self.format}): {self.rows:,} rows read, {self.taxa:,} taxa, {names}"]
        told += [str(note) for note in self.notes]
        told += [f"fault: {fault}" for fault in self.faults]
        return told

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ImportReport:
        """The report that `to_dict` wrote.

        Raises:
            TypeError, KeyError: It is no such record.
        """
        notes = tuple(Note(**{**note, "examples": tuple(note["examples"])}) for note in content["notes"])
        faults = tuple(Fault(fault["what"], tuple(fault["keys"])) for fault in content["faults"])
        return cls(**{**content, "notes": notes, "faults": faults})
