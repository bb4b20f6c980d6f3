"""What is written of the pictures of camera traps that came: COCO Camera Traps JSON of just these, and a table of labels.

Which pictures are asked for is left to `camera_traps`; both files are read again by `boxed`, `sources.coco` and `evaluation.labelled`.

    NAME.json   images with file_name below the file's own folder, annotations, categories
    NAME.csv    path, label, common_name, category, location, sequence_id, timestamp, split, box_xyxy, source_id: a row for each
                boxed organism, else one for a picture that shows a single taxon
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from bioclip_search.data.camera_traps import PICTURES, Chosen
from bioclip_search.data.categories import Categories
from bioclip_search.sources.given import numbers_of
from bioclip_search.swapping import whole_file

COLUMNS = ("path", "label", "common_name", "category", "location", "sequence_id", "timestamp", "split", "box_xyxy", "source_id")

SEVERAL = "show several taxa without boxes, so they are in the JSON but not in the table"
NONE = "show no organism, so they are in the JSON but not in the table"


def write_subset(chosen: Chosen, folder: Path, name: str) -> tuple[Path, Path, Counter[str]]:
    """The JSON, the table, and how many pictures are not in the table, by reason; both only of pictures that are here."""
    labels, table = folder / f"{name}.json", folder / f"{name}.csv"
    counted: Counter[str] = Counter()
    with whole_file(labels) as part, part.open("w", encoding="utf-8") as file:
        file.write(f'{{"info": {json.dumps(chosen.info)},\n "categories": {json.dumps(list(chosen.categories.listed))},\n "images": [')
        _write_list(file, (one["image"] | {"file_name": f"{PICTURES}/{one['image']['file_name']}"} for one in _here(chosen, folder)))
        file.write('],\n "annotations": [')
        _write_list(file, (annotation for one in _here(chosen, folder) for annotation in one["annotations"]))
        file.write("]}\n")
    with whole_file(table) as part, part.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for one in _here(chosen, folder):
            writer.writerows(_rows(one["image"], one["annotations"], chosen.categories, counted))
    return labels, table, counted


def _here(chosen: Chosen, folder: Path) -> Iterator[dict[str, Any]]:
    return (one for one in chosen.rows() if (folder / PICTURES / one["image"]["file_name"]).is_file())


def _write_list(file: TextIO, entries: Iterator[Mapping[str, Any]]) -> None:
    for number, entry in enumerate(entries):
        file.write(("," if number else "") + "\n  " + json.dumps(entry))


def _rows(image: Mapping[str, Any], annotations: list[dict[str, Any]], categories: Categories, counted: Counter[str]) -> Iterator[dict[str, Any]]:
    from bioclip_search.boxed.boxed_set import is_organism

    shown = [one for one in annotations if str(one.get("category_id")) in categories.names]
    shown = [one for one in shown if is_organism(categories.names[str(one["category_id"])])]
    boxed = [(one, box) for one in shown if (box := _box_xyxy(one.get("bbox")))]
    numbers = {str(one["category_id"]) for one in shown}
    if boxed:
        yield from (_row(image, str(one["category_id"]), categories, box) for one, box in boxed)
    elif len(numbers) == 1:
        yield _row(image, numbers.pop(), categories, "")
    else:
        counted[SEVERAL if numbers else NONE] += 1


def _row(image: Mapping[str, Any], number: str, categories: Categories, box_xyxy: str) -> dict[str, Any]:
    return {
        "path": f"{PICTURES}/{image['file_name']}",
        "label": categories.label(number),
        "common_name": categories.common_name(number),
        "category": categories.names[number],
        "location": image.get("location"),
        "sequence_id": image.get("seq_id"),
        "timestamp": image.get("datetime") or image.get("date_captured"),
        "split": image.get("split"),
        "box_xyxy": box_xyxy,
        "source_id": image.get("id"),
    }


def _box_xyxy(bbox: Any) -> str:
    """Left, top, right, bottom in pixels, parted by spaces; empty where there is none with an area."""
    corner = None if bbox is None else numbers_of(bbox)
    if corner is None or corner[2] <= 0 or corner[3] <= 0:
        return ""
    left, top, width, height = corner
    return f"{left:g} {top:g} {left + width:g} {top + height:g}"
