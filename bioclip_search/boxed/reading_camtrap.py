"""The set of boxes in a Camtrap DP package: its media with the observations that have a box, their deployments and events.

The standard: https://camtrap-dp.tdwg.org/data (1.0): bboxX, bboxY, bboxWidth and bboxHeight are shares of the picture; observations that
share an eventID are one event, which is a burst here. A picture of which an animal is told without a box, in an observation of the
picture or of the event in which nothing else is told of it, is left out: where the animal is nobody knows.
Finding the media is left to `sources.camtrap_dp`, looking into them to `examining`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from bioclip_search.boxed.boxed_set import ORGANISM, BoxedSet, TrueBox, box_from_corner, is_organism, told_column
from bioclip_search.boxed.report import said
from bioclip_search.detectors.boxes import Box
from bioclip_search.errors import PictureError, TableError
from bioclip_search.evaluation.labelled import NO_SPLIT
from bioclip_search.images import size_of
from bioclip_search.media import Media, Video
from bioclip_search.sources.camtrap_dp import Package, package_media

ANIMAL = "animal"
NO_BOX = "{name}: left out {files}, for an animal is told of without a box there (the first is {first})"
UNTOLD = "{name}: left out {files}, for no observation tells what is seen there (the first is {first})"
NOT_HERE = "{name}: left out {files}: {first}"


@dataclass
class _Seen:
    """What the observations tell of a picture."""

    boxes: list[tuple[tuple[float, ...], str]] = field(default_factory=list)
    is_told: bool = False
    is_boxless: bool = False
    event: str | None = None


@dataclass(frozen=True, eq=False)
class _Found:
    """A picture of the package that is taken, and its row among all media that are named."""

    row: int
    media: Media
    seen: _Seen
    deployment: str | None


def read_package_boxes(package: Package) -> BoxedSet:
    """The set of a package; pictures that are told to be blank, or to show people or vehicles only, have no box.

    Raises:
        TableError: No observation of it has a box.
        SourceError: A table is missing or cannot be read.
    """
    seen_of = _observations(package)
    name = package.place.stem if package.is_zip else package.place.absolute().name
    if not any(seen.boxes for seen in seen_of.values()):
        raise TableError(
            f"{package.place}: no observation of this package has a box (bboxX, bboxY, bboxWidth, bboxHeight), so nothing tells where animals are."
        )
    found, left_out = [], {NO_BOX: [], UNTOLD: [], NOT_HERE: []}
    for row, (cells, media) in enumerate(package_media(package)):
        seen = seen_of.get(str(cells.get("mediaid")), _Seen())
        if isinstance(media, Video) or media.error:
            left_out[NOT_HERE].append(f"{media.image} ({'is a video' if isinstance(media, Video) else media.error})")
        elif not seen.is_told:
            left_out[UNTOLD].append(media.image)
        elif seen.is_boxless and not seen.boxes:
            left_out[NO_BOX].append(media.image)
        else:
            found.append(_Found(row, Media(media.image, facts=media.facts), _sized(seen, media), cells.get("deploymentid")))
    notes = tuple(words.format(name=name, files=said(len(several), "file"), first=several[0]) for words, several in left_out.items() if several)
    return _set(package, name, found, notes)


def _sized(seen: _Seen, media: Media) -> _Seen:
    """The same with its boxes in pixels; none where the picture's size cannot be read, for which `examining` tells why."""
    try:
        scale = np.tile(size_of(media.data if media.file is None else media.file), 2)
    except PictureError:
        return _Seen(event=seen.event)
    return _Seen([(tuple((np.array(shares) * scale).tolist()), category) for shares, category in seen.boxes], event=seen.event)


def _set(package: Package, name: str, found: Sequence[_Found], notes: tuple[str, ...]) -> BoxedSet:
    boxes: list[list[tuple[Box | None, str]]] = [[(box_from_corner(corner), category) for corner, category in one.seen.boxes] for one in found]
    return BoxedSet(
        name=name,
        boxes=tuple(tuple(TrueBox(box, category) for box, category in several if box is not None and is_organism(category)) for several in boxes),
        parts=np.array([NO_SPLIT] * len(found), object),
        names=tuple(f"{name}/{one.media.image}" for one in found),
        pictures=partial(_pictures, package, np.array([one.row for one in found], np.int64)),
        dropped=sum(box is None for several in boxes for box, _ in several),
        bursts=told_column(one.seen.event for one in found),
        deployments=told_column(one.deployment for one in found),
        taken=told_column(one.media.facts.timestamp for one in found),
        notes=notes,
    )


def _pictures(package: Package, rows: np.ndarray, wanted: np.ndarray) -> Iterator[object]:
    asked = set(rows[wanted].tolist())
    for row, (_, media) in enumerate(package_media(package)):
        if row in asked:
            yield media.data if media.file is None else media.file


def _observations(package: Package) -> Mapping[str, _Seen]:
    """What is told of each picture, by its mediaID."""
    found: dict[str, _Seen] = {}
    for row in package.rows("observations"):
        if row.get("mediaid") is None:
            continue
        seen = found.setdefault(str(row["mediaid"]), _Seen())
        seen.is_told = True
        seen.event = seen.event or row.get("eventid")
        shares = _shares(row)
        if shares is not None:
            kind = row.get("observationtype") or ANIMAL
            seen.boxes.append((shares, row.get("scientificname") or ORGANISM if kind == ANIMAL else kind))
        elif row.get("observationtype") == ANIMAL:
            seen.is_boxless = True
    return found


def _shares(row: Mapping[str, str | None]) -> tuple[float, ...] | None:
    try:
        return tuple(float(row.get(side) or "") for side in ("bboxx", "bboxy", "bboxwidth", "bboxheight"))
    except ValueError:
        return None
