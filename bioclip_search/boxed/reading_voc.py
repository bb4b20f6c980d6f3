"""The set of boxes in a folder of Pascal VOC annotations: an XML file for each picture.

    annotation: filename, size (width, height), object: name, bndbox (xmin, ymin, xmax, ymax)

After Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge" (2010) and its development kit, whose pixels are counted from 1
and whose boxes hold their last pixel: xmin 1 and xmax 40 is the whole of 40 pixels, here 0 to 40. Many programs count from 0 instead;
where any box of a folder begins at 0, all of it is taken so. Parts are told by ImageSets/Main/train.txt and its like, else by folders.
Looking into the pictures is left to `examining`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from xml.parsers import expat

import numpy as np

from bioclip_search.boxed.boxed_set import ORGANISM, BoxedSet, TrueBox, checked_box, is_organism, pictures_at
from bioclip_search.boxed.reading_coco import part_in_name, side_px
from bioclip_search.boxed.report import said
from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import NO_SPLIT
from bioclip_search.images import SUFFIXES
from bioclip_search.sources.paths import locate_inside

MAX_XML_BYTES = 4 << 20
"""Largest file read (4 MiB): a box takes some 300 bytes, so that is more than ten thousand boxes in a picture."""

MAX_DEPTH = 16
"""Deepest nesting of elements; VOC has five (an object's part's box)."""

PICTURE_FOLDERS = ("JPEGImages", "images", "imgs", "Images")
"""Where pictures are, beside a folder of annotations."""

FROM_ZERO = "{name}: some of its boxes begin at 0, so pixels are counted from 0 in all of it, and not from 1 as VOC's own are"
ODD_BOXES = "{name}: passed over {objects} without a box that could be read (the first in {first})"

_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class _Annotation:
    """What one file tells."""

    file: Path
    picture: str = ""
    size: dict[str, str] = field(default_factory=dict)
    objects: list[dict[str, str]] = field(default_factory=list)


def annotation_files(folder: Path) -> list[Path]:
    """The XML files below a folder; none if the first is no annotation."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".xml" and path.is_file())
    if not found:
        return []
    with found[0].open("rb") as file:
        return found if b"<annotation" in file.read(4096) else []


def read_voc(folder: Path, images: Path | None = None) -> BoxedSet:
    """The set of a folder of annotations; pictures without objects are in it, and boxes of people, vehicles and nothing are not.

    Args:
        images: Where the pictures are; by default beside the annotations, or in a folder JPEGImages or images.

    Raises:
        TableError: There are no annotations, or one is no sound XML.
    """
    files = annotation_files(folder)
    if not files:
        raise TableError(f"{folder}: there are no annotations of Pascal VOC (.xml).")
    told = [_read(file) for file in files]
    from_zero = any(_number(one, side) == 0 for annotation in told for one in annotation.objects for side in _SIDES[:2])
    part_of, name = _parts(folder), folder.absolute().name
    boxes, odd, dropped = [], [], 0
    for annotation in told:
        found = [(_box(one, from_zero), one.get("name") or ORGANISM) for one in annotation.objects]
        odd += [annotation.file.name] * sum(box == () for box, _ in found)
        dropped += sum(box is None for box, _ in found)
        boxes.append(tuple(TrueBox(box, category) for box, category in found if box and is_organism(category)))
    notes = [FROM_ZERO.format(name=name)] if from_zero else []
    notes += [ODD_BOXES.format(name=name, objects=said(len(odd), "object"), first=odd[0])] if odd else []
    places = [_picture(annotation, folder, images) for annotation in told]
    return BoxedSet(
        name=name,
        boxes=tuple(boxes),
        parts=np.array([_part(annotation.file, folder, part_of) for annotation in told], object),
        names=tuple(f"{name}/{annotation.file.relative_to(folder).with_suffix('').as_posix()}" for annotation in told),
        pictures=partial(pictures_at, places),
        dropped=dropped,
        sizes_wh=np.array([[side_px(_number(annotation.size, side)) for side in ("width", "height")] for annotation in told], np.int64).reshape(-1, 2),
        notes=tuple(notes),
    )


