"""Writes sets of boxes as COCO: a JSON file for each part, and the pictures beside it in the folder images.

Members beyond the format are those of COCO Camera Traps (`location`, `seq_id`, `datetime`), which readers of COCO pass over, and `split`.
Reading it back is `reading_coco`, the files of the pictures are left to `picture_files`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, kept
from bioclip_search.boxed.picture_files import put_picture, safe_stem, with_safe_parts
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.output import fresh_folder

IMAGES = "images"
MARK = "categories.txt"
"""A file by which a folder of this writer is known, with the categories of all its parts."""

FIRST_CATEGORY = 1


def write_coco(sets: Sequence[BoxedSet], out: Path, *, overwrite: bool = False) -> Path:
    """The folder, which stands there only when it is whole: PART.json for each part of the examined sets, of all one list of categories.

    Raises:
        ExportError: There is something at `out`, or it cannot be written.
    """
    categories = sorted({box.category for boxed in sets for several in boxed.boxes for box in several})
    number_of = {name: number for number, name in enumerate(categories, start=FIRST_CATEGORY)}
    sets = with_safe_parts(sets)
    told = [{"id": number, "name": name} for name, number in number_of.items()]
    with fresh_folder(out, MARK, ExportOptions(overwrite=overwrite)) as fresh:
        (fresh / MARK).write_text("".join(f"{name}\n" for name in categories), encoding="utf-8", newline="\n")
        for part in sorted({part for boxed in sets for part in boxed.parts.tolist()}):
            (fresh / IMAGES / part).mkdir(parents=True)
            of_part = [kept(boxed, boxed.parts == part) for boxed in sets]
            with (fresh / f"{part}.json").open("w", encoding="utf-8", newline="\n") as file:
                _write_part(file, of_part, part, fresh, told, number_of)
    return out


def _write_part(file: TextIO, sets: Sequence[BoxedSet], part: str, out: Path, categories: Sequence[Any], number_of: Mapping[str, int]) -> None:
    file.write(f'{{\n "info": {{"version": "1.0", "description": {json.dumps(part)}}},\n "categories": {json.dumps(categories, ensure_ascii=False)},\n')
    file.write(' "images": [')
    _write_list(file, _images(sets, part, out))
    file.write('],\n "annotations": [')
    _write_list(file, _annotations(sets, number_of))
    file.write("]\n}\n")


def _write_list(file: TextIO, elements: Iterator[Mapping[str, Any]]) -> None:
    for number, element in enumerate(elements):
        file.write(("," if number else "") + "\n  " + json.dumps(element, ensure_ascii=False))


def _images(sets: Sequence[BoxedSet], part: str, out: Path) -> Iterator[dict[str, Any]]:
    """The images of a part, numbered from 1 through all sets, while their files are put in place."""
    number = 0
    for boxed in sets:
        for row, picture in enumerate(boxed.pictures(np.ones(len(boxed), bool))):
            number += 1
            file = put_picture(picture, out / IMAGES / part, f"{number:06d}-{safe_stem(boxed.names[row])}")
            width, height = boxed.sizes_wh[row].tolist()
            told = {"id": number, "file_name": file.relative_to(out).as_posix(), "width": width, "height": height, "split": part}
            for member, column in (("location", boxed.deployments), ("seq_id", boxed.bursts), ("datetime", boxed.taken)):
                if column is not None and column[row] is not None:
                    told[member] = column[row]
            yield told | ({"silver": True} if boxed.silver is not None and boxed.silver[row] else {})


def _annotations(sets: Sequence[BoxedSet], number_of: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    boxes = ((image, box) for image, several in enumerate((several for boxed in sets for several in boxed.boxes), start=1) for box in several)
    for number, (image, box) in enumerate(boxes, start=1):
        left, top, right, bottom = box.box_xyxy
        width, height = right - left, bottom - top
        told = {"id": number, "image_id": image, "category_id": number_of[box.category], "bbox": [left, top, width, height]}
        yield told | {"area": width * height, "iscrowd": int(box.is_crowd)}
