"""Which burst labelled pictures were taken in, as their table, their files or their run tell; rows that a split must not part.

Reads no pixels. What a table tells is left to `taken`, what a file tells to `exif`, what lies near enough in time to `bursts.sequences`, splitting to `splits`.

The rules, for every picture the first that holds:

1. The table names its sequence, burst or event: pictures of one name, at one station where it tells stations, are one burst.
2. The table tells when it was taken: pictures of one station (else of one folder) that follow one another within the gap are one burst.
3. The table tells its station and only the day: the pictures of that day there are one burst.
4. Nothing is told, and it is a file: as rule 2, with the time and the camera of its EXIF, its folder standing for the station. That opens
   every file, so it is done where a split is made (`bursts_of`), not where labels are read.
5. Of several sets, rules 2 and 4 hold through all of them, with the folders on disk. A sequence of one name is one burst in two sets if the
   tables lie in one folder, or tell one day; the pictures of a day if they lie in one folder. Else they are two, for two projects may count from 1.

Of a folder the parts train, val and test are left out, or no burst would ever be seen to lie in two of them.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from bioclip_search.bursts.sequences import GAP_S, NO_OFFSET, Pictures, group
from bioclip_search.evaluation.label_folders import SPLITS
from bioclip_search.exif import facts_of
from bioclip_search.images import open_file, open_header
from bioclip_search.splits.straddling import find_straddling, kept_whole
from bioclip_search.splits.together import as_one, groups_of, pictures_as_one

if TYPE_CHECKING:
    from bioclip_search.evaluation.labelled import LabelledSet
    from bioclip_search.evaluation.picture_vectors import EmbeddedSet

_DAY_LETTERS = 10
"""Of a day alone in ISO 8601, 2024-05-01."""


def burst_names(
    sequences: Sequence[str | None], stations: Sequence[str | None], taken: Sequence[str | None], images: Sequence[str | None]
) -> np.ndarray | None:
    """The burst of each picture by rules 1 to 3, (n,) object, None where it is not known; None where no picture tells.

    Args:
        images: Where each picture is, for its folder.

    >>> burst_names([None] * 3, ["A"] * 3, ["2024-05-01T06:00:00", "2024-05-01T06:00:50", "2024-05-01T07:00:00"], [None] * 3).tolist()
    ['station A, 2024-05-01T06:00:00', 'station A, 2024-05-01T06:00:00', 'station A, 2024-05-01T07:00:00']
    """
    names = np.full(len(sequences), None, object)
    for row, (sequence, station, when) in enumerate(zip(sequences, stations, taken, strict=True)):
        if sequence is not None:
            names[row] = f"{station or ''}: {sequence}"
        elif station is not None and when is not None and len(when) == _DAY_LETTERS:
            names[row] = f"{station} on {when}"
    timed = [row for row, when in enumerate(taken) if names[row] is None and when is not None and len(when) > _DAY_LETTERS]
    places = [f"station {stations[row]}" if stations[row] is not None else f"folder {_folder(images[row])}" for row in timed]
    names[timed] = _by_time(places, [datetime.fromisoformat(taken[row]) for row in timed])
    return names if any(name is not None for name in names) else None


def bursts_of(labelled: LabelledSet) -> np.ndarray | None:
    """The burst of each picture, as `LabelledSet.bursts`; where labels tell none, by the EXIF of the files (rule 4), which are all opened."""
    if labelled.bursts is not None or labelled.paths is None:
        return labelled.bursts
    timed = _timed_files(labelled.paths())
    if not timed:
        return None
    names = np.full(len(labelled), None, object)
    names[list(timed)] = _by_time(*zip(*timed.values(), strict=True))
    return names


def with_bursts(sets: Sequence[LabelledSet]) -> list[LabelledSet]:
    """The sets with the burst of each picture by all rules; one whose frames stand in two sets has one name in both, and two have never one.

    The files of sets whose labels tell no bursts are all opened.
    """
    if all(labelled.is_through_sets for labelled in sets):
        return list(sets)
    if len(sets) == 1:
        return [replace(labelled, bursts=bursts_of(labelled)) for labelled in sets]
    clues = _Clues()
    for number, labelled in enumerate(sets):
        clues.take(labelled, number)
    names = clues.names()
    ends = np.cumsum([len(labelled) for labelled in sets])
    several = np.split(names, ends[:-1])
    found = [of if any(name is not None for name in of) else None for of in several]
    return [replace(one, bursts=of, is_through_sets=True) for one, of in zip(sets, found, strict=True)]


def groups_in(pictures: LabelledSet | EmbeddedSet, *, copies: bool = True) -> np.ndarray:
    """The group of each picture, (n,) int64, that no split may part: bursts, and crops of one picture.

    Args:
        copies: Pictures whose vectors are equal as well, where there are vectors; not needed once repeats are left out.
    """
    vectors = getattr(pictures, "vectors", None) if copies else None
    contents = None if vectors is None else [row.tobytes() for row in vectors]
    return groups_of(len(pictures), bursts=pictures.bursts, picture_of_row=pictures.picture_of_row, contents=contents)


def with_whole_bursts(sets: Sequence[LabelledSet], *, mend: bool = False) -> list[LabelledSet]:
    """The sets with their bursts, none of them in two parts, be it of one set or of two: as they came, or mended and told in the notes.

    Files are opened for their bursts only where there are several parts.

    Raises:
        TableError: A burst lies in two parts and is not to be mended; says which, and what to do.
    """
    return whole_parts(with_bursts(sets), mend=mend) if _is_split(sets) else list(sets)


def whole_parts(known: Sequence[LabelledSet], *, mend: bool = False) -> list[LabelledSet]:
    """The same for sets as `with_bursts` gives them."""
    parts, notes = kept_whole(_parts(known), groups_in_sets(known), mend=mend, names=_names(known))
    if len(known) == 1:
        notes = tuple(f"{known[0].name}: {note}" for note in notes)
    ends = np.cumsum([len(labelled) for labelled in known])
    found = [replace(labelled, parts=several) for labelled, several in zip(known, np.split(parts, ends[:-1]), strict=True)]
    return [replace(found[0], notes=(*found[0].notes, *notes)), *found[1:]]


def with_parted_bursts_told(sets: Sequence[LabelledSet]) -> list[LabelledSet]:
    """The sets as they are, for a measure that teaches nothing; bursts that lie in two parts are told in the notes of the first."""
    if not _is_split(sets):
        return list(sets)
    known = with_bursts(sets)
    parts = _parts(known)
    told = find_straddling(parts, groups_in_sets(known)).told(parts, _names(known))
    if not told:
        return known
    note = f"{told} Nothing is taught here; but if the index was taught some of them, by its head or its encoder, the figures of the others are too good."
    return [replace(known[0], notes=(*known[0].notes, note)), *known[1:]]


def groups_in_sets(known: Sequence[LabelledSet]) -> np.ndarray:
    """The group of each picture of all sets, (n,) int64, that no split may part: bursts, crops of one picture, and one file in two sets."""
    sizes = list(map(len, known))
    bursts, pictures = as_one([one.bursts for one in known], sizes), pictures_as_one([one.picture_of_row for one in known], sizes)
    files = [None if path is None else os.path.abspath(path) for one in known for path in _paths(one)] if len(known) > 1 else None
    return groups_of(sum(sizes), bursts=bursts, picture_of_row=pictures, contents=files)


def _is_split(sets: Sequence[LabelledSet]) -> bool:
    return len({part for labelled in sets for part in labelled.parts.tolist()}) > 1


def _parts(sets: Sequence[LabelledSet]) -> np.ndarray:
    return np.concatenate([labelled.parts for labelled in sets])


def _names(sets: Sequence[LabelledSet]) -> list[str]:
    return [name for labelled in sets for name in labelled.names]


def _paths(labelled: LabelledSet) -> list[Path | None]:
    return [None] * len(labelled) if labelled.paths is None else labelled.paths()


@dataclass(eq=False)
class _Clues:
    """What is told of the bursts of all pictures of several sets.

    Attributes:
        keys: Those of one key are one burst; None where nothing is told, and until all times are known.
        days: A sequence at a station on a day, which holds wherever its table lies (rule 5).
        timed: The place and the moment of the rows that times tell of.
    """

    keys: list[Hashable | None] = field(default_factory=list)
    days: list[Hashable | None] = field(default_factory=list)
    timed: dict[int, tuple[str, datetime]] = field(default_factory=dict)

    def take(self, labelled: LabelledSet, number: int) -> None:
        first = len(self.keys)
        self.keys += [None] * len(labelled)
        self.days += [None] * len(labelled)
        if labelled.bursts is None:
            self.timed |= {first + row: told for row, told in _timed_files(_paths(labelled)).items()}
        elif labelled.taken is None:
            self.keys[first:] = [None if name is None else (number, name) for name in labelled.bursts.tolist()]
        else:
            for row, told in enumerate(labelled.taken(), start=first):
                self._take_row(row, *told)

    def _take_row(self, row: int, sequence: str | None, station: str | None, when: str | None, image: str | None, home: str) -> None:
        """Rules 1 to 3."""
        project = _project(home)
        if sequence is not None:
            self.keys[row] = ("sequence", project, station, sequence)
            self.days[row] = None if when is None else (station, sequence, when[:_DAY_LETTERS])
        elif when is not None and len(when) > _DAY_LETTERS:
            place = f"station {station}" if station is not None else f"folder {_folder(image) if image else project}"
            self.timed[row] = (place, datetime.fromisoformat(when))
        elif when is not None and station is not None:
            self.keys[row] = ("day", project, station, when)

    def names(self) -> np.ndarray:
        """The burst of each picture of all sets, (n,) object, a number; None where it is not known."""
        if self.timed:
            for row, name in zip(self.timed, _by_time(*zip(*self.timed.values(), strict=True)), strict=True):
                self.keys[row] = ("time", name)
        groups = groups_of(len(self.keys), bursts=self.keys, contents=self.days)
        return np.array([None if key is None else group for key, group in zip(self.keys, groups.tolist(), strict=True)], object)


def _folder(image: str | None) -> str:
    """The folder of a picture without the names of parts."""
    return "/".join(part for part in PurePosixPath((image or "").replace("\\", "/")).parts[:-1] if part.lower() not in SPLITS)


@lru_cache(maxsize=16)
def _project(home: str) -> str:
    """The folder of a table likewise; the same for all of its rows."""
    return _folder(f"{home}/table")


def _by_time(places: Sequence[str], moments: Sequence[datetime]) -> list[str]:
    """The burst of each picture by `bursts.sequences`, named after its place and first moment."""
    offsets = [moment.utcoffset() for moment in moments]
    numbers: dict[str, int] = {}
    pictures = Pictures(
        ids=np.arange(len(places), dtype=np.uint64),
        groups=np.array([numbers.setdefault(place, len(numbers)) for place in places], np.int32),
        times_ms=np.array([round(_seconds(moment) * 1000) for moment in moments], np.int64),
        offsets_min=np.array([NO_OFFSET if offset is None else round(offset.total_seconds() / 60) for offset in offsets], np.int16),
        frames=np.full(len(places), -1, np.int32),
        deployments=np.full(len(places), -1, np.int32),
        names=(),
    )
    found = group(pictures, GAP_S)
    return [f"{places[first]}, {moments[first].isoformat()}" for first in found.first[found.of].tolist()]


def _seconds(moment: datetime) -> float:
    """Since 1970, of the local clock where no zone is told."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _timed_files(paths: Sequence[Path | None]) -> dict[int, tuple[str, datetime]]:
    """The place (camera and folder) and the moment of the rows whose files tell when they were taken (rule 4)."""
    facts = {row: told for row, path in enumerate(paths) if path is not None and (told := _facts(path)) is not None and told.timestamp is not None}
    return {row: (f"{told.camera} {_folder(os.path.abspath(paths[row]))}", told.timestamp) for row, told in facts.items()}


def _facts(path: Path) -> Any:
    """What the EXIF of a file tells; None of what cannot be opened, which is told where its pixels are wanted."""
    try:
        with open_file(path) as (file, _):
            return facts_of(open_header(file))
    except Exception:  # Subtle: a damaged file makes Pillow's readers raise nearly anything
        return None
