"""The set of boxes in a YOLO folder: pictures in folders called images, and beside them labels, a text file for each picture.

    data.yaml    train, val, test: folders or lists of pictures, told from `path` or from where the file lies; names: of the classes
    images/…     pictures, of which those below a folder train, val or test are in that part; or train/images/… and so on
    labels/…     the same path with labels for images: lines of "class x_center y_center width height", shares of the upright picture
    silver.txt   ours: the pictures whose boxes a detector drew, a path in each line, told from where the file lies; they never judge

After https://docs.ultralytics.com/datasets/detect; a polygon (https://docs.ultralytics.com/datasets/segment) is taken as the box around it.
A picture without a file of labels is one of nothing. Looking into the pictures is left to `examining`; here only their headers are read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.boxed.boxed_set import SILVER_LIST, BoxedSet, TrueBox, checked_box, flagged_column, is_organism, pictures_at
from bioclip_search.boxed.reading_coco import part_in_name
from bioclip_search.boxed.report import said
from bioclip_search.detectors.boxes import Box
from bioclip_search.errors import PictureError, TableError
from bioclip_search.evaluation.labelled import NO_SPLIT
from bioclip_search.images import size_of
from bioclip_search.sources.paths import is_picture, locate, locate_inside

IMAGES, LABELS = "images", "labels"
YAML_SUFFIXES = frozenset({".yaml", ".yml"})
PARTS = ("train", "val", "test")
CLASSES_FILE = "classes.txt"

MAX_YAML_BYTES, MAX_LABEL_BYTES, MAX_LIST_BYTES = 1 << 20, 1 << 24, 1 << 28
"""Largest file of settings, of one picture's labels, and of a list of pictures."""

ODD_LINES = "{name}: passed over {lines} of labels that are no box, the first {first}. Expected: class x_center y_center width height, shares from 0 to 1"
TORN = "{name}: {pictures} named in two parts of the split, and taken for the first (the first is {first})"
NAMELESS = "{name}: its classes have no names, for there is no data.yaml and no classes.txt; they are called class 0 and so on"

BOX_FIELDS = (5, 6)
"""A line of a box: the class and four shares, and in a file of predictions how sure they are. Longer ones are polygons."""


MOST_SHARE = 1e6
"""A share of the picture beyond this, where 1 is all of it, is no slip but nonsense."""


@dataclass(frozen=True)
class _Listed:
    """A picture of the folder, what it is called, and its part."""

    file: Path
    name: str
    part: str


def is_yolo(folder: Path) -> bool:
    """Whether a folder holds labels as YOLO has them: a data.yaml, or folders images and labels, also of each part."""
    return bool(_settings_in(folder)) or any((home / IMAGES).is_dir() and (home / LABELS).is_dir() for home in (folder, *_parts_in(folder)))


def read_yolo(place: Path) -> BoxedSet:
    """The set of a folder, or of its data.yaml; every picture in it, in the order of parts and names.

    Raises:
        TableError: There are no pictures, the settings cannot be read, or lead out of the folder.
    """
    settings = place if place.is_file() else next(iter(_settings_in(place)), None)
    folder = settings.parent if settings else place
    told = _settings(settings) if settings else {}
    names = _class_names(told, folder)
    listed = list(_told_pictures(told, settings) if settings else _pictures_in(folder, folder, NO_SPLIT))
    if not listed:
        raise TableError(f"{place}: there are no pictures. Expected a folder {IMAGES} beside a folder {LABELS}, or a data.yaml that tells where they are.")
    first: dict[Path, _Listed] = {}
    torn = [one for one in listed if first.setdefault(one.file, one).part != one.part]
    return _set(
        folder,
        list(first.values()),
        names,
        (TORN.format(name=folder.absolute().name, pictures=said(len(torn), "picture"), first=torn[0].name),) if torn else (),
    )


