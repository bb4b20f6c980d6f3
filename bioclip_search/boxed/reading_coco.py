"""The set of boxes in a COCO file, or in one of COCO Camera Traps, which adds places, times and bursts.

    images      [{id, file_name, width, height, location, seq_id, datetime, split}], of which the first two are needed
    annotations [{image_id, bbox [left, top, width, height] in pixels, category_id, iscrowd}]
    categories  [{id, name}]

After https://cocodataset.org/#format-data and agentmorris/MegaDetector, megadetector/data_management/README.md ("COCO Camera Traps
format"); `split` is this program's own. A picture of which an organism is told without a box is left out: it is no picture of
nothing, and where the organism is nobody knows. Looking into the pictures is left to `examining`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.boxed.boxed_set import ORGANISM, BoxedSet, TrueBox, box_from_corner, flagged_column, is_organism, kept, pictures_at, told_column
from bioclip_search.boxed.report import said
from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import NO_SPLIT
from bioclip_search.sources.cells import moment_of
from bioclip_search.sources.paths import locate_inside

MAX_JSON_BYTES = 1 << 30
"""Largest COCO file read (1 GiB)."""

WITHOUT_BOX = "{name}: left out {pictures}, for an organism is told of without a box there (the first is {first})"
MERGED = "{name}: {pictures} named twice; the boxes of both were put together (the first is {first})"

_PART_IN_NAME = re.compile(r"(?:^|[^a-z])(train|val|test)(?:ing|id|idation)?(?:\d{4})?$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class _Content:
    """What a COCO file tells: its images, each file once, the row of each id, and the boxes of each row."""

    images: Sequence[Mapping[str, Any]]
    boxes: Sequence[tuple[TrueBox, ...]]
    boxless: np.ndarray
    dropped: int
    merged: Sequence[str]
    categories: tuple[str, ...]


def read_coco(file: Path, images: Path | None = None) -> BoxedSet:
    """The set of a COCO file; pictures without annotations are in it, too, and boxes of people, vehicles and nothing are not.

    Args:
        images: The folder from which its pictures are told; by default that in which the file lies.

    Raises:
        TableError: The file cannot be read, is no COCO file, or names a picture outside the folder.
    """
    told = _json(file)
    try:
        content = _content(told)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise TableError(
            f"{file}: is no COCO file ({type(error).__name__}: {error}). Expected images with id and file_name, annotations with image_id and bbox, and categories."
        ) from error
    whole = _set(file, content, images or file.parent)
    return whole if not content.boxless.any() else kept(whole, ~content.boxless)


def part_in_name(stem: str) -> str:
    """The part that the name of a file or folder tells, "all" if none.

    >>> [part_in_name(stem) for stem in ("instances_train2017", "val", "my-validation", "latest")]
    ['train', 'val', 'val', 'all']
    """
    found = _PART_IN_NAME.search(stem)
    return found[1].lower() if found else NO_SPLIT


def places_inside(names: Sequence[str], root: Path, file: Path) -> list[Path]:
    """Where the pictures of these names are, below a folder.

    Raises:
        TableError: A name leads out of the folder, or is none.
    """
    places = []
    for name in names:
        try:
            places.append(locate_inside(name, root)[1].absolute())
        except ValueError as error:
            raise TableError(f"{file}: the picture {name!r} {error}. Name pictures by their path below {root}, or give their folder with --images.") from error
    return places


def _content(told: Mapping[str, Any]) -> _Content:
    name_of = {one["id"]: str(one["name"]) for one in told.get("categories", [])}
    rows: dict[Any, int] = {}
    row_of_name: dict[str, int] = {}
    images, merged = [], []
    for one in told["images"]:
        name = str(one["file_name"])
        rows[one["id"]] = row = row_of_name.setdefault(name, len(row_of_name))
        if row < len(images):
            merged.append(name)
        else:
            images.append(one)
    found: list[list[TrueBox]] = [[] for _ in images]
    boxless, dropped = np.zeros(len(images), bool), 0
    for one in told["annotations"]:
        category, row = name_of.get(one.get("category_id"), ORGANISM), rows[one["image_id"]]
        if one.get("bbox") is None:
            boxless[row] |= is_organism(category)
            continue
        box = box_from_corner(one["bbox"])
        dropped += box is None
        if box is not None and is_organism(category):
            found[row].append(TrueBox(box, category, bool(one.get("iscrowd"))))
    boxless &= [not several for several in found]
    return _Content(images, tuple(map(tuple, found)), boxless, dropped, merged, tuple(name for name in name_of.values() if is_organism(name)))


def _set(file: Path, content: _Content, home: Path) -> BoxedSet:
    images, part = content.images, part_in_name(file.stem)
    names = [str(one["file_name"]) for one in images]
    sizes = np.array([[side_px(one.get(side)) for side in ("width", "height")] for one in images], np.int64).reshape(-1, 2)
    boxless = [name for name, is_boxless in zip(names, content.boxless, strict=True) if is_boxless]
    told = ((WITHOUT_BOX, boxless), (MERGED, content.merged))
    return BoxedSet(
        name=file.stem,
        boxes=tuple(content.boxes),
        parts=np.array([str(one.get("split") or part) for one in images], object),
        names=tuple(f"{file.stem}/{name}" for name in names),
        pictures=partial(pictures_at, places_inside(names, home, file)),
        dropped=content.dropped,
        bursts=told_column(_sequence(one) for one in images),
        deployments=told_column(one.get("location") for one in images),
        taken=told_column(moment_of(one.get("datetime") or one.get("date_captured")) for one in images),
        categories=content.categories,
        sizes_wh=sizes if sizes.any() else None,
        silver=flagged_column(one.get("silver") is True for one in images),
        notes=tuple(words.format(name=file.stem, pictures=said(len(several), "picture"), first=several[0]) for words, several in told if several),
    )


def _sequence(image: Mapping[str, Any]) -> str | None:
    """The name of its burst, which some sets number anew at every place."""
    sequence, location = image.get("seq_id"), image.get("location")
    if sequence in (None, "") or location in (None, "") or str(sequence).startswith(str(location)):
        return None if sequence is None else str(sequence)
    return f"{location}: {sequence}"


def side_px(value: Any) -> int:
    """The side of a picture as a file tells it, 0 where that can be none."""
    return int(value) if isinstance(value, int | float) and 0 < value < 1 << 31 else 0


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            raise TableError(f"{file}: is larger than {MAX_JSON_BYTES >> 20} MiB. Split it.")
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise TableError(f"{file}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"{file}: is no JSON ({str(error).splitlines()[0]}).") from error
    if not isinstance(content, dict):
        raise TableError(f"{file}: is no COCO file. Expected an object with images, annotations and categories.")
    images = content.get("images")
    ids = Counter(json.dumps(one.get("id")) for one in (images if isinstance(images, list) else ()) if isinstance(one, dict))
    doubled = [name for name, count in ids.items() if count > 1]
    if doubled:
        raise TableError(f"{file}: several of its images have the id {doubled[0]}. Each needs its own.")
    return content
