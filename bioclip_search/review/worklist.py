"""The crops of a run that need a person in the order in which people go through them: the largest doubt first, and behind each crop those like it.

What needs a person is `queue`'s to say, what looks alike `grouping`'s, what was decided `following`'s. One of these serves all who work
on the run; it stays as it is while they decide, so nobody's place moves. Memory: 40 bytes a crop that needs a person, the vectors of
`GROUPED` crops while it is made, and `KEPT` crops in full.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from bioclip_search.bursts.folder import read_sequences
from bioclip_search.detectors.repeats import read_repeats
from bioclip_search.review.decisions import WHOLE, ReviewDecision
from bioclip_search.review.grouping import groups_of_alike
from bioclip_search.review.queue import DEFAULT_TARGET, Doubt, doubts_at, weigh
from bioclip_search.review.rows import Rows
from bioclip_search.review.spared import mixed
from bioclip_search.runs.folder import Run
from bioclip_search.runs.table import EMBEDDING

Key = tuple[str, int]

GROUPED = 5000
"""Crops that are grouped by likeness, those of the largest doubt that nobody decided yet; a week's work. The others stand alone."""

KEPT, AHEAD = 512, 24
"""Crops that are held in full, and how many are read at once, those that come next along with the one that is asked for."""

MOST_OF_BURST = 8
"""Other pictures of a burst that are told: the nearest ones."""

NEAR_ROWS = 1000
"""Rows before and behind a crop among which its burst is looked for; a source lists the pictures of a camera together."""


_HEX = re.compile(r"[0-9a-f]{16}")


class Worklist:
    """Places 0, 1, … are the crops in the order of work; may be asked from several threads.

    Attributes:
        groups: (k,) int64, ascending: the group of each place.
        is_grouped: Whether the run keeps vectors, so that alike crops stand together.
    """

    def __init__(self, run: Run, target: float = DEFAULT_TARGET, standing: Mapping[Key, ReviewDecision] | None = None):
        """
        Args:
            standing: What was decided already; those crops come last.

        Raises:
            RunError: The run cannot be read.
        """
        self.run, self.target = run, target
        self._lock = threading.RLock()
        self._finder, self._sequences = Rows(run), read_sequences(run.folder)
        weighed = weigh(run, target, self._sequences, read_repeats(run.folder))
        is_done = _is_in(weighed.media, weighed.crops, standing or {})
        order = np.lexsort((-weighed.doubts, is_done))
        self.is_grouped = run.dim is not None
        self.groups = np.arange(len(order))
        if self.is_grouped:
            first = min(GROUPED, int((~is_done).sum()))
            self.groups[:first] = groups_of_alike(self._vectors(weighed.rows[order[:first]]))
            self.groups[first:] += len(order)
            together = np.argsort(self.groups, kind="stable")
            order, self.groups = order[together], self.groups[together]
        self._rows, self._media, self._crops = weighed.rows[order], weighed.media[order], weighed.crops[order]
        self._kept: OrderedDict[int, Doubt] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, place: int) -> Key:
        return f"{int(self._media[place]):016x}", int(self._crops[place])

    def place(self, key: Key) -> int | None:
        """Where a crop stands; None where it is not among these."""
        if not _HEX.fullmatch(key[0]):
            return None
        found = np.flatnonzero((self._media == np.uint64(int(key[0], 16))) & (self._crops == key[1]))
        return int(found[0]) if len(found) else None

    def decided(self, standing: Collection[Key]) -> np.ndarray:
        """Which places were decided, (k,) bool; a decision on the whole picture is one on each of its crops."""
        return _is_in(self._media, self._crops, standing)

    def next_open(self, closed: np.ndarray, after: int = -1) -> int | None:
        """The first place behind `after` that is not closed, (k,) bool; from the front again where there is none; None where all are closed."""
        open_places = np.flatnonzero(~closed)
        if not len(open_places):
            return None
        behind = open_places[open_places > after]
        return int(behind[0] if len(behind) else open_places[0])

    def alike(self, place: int) -> list[int]:
        """The places of the same group, this one too, in order."""
        low, high = np.searchsorted(self.groups, self.groups[place], side="left"), np.searchsorted(self.groups, self.groups[place], side="right")
        return list(range(int(low), int(high)))

    def doubt(self, place: int) -> Doubt:
        """The crop at a place, in full; those behind it are read along.

        Raises:
            RunError: The run cannot be read.
        """
        return self.doubts([place])[0]

    def doubts(self, places: Iterable[int]) -> list[Doubt]:
        """As `doubt`, of several."""
        places = list(places)
        with self._lock:
            missing = [place for place in places if place not in self._kept]
            if missing:
                ahead = range(missing[0], min(missing[0] + AHEAD, len(self)))
                wanted = np.array(sorted({*missing, *(place for place in ahead if place not in self._kept)}))
                read = doubts_at(self.run, self._rows[wanted], self.target, self._sequences, self._finder)
                self._kept.update(zip(wanted.tolist(), read, strict=True))
            found = [self._kept[place] for place in places]
            for place in places:
                self._kept.move_to_end(place)
            while len(self._kept) > max(KEPT, len(places)):
                self._kept.popitem(last=False)
        return found

    def burst(self, place: int) -> list[Doubt]:
        """Other crops of the pictures of the same burst, one a picture, the nearest in the order of the run first; none without bursts.

        Raises:
            RunError: The run cannot be read.
        """
        name = self._sequences.of(self.key(place)[0])
        members = set(self._sequences.members([name])) - {self.key(place)[0]} if name else set()
        if not members:
            return []
        row = int(self._rows[place])
        near = np.arange(max(0, row - NEAR_ROWS), min(len(self._finder), row + NEAR_ROWS + 1))
        rows: dict[str, int] = {}
        for here, table in self._finder.at(near, ("media_id", "crop", "rule")):
            for number, told in zip(here.tolist(), table.to_pylist(), strict=True):
                if told["media_id"] in members and told["rule"]:
                    rows.setdefault(told["media_id"], number)
        nearest = sorted(sorted(rows.values(), key=lambda number: abs(number - row))[:MOST_OF_BURST])
        return list(doubts_at(self.run, np.array(nearest, np.int64), self.target, self._sequences, self._finder))

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of these rows in their order, (n, dim) float16; zeros where none was kept."""
        found = np.zeros((len(rows), self.run.dim or 0), np.float16)
        by_row = np.argsort(rows)
        first = 0
        for here, table in self._finder.at(rows[by_row], (EMBEDDING,)):
            column = table.column(EMBEDDING).combine_chunks()
            is_there = np.asarray(column.is_valid())
            found[by_row[first : first + len(here)][is_there]] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, found.shape[1])
            first += len(here)
        return found


def _is_in(media: np.ndarray, crops: np.ndarray, keys: Collection[Key]) -> np.ndarray:
    """Whether each crop is among the keys, or its whole picture, (k,) bool."""
    known = [(name, crop) for name, crop in keys if _HEX.fullmatch(name) and WHOLE <= crop < 1 << 31]
    wanted_media = np.array([int(name, 16) for name, _ in known], np.uint64)
    wanted_crops = np.array([crop for _, crop in known], np.int32)
    is_whole = wanted_crops == WHOLE
    return np.isin(media, wanted_media[is_whole]) | np.isin(mixed(media, crops), mixed(wanted_media, wanted_crops))
