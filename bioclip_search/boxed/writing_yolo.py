"""Writes sets of boxes as a YOLO data set: images and labels by part, and a data.yaml that a trainer takes.

Which picture goes to which part is left to `splitting`, the files of the pictures to `picture_files`.

The format: https://docs.ultralytics.com/datasets/detect. A line of a label file is "class x_center y_center width height", all but
the class as shares of the upright picture; a picture without boxes has an empty file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from bioclip_search.boxed.boxed_set import ORGANISM, SILVER_LIST, BoxedSet, TrueBox
from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.picture_files import put_picture, safe_stem
from bioclip_search.errors import TableError
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_folder

TRAIN, VAL, TEST = "train", "val", "test"

PART_OF_WORD = {"training": TRAIN, "valid": VAL, "validation": VAL, "dev": VAL, "testing": TEST}
"""Other words for the parts of a split."""

DATA_FILE = "data.yaml"
MARK = "boxes.txt"
"""A file by which a folder of this writer is known, since a data.yaml stands in everybody's: nobody's own set is ever replaced."""

DIGITS = 10
"""Significant digits of a share: a pixel of the largest picture is told to less than a thousandth."""


def write_yolo(
    sets: Sequence[BoxedSet],
    out: Path,
    *,
    parts: Sequence[np.ndarray] | None = None,
    categories: Literal["one", "own"] = "own",
    overwrite: bool = False,
) -> Path:
    """The data.yaml of the folder `out`, which stands there only when it is whole. Paths in it are told from where it lies.

    Boxes of crowds are left out, for the format has no word for them; pictures whose boxes a detector drew are listed in `SILVER_LIST`.
    Sets that were not examined are, first.

    Args:
        parts: For each set, (n,) str, the part of each picture: train, val or test; by default `BoxedSet.parts`. Pictures of other parts are left out.
        categories: "one" calls every box an organism, "own" keeps the categories, in the order of the alphabet.

    Raises:
        TableError: No picture is in a part.
        ExportError: There is something at `out`, or it cannot be written.
    """
    if parts is not None:
        sets = [replace(boxed, parts=np.asarray(of, object)) for boxed, of in zip(sets, parts, strict=True)]
    ready = [boxed if boxed.contents is not None else examine([boxed])[0][0] for boxed in sets]
    parts_of = [part_words(boxed.parts) for boxed in ready]
    there = Counter(part for several in parts_of for part in several.tolist() if part)
    if not there:
        words = ", ".join(sorted({str(part) for boxed in ready for part in boxed.parts})) or "none"
        raise TableError(f"No picture is in a part called train, val or test; the parts are {words}. Split first: bioclip-search data split")
    names = category_names_of(ready) if categories == "own" else [ORGANISM]
    with fresh_folder(out, MARK, ExportOptions(overwrite=overwrite)) as fresh:
        (fresh / MARK).write_text("Pictures with boxes as YOLO has them; data.yaml tells where they are.\n", encoding="ascii", newline="\n")
        for part in there:
            (fresh / "images" / part).mkdir(parents=True)
            (fresh / "labels" / part).mkdir(parents=True)
        number_of = {name: number for number, name in enumerate(names)} if categories == "own" else dict.fromkeys(category_names_of(ready), 0)
        silver: list[Path] = []
        for place, (boxed, of) in enumerate(zip(ready, parts_of, strict=True)):
            silver += _write_set(boxed, of, fresh, f"{place}-" if len(ready) > 1 else "", number_of)
        if silver:
            lines = [f"{file.relative_to(fresh).as_posix()}\n" for file in silver]
            (fresh / SILVER_LIST).write_text("".join(lines), encoding="utf-8", newline="\n")
        (fresh / DATA_FILE).write_text(_data(there, names), encoding="utf-8", newline="\n")
    return out / DATA_FILE


def picture_files(folder: Path, n_sets: int) -> dict[tuple[int, int], Path]:
    """The pictures in the folder that so many sets were written to, by the place of the set and the row in it, as their names tell."""
    found = {}
    for path in sorted((folder / "images").glob("*/[0-9]*")):
        place, row = path.name.split("-")[:2] if n_sets > 1 else (0, path.name.split("-")[0])
        found[int(place), int(row)] = path
    return found


def part_words(parts: np.ndarray) -> np.ndarray:
    """(n,) object: train, val or test, whatever the word; "" for every other part.

    >>> part_words(np.array(["train", "Validation", "all"], object)).tolist()
    ['train', 'val', '']
    """
    words = [PART_OF_WORD.get(str(part).lower(), str(part).lower()) for part in parts]
    return np.array([word if word in (TRAIN, VAL, TEST) else "" for word in words], object)


def category_names_of(sets: Sequence[BoxedSet]) -> list[str]:
    """The categories that have a box, by the alphabet."""
    return sorted({box.category for boxed in sets for several in boxed.boxes for box in several if not box.is_crowd})


def _write_set(boxed: BoxedSet, parts: np.ndarray, out: Path, prefix: str, number_of: dict[str, int]) -> list[Path]:
    """Writes pictures and labels; returns the silver ones among the pictures."""
    wanted, silver = parts != "", []
    for row, picture in zip(np.flatnonzero(wanted).tolist(), boxed.pictures(wanted), strict=True):
        stem = f"{prefix}{row:06d}-{safe_stem(boxed.names[row])}"
        file = put_picture(picture, out / "images" / parts[row], stem)
        lines = [yolo_line(box, number_of[box.category], boxed.sizes_wh[row]) for box in boxed.boxes[row] if not box.is_crowd]
        (out / "labels" / parts[row] / f"{file.stem}.txt").write_text("".join(lines), encoding="ascii", newline="\n")
        if boxed.silver is not None and boxed.silver[row]:
            silver.append(file)
    return silver


def yolo_line(box: TrueBox, number: int, size_wh: Sequence[int]) -> str:
    r"""
    >>> yolo_line(TrueBox((10, 20, 30, 60), "Puma"), 0, (100, 200))
    '0 0.2 0.2 0.2 0.2\n'
    """
    (left, top, right, bottom), (width, height) = box.box_xyxy, map(float, size_wh)
    shares = ((left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height)
    return f"{number} {' '.join(f'{share:.{DIGITS}g}' for share in shares)}\n"


def _data(there: Counter[str], names: Sequence[str]) -> str:
    """Subtle: ultralytics asks for `val` even of a set that is only to be measured, and without `path` tells folders from where the file lies."""
    lines = [f"{part}: images/{part}" for part in (TRAIN, VAL, TEST) if part in there]
    return "\n".join([*lines, "names:", *(f"  {number}: {json.dumps(name, ensure_ascii=False)}" for number, name in enumerate(names))]) + "\n"
