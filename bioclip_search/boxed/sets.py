"""Pictures with the boxes that people drew on them, from COCO JSON or Parquet.

Reads boxes at once and pictures only as they are asked for; what is found in them is left to `detection`.

    COCO    images [{id, file_name}], annotations [{image_id, bbox [left, top, width, height], category_id, iscrowd}], categories
    Parquet image and objects {bbox [[left, top, width, height]], category}, or image and box_xyxy [left, top, right, bottom]
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.detect import is_wildlife
from bioclip_search.detectors.boxes import Box
from bioclip_search.errors import TableError
from bioclip_search.evaluation.label_tables import BOX, PARQUET_SUFFIXES, open_parquet
from bioclip_search.evaluation.labelled import NO_SPLIT, pictures_of_files

ORGANISM = "organism"
"""What a box is called where nothing is told of it."""

NO_ORGANISM = frozenset({"human", "people", "car", "empty", "blank", "nothing", "__ignore__"})
"""Categories that stand for no organism to be named, in lower case, besides those of `detect.NOT_WILDLIFE`."""

MAX_JSON_BYTES = 1 << 30
"""Largest COCO file read (1 GiB)."""


@dataclass(frozen=True)
class TrueBox:
    """One box that a person drew; `is_crowd` marks a region in which finds do not count."""

    box_xyxy: Box
    category: str
    is_crowd: bool = False


@dataclass(frozen=True, eq=False)
class BoxedSet:
    """n pictures with the boxes in each, which may be none.

    Attributes:
        parts: (n,) str; the split of each picture.
        pictures: Given which are wanted, (n,) bool, those pictures in order, as files or bytes.
        dropped: Boxes without an area or outside of what a picture can be, which are left out.
        bursts: (n,) object; the burst that a picture was taken in, by any name, None where it is not known; None: no picture tells. A split never parts one.
    """

    name: str
    boxes: tuple[tuple[TrueBox, ...], ...]
    parts: np.ndarray
    names: tuple[str, ...]
    pictures: Callable[[np.ndarray], Iterator[Any]]
    dropped: int = 0
    bursts: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.boxes)


def find_boxed_sets(places: Iterable[str | Path], images: Path | None = None) -> list[BoxedSet]:
    """The sets at the places: COCO files, Parquet files, folders of Parquet files, patterns with `*`. Each file is a set.

    Args:
        images: The folder from which a COCO file tells its pictures; by default that in which the file lies.

    Raises:
        TableError: A place has no such file, or a file lacks what is needed.
    """
    files = [file for place in places for file in _files_at(Path(place))]
    return [read_parquet_boxes(file) if file.suffix.lower() in PARQUET_SUFFIXES else read_coco(file, images) for file in files]


def read_coco(file: Path, images: Path | None = None) -> BoxedSet:
    """The set of a COCO file; pictures without annotations are in it, too, and boxes of people, vehicles and nothing are not.

    Raises:
        TableError: The file cannot be read, or is no COCO file.
    """
    content = _json(file)
    try:
        categories = {one["id"]: str(one["name"]) for one in content.get("categories", [])}
        rows = {one["id"]: number for number, one in enumerate(content["images"])}
        names = [str(one["file_name"]) for one in content["images"]]
        found: list[list[TrueBox]] = [[] for _ in rows]
        dropped = 0
        for one in content["annotations"]:
            category = categories.get(one.get("category_id"), ORGANISM)
            box = _from_corner(one["bbox"]) if one.get("bbox") is not None else None
            dropped += box is None and one.get("bbox") is not None
            if box is not None and is_organism(category):
                found[rows[one["image_id"]]].append(TrueBox(box, category, bool(one.get("iscrowd"))))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TableError(
            f"{file}: is no COCO file ({type(error).__name__}: {error}). Expected images with id and file_name, annotations with image_id and bbox, and categories."
        ) from error
    home = images or file.parent
    table = pa.table({"image": pa.array([str((home / name).absolute()) for name in names], pa.string()), "box_xyxy": pa.nulls(len(names), BOX)})
    return _set(file, found, [None] * len(names), names, table, dropped)


def read_parquet_boxes(file: Path) -> BoxedSet:
    """The set of a Parquet file with the columns image and objects, or image and box_xyxy.

    Raises:
        TableError: The file cannot be read, or lacks a column.
    """
    columns = open_parquet(file).schema_arrow.names
    if "image" not in columns or not {"objects", "box_xyxy"} & set(columns):
        raise TableError(f"{file}: has no columns image and objects (bbox, category), or image and box_xyxy; it has {', '.join(columns)}.")
    told = [name for name in ("objects", "box_xyxy", "split", "source_id", "category") if name in columns]
    rows = parquet.read_table(file, columns=told).to_pylist()
    found, dropped = [], 0
    for number, row in enumerate(rows, start=1):
        try:
            boxes = list(_boxes_of_row(row))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise TableError(
                f"{file}, row {number}: has no boxes that could be read ({type(error).__name__}: {error}). Expected objects with bbox, a list of "
                "[left, top, width, height], and category, as many; or box_xyxy, [left, top, right, bottom]."
            ) from error
        dropped += sum(box is None for box, _ in boxes)
        found.append([TrueBox(box, category) for box, category in boxes if box is not None and is_organism(category)])
    names = [row.get("source_id") or f"row {number}" for number, row in enumerate(rows, start=1)]
    table = pa.table({"image": pa.nulls(len(rows), pa.string()), "box_xyxy": pa.nulls(len(rows), BOX)})
    return _set(file, found, [row.get("split") for row in rows], names, table, dropped)


def _boxes_of_row(row: dict[str, Any]) -> Iterator[tuple[Box | None, str]]:
    """The boxes of a row with their categories; None for those without an area."""
    objects = row.get("objects")
    if objects is not None:
        corners = objects["bbox"] or []
        for corner, category in zip(corners, objects.get("category") or [ORGANISM] * len(corners), strict=True):
            yield _from_corner(corner), str(category)
    elif row.get("box_xyxy"):
        yield _checked(row["box_xyxy"]), str(row.get("category") or ORGANISM)


def is_organism(category: str) -> bool:
    """Whether boxes of a category count: all but people, vehicles and nothing.

    >>> [is_organism(category) for category in ("Procyon lotor", "Human", "vehicle", "empty")]
    [True, False, False, False]
    """
    return is_wildlife(category.lower()) and category.lower() not in NO_ORGANISM


def _set(file: Path, found: Sequence[Sequence[TrueBox]], parts: Sequence[str | None], names: Sequence[str], table: pa.Table, dropped: int) -> BoxedSet:
    return BoxedSet(
        name=file.stem,
        boxes=tuple(map(tuple, found)),
        parts=np.array([part or NO_SPLIT for part in parts], object),
        names=tuple(f"{file.stem}/{name}" for name in names),
        pictures=partial(pictures_of_files, ((file, table),)),
        dropped=dropped,
    )


def _from_corner(bbox: Sequence[float]) -> Box | None:
    left, top, width, height = map(float, bbox)
    return _checked((left, top, left + width, top + height))


def _checked(box_xyxy: Sequence[float]) -> Box | None:
    """The box, None if it has no area or a side that is no number."""
    left, top, right, bottom = map(float, box_xyxy)
    is_box = all(map(math.isfinite, (left, top, right, bottom))) and right > left and bottom > top
    return (left, top, right, bottom) if is_box else None


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
    ids = Counter(json.dumps(one.get("id")) for one in content.get("images", []) if isinstance(one, dict))
    doubled = [name for name, count in ids.items() if count > 1]
    if doubled:
        raise TableError(f"{file}: several of its images have the id {doubled[0]}. Each needs its own.")
    return content


def _files_at(place: Path) -> list[Path]:
    if has_magic(str(place)) and not place.exists():
        found = [Path(match) for match in sorted(glob(str(place)))]
    elif place.is_dir():
        found = sorted(file for file in place.iterdir() if file.suffix.lower() in PARQUET_SUFFIXES)
    else:
        found = [place]
    wrong = [file for file in found if file.suffix.lower() not in {".json", *PARQUET_SUFFIXES}]
    if wrong or not found:
        raise TableError(f"{wrong[0] if wrong else place}: is neither COCO (.json) nor Parquet. Pictures with boxes come as one of these.")
    return found
