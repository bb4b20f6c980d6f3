"""The decisions about a run as they stand now, for several people who decide at once: what others added is read on from where it was read last.

How decisions are kept is left to `decisions`. One of these serves all who look at the run in this process; other processes may add to
the file meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from bioclip_search.review.decisions import DECISIONS_FILE, Batch, ReviewDecision, append, lines_from, take_back, told_by

Key = tuple[str, int]


class Following:
    """Follows the file of decisions in the folder of a run; may be asked from several threads."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._lock = threading.RLock()
        self._forget()

    def standing(self) -> dict[Key, ReviewDecision]:
        """As `standing_decisions`, the lines that are new alone being read. Do not change it.

        Raises:
            RunError: The file is damaged.
        """
        with self._lock:
            self._read_on()
            if self._standing is None:
                self._standing = {one.key: one for name, one in self._told if name not in self._undone}
            return self._standing

    def history(self, key: Key) -> list[tuple[ReviewDecision, bool]]:
        """All that was ever decided about a crop, the first decision first, and whether it was undone.

        Raises:
            RunError: The file is damaged.
        """
        with self._lock:
            self._read_on()
            return [(one, name in self._undone) for name, one in self._told if one.key == key]

    def add(self, decisions: Sequence[ReviewDecision]) -> list[ReviewDecision]:
        """Keeps decisions as one batch; gives those of other people that they now stand before.

        Raises:
            RunError: The file is damaged or cannot be written.
        """
        with self._lock:
            before = self.standing()
            append(self.folder, decisions)
            return [before[one.key] for one in decisions if one.key in before and before[one.key].who != one.who]

    def undo(self, who: str) -> Batch | None:
        """Undoes the last batch of this person that still stands; None where there is none.

        Raises:
            RunError: The file is damaged or cannot be written.
        """
        with self._lock:
            self._read_on()
            of_batch: dict[str, list[ReviewDecision]] = {}
            for name, one in self._told:
                if name not in self._undone:
                    of_batch.setdefault(name, []).append(one)
            last = next((name for name in reversed(of_batch) if all(one.who == who for one in of_batch[name])), None)
            if last is None:
                return None
            take_back(self.folder, last, who)
            return Batch(last, tuple(of_batch[last]), is_undone=True)

    def _forget(self) -> None:
        self._told: list[tuple[str, ReviewDecision]] = []
        self._undone: set[str] = set()
        self._standing: dict[Key, ReviewDecision] | None = None
        self._read, self._file = 0, None

    def _read_on(self) -> None:
        """Reads what is new. Subtle: a line without its end may still be on its way, so the next reading begins with it again."""
        path = self.folder / DECISIONS_FILE
        try:
            state = path.stat()
        except OSError:
            self._forget()
            return
        if (state.st_dev, state.st_ino) != self._file or state.st_size < self._read:
            self._forget()
            self._file = (state.st_dev, state.st_ino)
        if state.st_size == self._read:
            return
        self._standing = None
        for where, line, stop in lines_from(path, self._read):
            name, decision = told_by(where, line)
            if decision is None:
                self._undone.add(name)
            else:
                self._told.append((name, decision))
            self._read = stop