def _box(one: Mapping[str, str], from_zero: bool) -> tuple | None:
    """The box in pixels counted from 0, () where it is not told, None where it has no area."""
    sides = [_number(one, side) for side in _SIDES]
    if None in sides:
        return ()
    left, top, right, bottom = sides
    return checked_box((left, top, right, bottom) if from_zero else (left - 1, top - 1, right, bottom))


def _number(cells: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(cells[name])
    except (KeyError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _picture(annotation: _Annotation, folder: Path, images: Path | None) -> Path:
    """Where the picture is, or would be: by the name that is told, else by that of the annotation, in the folders where pictures are."""
    home = annotation.file.parent
    homes = [images] if images else [home, *(up / name for up in (home, home.parent, folder, folder.parent) for name in PICTURE_FOLDERS), home.parent]
    stem = annotation.file.stem
    names = [annotation.picture.replace("\\", "/").rsplit("/", 1)[-1], *(f"{stem}{suffix}" for suffix in sorted(SUFFIXES))]
    for name in filter(None, names):
        for place in homes:
            try:
                file = locate_inside(name, place)[1]
            except ValueError:
                continue
            if file.is_file():
                return file.absolute()
    return (homes[0] / Path(annotation.picture or f"{stem}.jpg").name).absolute()


def _parts(folder: Path) -> dict[str, str]:
    """The part of each annotation, by its stem, as lists of the development kit tell it."""
    lists = [(part_in_name(file.stem), file) for file in sorted(folder.glob("ImageSets/Main/*.txt"))]
    return {
        words[0]: part
        for part, file in lists
        if part == file.stem  # and not the lists of single classes, as aeroplane_train
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        if (words := line.split())
    }


def _part(file: Path, folder: Path, part_of: Mapping[str, str]) -> str:
    told = part_of.get(file.stem)
    return told or next((word for word in map(part_in_name, file.relative_to(folder).parts[:-1]) if word != NO_SPLIT), NO_SPLIT)


def _read(file: Path) -> _Annotation:
    """
    Raises:
        TableError: It cannot be read, is no XML, or has a DOCTYPE.
    """
    try:
        if file.stat().st_size > MAX_XML_BYTES:
            raise TableError(f"{file}: is larger than {MAX_XML_BYTES >> 20} MiB, which the boxes of one picture are not.")
        content = file.read_bytes()
    except OSError as error:
        raise TableError(f"{file}: cannot be read ({error.strerror}).") from error
    reader, parser = _Reader(file), expat.ParserCreate()
    parser.buffer_text = True  # else a file of empty lines is put together line by line, which takes hours
    parser.StartDoctypeDeclHandler, parser.StartElementHandler, parser.EndElementHandler = reader.doctype, reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise TableError(f"{file}: is no sound XML ({error}). Expected an annotation of Pascal VOC; write it anew, or take it away.") from error
    return reader.annotation


class _Reader:
    """Collects what an annotation tells while expat walks through its elements."""

    def __init__(self, file: Path):
        self.annotation = _Annotation(file)
        self._path: list[str] = []
        self._words = ""

    def doctype(self, *_: object) -> None:
        raise TableError(f"{self.annotation.file}: has a DOCTYPE, which can smuggle in entities and files, and which no annotation needs. Take the line out.")

    def start(self, tag: str, _: dict[str, str]) -> None:
        self._path.append(tag)
        self._words = ""
        if len(self._path) > MAX_DEPTH:
            raise TableError(f"{self.annotation.file}: nests more than {MAX_DEPTH} elements, which no annotation does.")
        if self._path == ["annotation", "object"]:
            self.annotation.objects.append({})

    def end(self, tag: str) -> None:
        text, above = self._words.strip(), self._path[:-1]
        if self._path == ["annotation", "filename"]:
            self.annotation.picture = text
        elif above == ["annotation", "size"]:
            self.annotation.size[tag] = text
        elif self._path == ["annotation", "object", "name"] or above == ["annotation", "object", "bndbox"]:
            self.annotation.objects[-1][tag] = text
        self._path.pop()
        self._words = ""

    def text(self, words: str) -> None:
        self._words += words
