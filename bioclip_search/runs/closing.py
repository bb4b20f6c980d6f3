"""What is done once all rows of a run are there: its counts, boxes to set aside, bursts and their answers.

How a box repeats is left to `detectors.repeats`, how the pictures of a burst come to one answer to `bursts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bioclip_search.errors import RunError
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.folder import Run, unwritable, write_note
from bioclip_search.runs.journal import Journal

NO_FUSION = "none"

FAILURES_TOLD = 1000
"""Failed pictures that `run.json` names; the rows name them all."""


@dataclass(frozen=True)
class Closing:
    """What is done with all rows in the end.

    Attributes:
        fusion: How the pictures of a burst come to one answer, by the names of `bursts`; None leaves bursts alone.
        gap_s: Longest time between two pictures of a burst.
        repeats: Whether boxes that stay in one place through a deployment are set aside.
    """

    fusion: str | None = None
    gap_s: float | None = None
    repeats: bool = True


def closing_for(fusion: str | None, gap_s: float | None, repeats: bool) -> Closing:
    """What is done in the end as a user says it: "none" leaves bursts alone, and where nothing is said they are fused the way that did best.

    Raises:
        RunError: There is no such way to fuse.
    """
    from bioclip_search.bursts.fusing import DEFAULT_METHOD
    from bioclip_search.bursts.fusion import METHODS

    if fusion not in (None, NO_FUSION, *METHODS):
        raise RunError(f"There is no way to fuse called {fusion!r}; there are {', '.join(METHODS)}, and {NO_FUSION}.")
    return Closing(None if fusion == NO_FUSION else fusion or DEFAULT_METHOD, gap_s, repeats)


def close_run(folder: Path, note: Mapping[str, Any], deciding: Deciding | None, closing: Closing | None) -> Run:
    """Finishes the run whose rows are all written, and says so in its note; without a way to decide, bursts are left alone.

    Raises:
        RunError: The folder cannot be written.
    """
    closing = closing or Closing()
    try:
        found, notes = _closed(Run(folder, note), deciding, closing)
    except OSError as error:
        raise unwritable(folder, error) from error
    if deciding is not None:
        restriction = deciding.everywhere.restriction
        notes = [*restriction.notes, *(f"Checklist: {name}" for name in restriction.unknown), *notes]
    told = {"notes": [*note["source"].get("notes", ()), *notes], "closing": asdict(closing), "finished": datetime.now(UTC).isoformat(timespec="seconds")}
    write_note(folder, dict(note) | told | {"counts": note["counts"] | found, "is_finished": True})
    return Run.open(folder)


def _closed(run: Run, deciding: Deciding | None, closing: Closing) -> tuple[dict[str, int], Sequence[str]]:
    """How many boxes were set aside and how many bursts there are, and what to tell of them."""
    from bioclip_search.bursts.folder import MEMBERS_FILE, SEQUENCES_FILE
    from bioclip_search.detectors.repeats import REPEATS_FILE, find_repeats, read_repeats

    found, notes = {}, ()
    if closing.repeats and run.note["settings"]["detector"]["name"] != "none":
        found["repeats"] = find_repeats(run)
    else:
        _remove(run, REPEATS_FILE)
    if closing.fusion is not None and deciding is not None:
        from bioclip_search.bursts import fuse

        gap = {} if closing.gap_s is None else {"gap_s": closing.gap_s}
        report = fuse(run, deciding.searcher, deciding.everywhere, method=closing.fusion, set_aside=read_repeats(run.folder), **gap)
        found |= {"sequences": report.sequences, "bursts": report.bursts}
        notes = report.notes
    else:
        _remove(run, SEQUENCES_FILE, MEMBERS_FILE)
    return found, notes


def _remove(run: Run, *names: str) -> None:
    """What an earlier end of the run told of its rows, and is not wished any more."""
    for name in names:
        (run.folder / name).unlink(missing_ok=True)


def tallied(journal: Journal) -> tuple[dict[str, int], list[dict[str, str]]]:
    """How many pictures and how many boxes of each kind there are, and the first of the failures."""
    rows: Counter[str] = Counter()
    failures: list[dict[str, str]] = []
    for image, status, error in journal.statuses():
        rows[status] += 1
        if error is not None and len(failures) < FAILURES_TOLD:
            failures.append({"image": image, "error": error})
    return {"pictures": journal.pictures(), **dict(sorted(rows.items()))}, failures