def _set(folder: Path, listed: list[_Listed], names: Mapping[int, str], notes: tuple[str, ...]) -> BoxedSet:
    boxes, sizes, odd, dropped = [], [], [], 0
    for one in listed:
        try:
            size_wh = size_of(one.file)
        except PictureError:
            size_wh = (0, 0)  # `examining` tells why; without a size no share of it is a place
        found = [] if size_wh == (0, 0) else list(_boxes_of(one.file, size_wh, names, odd))
        dropped += sum(box is None for box, _ in found)
        boxes.append(tuple(TrueBox(box, category) for box, category in found if box is not None and is_organism(category)))
        sizes.append(size_wh)
    name, silver = folder.absolute().name, frozenset(_lines_of(folder / SILVER_LIST, "path") if (folder / SILVER_LIST).is_file() else ())
    notes += (ODD_LINES.format(name=name, lines=said(len(odd), "line"), first=odd[0]),) if odd else ()
    return BoxedSet(
        name=name,
        boxes=tuple(boxes),
        parts=np.array([one.part for one in listed], object),
        names=tuple(f"{name}/{one.name}" for one in listed),
        pictures=partial(pictures_at, [one.file for one in listed]),
        dropped=dropped,
        categories=tuple(name for name in names.values() if is_organism(name)),
        sizes_wh=np.array(sizes, np.int64).reshape(-1, 2),
        silver=flagged_column(one.name in silver for one in listed),
        notes=notes if names else (*notes, NAMELESS.format(name=name)),
    )


def label_file(picture: Path) -> Path:
    """Where the labels of a picture are: under `labels` where it is under `images`, else beside it.

    >>> label_file(Path("set/images/train/a.jpg")).as_posix()
    'set/labels/train/a.txt'
    """
    parts = list(picture.parts[:-1])
    if IMAGES in parts:
        place = len(parts) - 1 - parts[::-1].index(IMAGES)
        parts[place] = LABELS
    return Path(*parts, f"{picture.stem}.txt")


def _boxes_of(picture: Path, size_wh: tuple[int, int], names: Mapping[int, str], odd: list[str]) -> Iterator[tuple[Box | None, str]]:
    """The boxes in the labels of a picture with their categories; None for one without an area."""
    file = label_file(picture)
    try:
        if file.stat().st_size > MAX_LABEL_BYTES:
            raise TableError(f"{file}: is larger than {MAX_LABEL_BYTES >> 20} MiB, which the labels of one picture are not.")
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            kind, box = _parsed(line.split(), size_wh)
        except ValueError:
            odd.append(f"{file}, line {number}: {line[:60]}")
            continue
        yield box, names.get(kind, f"class {kind}")


def _parsed(cells: list[str], size_wh: tuple[int, int]) -> tuple[int, Box | None]:
    """Raises: ValueError: it is no line of labels."""
    kind, shares = float(cells[0]), np.array(cells[1:], np.float64)
    if not 0 <= kind < math.inf or len(cells) < min(BOX_FIELDS) or not (np.abs(shares) <= MOST_SHARE).all():
        raise ValueError("no class and box")
    kind = int(kind)
    scale = np.tile(np.array(size_wh, np.float64), 2)
    if len(cells) in BOX_FIELDS:
        middle, extent = shares[:2], shares[2:4]
        return kind, checked_box((np.concatenate([middle - extent / 2, middle + extent / 2]) * scale).tolist())
    if len(shares) % 2:
        raise ValueError("half a point of a polygon")
    points = shares.reshape(-1, 2)
    return kind, checked_box((np.concatenate([points.min(axis=0), points.max(axis=0)]) * scale).tolist())


def _settings_in(folder: Path) -> list[Path]:
    """The files of settings in the folder that tell classes and parts, data.yaml first."""
    found = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in YAML_SUFFIXES] if folder.is_dir() else []
    found.sort(key=lambda file: file.stem != "data")
    return [file for file in found if is_yolo_settings(file)]


def is_yolo_settings(file: Path) -> bool:
    """Raises: TableError: it is called data.yaml, and is broken."""
    try:
        told = _settings(file)
    except TableError:
        if file.stem == "data":
            raise  # where it is broken, its folder must not be read without its names
        return False
    return "names" in told and bool({"train", "val", "test"} & set(told))


