"""What people decided about the crops of a run, kept beside it line by line; nothing is ever overwritten or taken out.

The machine's answers stay as they are, in the rows of the run. How decisions come out of a table is left to `deciding`.

    {"batch": "…", "media_id": "…", "crop": 0, "verdict": "corrected", "taxon": …, "rank": …, "lineage": {…}, "who": …, "when": …, "note": …}
    {"undoes": "…", "who": …, "when": …}

The rules, for a crop decided several times:

1. A batch that a later line undoes counts as never taken.
2. Of the others the last one stands.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bioclip_search.errors import RunError

log = logging.getLogger(__name__)

DECISIONS_FILE = "decisions.jsonl"
WHOLE = -1
"""The number of the crop where a decision is on the whole picture."""

ACCEPTED, CORRECTED, BLANK, PERSON, VEHICLE, UNSURE = VERDICTS = ("accepted", "corrected", "blank", "person", "vehicle", "unsure")
"""What can be decided: the machine is right, it is something else, there is nothing, a person, a vehicle, nobody can tell."""

MAX_LINE_BYTES = 1 << 20
"""Longest line of the file: a longer one is no decision."""


@dataclass(frozen=True)
class ReviewDecision:
    """What one person decided about one crop.

    Attributes:
        crop: Its number in the picture, `WHOLE` for the picture as a whole.
        verdict: One of `VERDICTS`.
        taxon: What it is, with its rank and lineage (rank to name), where the verdict is accepted or corrected.
        when: Aware.
    """

    media_id: str
    crop: int
    verdict: str
    who: str
    when: datetime
    taxon: str | None = None
    rank: str | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.media_id, self.crop


@dataclass(frozen=True)
class Batch:
    """Decisions that were taken at once, and so are undone at once."""

    name: str
    decisions: tuple[ReviewDecision, ...]
    is_undone: bool = False


def standing_decisions(folder: str | Path) -> dict[tuple[str, int], ReviewDecision]:
    """The decision that stands for each crop, by its media id and number; none where nobody decided anything.

    Raises:
        RunError: The file is damaged.
    """
    return {decision.key: decision for batch in batches(folder) if not batch.is_undone for decision in batch.decisions}


def history(folder: str | Path, media_id: str, crop: int = WHOLE) -> list[ReviewDecision]:
    """All that was ever decided about a crop, the first decision first, undone ones too."""
    return [decision for batch in batches(folder) for decision in batch.decisions if decision.key == (media_id, crop)]


def batches(folder: str | Path) -> list[Batch]:
    """All batches in the order in which they were taken.

    Raises:
        RunError: The file is damaged.
    """
    taken: dict[str, list[ReviewDecision]] = {}
    undone = set()
    for where, line, _ in lines_from(Path(folder) / DECISIONS_FILE):
        name, decision = told_by(where, line)
        if decision is None:
            undone.add(name)
        else:
            taken.setdefault(name, []).append(decision)
    return [Batch(name, tuple(decisions), name in undone) for name, decisions in taken.items()]


def told_by(where: str, line: Mapping[str, Any]) -> tuple[str, ReviewDecision | None]:
    """The batch that a line speaks of, with the decision that it adds; None where it undoes the batch.

    Raises:
        RunError: It is no such line.
    """
    try:
        return (str(line["undoes"]), None) if "undoes" in line else (str(line["batch"]), _decision(line))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{where}: is no decision ({error}). Take the line out, or bring the file back from a copy.") from error


def append(folder: str | Path, decisions: Sequence[ReviewDecision]) -> str | None:
    """Keeps decisions as one batch, on the disk when this returns; gives the name of the batch, None for no decision.

    Raises:
        RunError: The file cannot be written.
    """
    if not decisions:
        return None
    batch = uuid.uuid4().hex
    _write(Path(folder), [{"batch": batch} | _line(decision) for decision in decisions])
    return batch


def undo(folder: str | Path, who: str) -> Batch | None:
    """Undoes the last batch that still stands, which is given back; None where there is none.

    Raises:
        RunError: The file is damaged or cannot be written.
    """
    standing = [batch for batch in batches(folder) if not batch.is_undone]
    if not standing:
        return None
    take_back(folder, standing[-1].name, who)
    return standing[-1]


def take_back(folder: str | Path, batch: str, who: str) -> None:
    """Undoes the batch of this name.

    Raises:
        RunError: The file cannot be written.
    """
    _write(Path(folder), [{"undoes": batch, "who": who, "when": datetime.now(UTC).isoformat(timespec="seconds")}])


def _write(folder: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Adds lines in one piece, after what is there. Subtle: a line that was cut off when the power failed is ended first."""
    path = folder / DECISIONS_FILE
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "backslashreplace")  # a stray byte as JSON escapes it
    try:
        if path.is_symlink():
            raise OSError(0, "it is a link to somewhere else")
        with path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                data = data if file.read(1) == b"\n" else b"\n" + data
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"{path}: the decisions cannot be kept ({error.strerror or error}). Free some space, or make the folder writable.") from error


def lines_from(path: Path, start: int = 0) -> Iterator[tuple[str, dict[str, Any], int]]:
    """The objects of the file from the byte `start` on, with where each stands and the byte after it.

    A line that is none was cut off when the machine stopped, before anybody was told that it is kept: it is passed over.

    Raises:
        RunError: The file cannot be read.
    """
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            file.seek(start)
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
                where = f"{path}, line {number}" if not start else f"{path}, line {number} after byte {start:,}"
                if len(line) > MAX_LINE_BYTES:
                    raise RunError(f"{where}: is longer than {MAX_LINE_BYTES >> 20} MiB, so it is no decision. Bring the file back from a copy.")
                found = _object(line)
                if found is not None:
                    yield where, found, file.tell()
                elif line.strip():
                    log.warning("%s: was not written to its end, and is passed over.", where)
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _line(decision: ReviewDecision) -> dict[str, Any]:
    told = {name: getattr(decision, name) for name in ("media_id", "crop", "verdict", "taxon", "rank", "lineage", "who", "when", "note")}
    return told | {"lineage": dict(decision.lineage), "when": decision.when.isoformat(timespec="seconds")}


def _decision(line: Mapping[str, Any]) -> ReviewDecision:
    when = datetime.fromisoformat(line["when"])
    if line["verdict"] not in VERDICTS or when.tzinfo is None or not isinstance(line["crop"], int):
        raise ValueError("its verdict, crop or time is none")
    lineage = {str(rank): str(name) for rank, name in (line.get("lineage") or {}).items()}
    words = {name: None if line.get(name) is None else str(line[name]) for name in ("taxon", "rank", "note")}
    return ReviewDecision(str(line["media_id"]), line["crop"], line["verdict"], str(line["who"]), when, lineage=lineage, **words)
