"""Which burst labelled pictures were taken in, as their table, their files or their run tell; rows that a split must not part.

Reads no pixels. What a table tells is left to `taken`, what a file tells to `exif`, what lies near enough in time to `bursts.sequences`, splitting to `splits`.

The rules, for every picture the first that holds:

1. The table names its sequence, burst or event: pictures of one name, at one station where it tells stations, are one burst.
2. The table tells when it was taken: pictures of one station (else of one folder) that follow one another within the gap are one burst.
3. The table tells its station and only the day: the pictures of that day there are one burst.
4. Nothing is told, and it is a file: as rule 2, with the time and the camera of its EXIF, its folder standing for the station. That opens
   every file, so it is done where a split is made (`bursts_of`), not where labels are read.

Of a folder the parts train, val and test are left out, or no burst would ever be seen to lie in two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from bioclip_search.bursts.sequences import GAP_S, NO_OFFSET, Pictures, group
from bioclip_search.evaluation.label_folders import SPLITS
from bioclip_search.exif import facts_of
from bioclip_search.images import open_file, open_header
from bioclip_search.splits.straddling import kept_whole
from bioclip_search.splits.together import groups_of

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
    paths = labelled.paths()
    facts = [None if path is None else _facts(path) for path in paths]
    timed = [row for row, told in enumerate(facts) if told is not None and told.timestamp is not None]
    if not timed:
        return None
    names = np.full(len(paths), None, object)
    places = [f"{facts[row].camera} {_folder(str(paths[row]))}" for row in timed]
    names[timed] = _by_time(places, [facts[row].timestamp for row in timed])
    return names


def groups_in(pictures: LabelledSet | EmbeddedSet, *, copies: bool = True) -> np.ndarray:
    """The group of each picture, (n,) int64, that no split may part: bursts, and crops of one picture.

    Args:
        copies: Pictures whose vectors are equal as well, where there are vectors; not needed once repeats are left out.
    """
    vectors = getattr(pictures, "vectors", None) if copies else None
    contents = None if vectors is None else [row.tobytes() for row in vectors]
    return groups_of(len(pictures), bursts=pictures.bursts, picture_of_row=pictures.picture_of_row, contents=contents)


def with_whole_bursts(labelled: LabelledSet, *, mend: bool = False) -> LabelledSet:
    """The set with its bursts, none of them in two parts: as it came, or mended and told in its notes.

    Files are opened for their bursts only where the set has several parts.

    Raises:
        TableError: A burst lies in two parts and is not to be mended; says which, and what to do.
    """
    if len(set(labelled.parts.tolist())) <= 1:
        return labelled
    known = replace(labelled, bursts=bursts_of(labelled))
    parts, notes = kept_whole(known.parts, groups_in(known), mend=mend, names=known.names)
    return replace(known, parts=parts, notes=(*known.notes, *(f"{known.name}: {note}" for note in notes)))


def _folder(image: str | None) -> str:
    """The folder of a picture without the names of parts."""
    return "/".join(part for part in PurePosixPath((image or "").replace("\\", "/")).parts[:-1] if part.lower() not in SPLITS)


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


def _facts(path: Path) -> Any:
    """What the EXIF of a file tells; None of what cannot be opened, which is told where its pixels are wanted."""
    try:
        with open_file(path) as (file, _):
            return facts_of(open_header(file))
    except Exception:  # Subtle: a damaged file makes Pillow's readers raise nearly anything
        return None