def _settings(file: Path) -> dict[str, Any]:
    import yaml

    try:
        if file.stat().st_size > MAX_YAML_BYTES:
            raise TableError(f"{file}: is larger than {MAX_YAML_BYTES >> 20} MiB, which no file of settings is.")
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TableError(f"{file}: cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TableError(f"{file}: is no YAML ({str(error).splitlines()[0]}).") from error
    if not isinstance(told, dict):
        raise TableError(f"{file}: is no data.yaml. Expected train, val and names.")
    return told


def _class_names(told: Mapping[str, Any], folder: Path) -> dict[int, str]:
    names = told.get("names")
    if names is None and (folder / CLASSES_FILE).is_file():
        names = _lines_of(folder / CLASSES_FILE, "class")
    try:
        return {int(key): _word(name) for key, name in (names.items() if isinstance(names, dict) else enumerate(names or []))}
    except (TypeError, ValueError, OverflowError) as error:
        raise TableError(f"{folder}: the names of its classes cannot be read ({error}). Expected a list of names, or numbers with names.") from error


def _lines_of(file: Path, what: str) -> list[str]:
    try:
        _stop_if_too_long(file)
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{file}: cannot be read as text in UTF-8 ({error}). Save it so, a {what} in each line.") from error


def _stop_if_too_long(file: Path) -> None:
    if file.stat().st_size > MAX_LIST_BYTES:
        raise TableError(f"{file}: is larger than {MAX_LIST_BYTES >> 20} MiB. Split it.")


def _told_pictures(told: Mapping[str, Any], settings: Path) -> Iterator[_Listed]:
    folder = settings.parent
    path = _told_word(told.get("path") or ".", settings)
    root = _inside(path, folder, settings) if (folder / path).is_dir() else folder  # else that of the machine on which the set was made
    for part in PARTS:
        places = told.get(part) or []
        for place in places if isinstance(places, list) else [places]:
            words = _told_word(place, settings)
            if words.startswith("../") and not (root / words).exists():
                words = words[3:]  # as Roboflow writes it, and ultralytics reads it (`data/utils.py`, `check_det_dataset`)
            here = _inside(words, root, settings)
            if here.is_dir():
                yield from _pictures_in(here, folder, part)
            elif here.is_file():
                yield from _in_list(here, folder, part)


def _told_word(value: Any, settings: Path) -> str:
    """
    Raises:
        TableError: It is no word.
    """
    try:
        return _word(value)
    except TypeError as error:
        raise TableError(f"{settings}: {error}. Expected a folder or a list of pictures for path, train, val and test.") from error


def _word(value: Any) -> str:
    """
    Subtle: only of plain values is the text asked for. A list whose parts stand for one another takes a few lines of YAML, and more memory than there is as text.

    Raises:
        TypeError: It is a list or the like.
    """
    if not isinstance(value, str | int | float):
        raise TypeError(f"a word was expected, not a {type(value).__name__}")
    return str(value)


def _inside(words: str, root: Path, settings: Path) -> Path:
    """
    Raises:
        TableError: It leads out of the folder.
    """
    try:
        path = locate(words, root)[0]
        return root if path == "." else locate_inside(path, root)[1]
    except ValueError as error:
        raise TableError(f"{settings}: {words!r} {error}. Put the file into the folder of its pictures, and tell paths from there.") from error


def _in_list(file: Path, folder: Path, part: str) -> Iterator[_Listed]:
    """The pictures in a list, a path in each line, told from where it lies."""
    _stop_if_too_long(file)
    for line in file.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        if line.strip():
            here = _inside(line.strip(), file.parent, file)
            yield _Listed(here.absolute(), here.relative_to(folder).as_posix(), part)


def _pictures_in(place: Path, folder: Path, part: str) -> Iterator[_Listed]:
    """The pictures below a folder; where no part is told, that of the first folder on the way whose name tells one."""
    for file in sorted(one for one in place.rglob("*") if is_picture(one.name)):
        name = file.relative_to(folder)
        told = part if part != NO_SPLIT else next((word for word in map(part_in_name, name.parts[:-1]) if word != NO_SPLIT), NO_SPLIT)
        yield _Listed(file.absolute(), name.as_posix(), told)


def _parts_in(folder: Path) -> list[Path]:
    return [one for one in sorted(folder.iterdir()) if one.is_dir() and part_in_name(one.name) != NO_SPLIT] if folder.is_dir() else []
