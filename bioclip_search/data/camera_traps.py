"""Which pictures of a COCO Camera Traps file are asked for, written down so that memory stays flat in their number.

Fetching the pictures is left to `crowd`, what is written of those that came to `subset`, what categories mean to `categories`.

The format: agentmorris/MegaDetector, megadetector/data_management/README.md ("COCO Camera Traps format").
"""

from __future__ import annotations

import hashlib
import heapq
import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bioclip_search.data.categories import PEOPLE, Categories, plain_name
from bioclip_search.data.wish import Wish
from bioclip_search.errors import SourceError, TableError
from bioclip_search.json_stream import stream_json
from bioclip_search.sources.paths import is_picture
from bioclip_search.sources.seen import Kept, Seen
from bioclip_search.swapping import whole_file

PICTURES = "pictures"
"""The folder of a data set in which its pictures lie, under the names that the labels tell."""

MAX_PART_BYTES, MAX_NAME_BYTES = 240, 1024
"""Longest name of a folder or file, and of all of them together: disks hold 255 bytes of one, and what is not yet whole has a longer name."""

_DRIVE = re.compile(r"[A-Za-z]:")

IMAGES, ANNOTATIONS = "images", "annotations"

NEAR = 5
"""How many names are offered where none was found."""


@dataclass
class Chosen:
    """The pictures that are asked for: a file of JSON lines, an object {image, annotations} each.

    Attributes:
        count: How many there are.
        categories: As the file lists them.
        left_out: How many pictures were left out for which reason, in words.
    """

    file: Path
    count: int
    categories: Categories
    info: Any = None
    left_out: Counter[str] = field(default_factory=Counter)

    def rows(self) -> Iterator[dict[str, Any]]:
        """In the order of the labels."""
        with self.file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def choose(labels: Path, wish: Wish, taxa: dict[str, dict[str, str]], folder: Path) -> Chosen:
    """The pictures of the labels that are asked for, written to chosen.jsonl in the folder.

    Of a limited number those are taken whose ids have the smallest hashes: spread over the set, and of ten always five of the hundred.

    Raises:
        TableError: The file is no COCO Camera Traps JSON, or has none of what is asked for; tells what it has.
    """
    with Kept() as told:
        try:
            listed, info = _gather(labels, told)
            categories = Categories.of(listed, taxa)
            _refuse_unknown(wish, categories, labels)
            chosen = Chosen(folder / "chosen.jsonl", 0, categories, info)
            entries = _entries(labels, wish, told, chosen)
            _write(entries if wish.limit is None else _sample(entries, wish.limit), chosen)
        except SourceError as error:
            raise TableError(f"{error} Expected COCO Camera Traps JSON: images, annotations and categories.") from error
    return chosen


def _gather(labels: Path, told: Kept) -> tuple[list[Any], Any]:
    """The categories and the info; every annotation goes into `told`, by the id of its picture."""
    categories: list[Any] = []
    info = None
    for name, value in stream_json(labels, (IMAGES, ANNOTATIONS)):
        if name == ANNOTATIONS and isinstance(value, dict):
            told.add(str(value.get("image_id")), value)
        elif name == "categories" and isinstance(value, list):
            categories = value
        elif name == "info":
            info = value
    return categories, info


def _refuse_unknown(wish: Wish, categories: Categories, labels: Path) -> None:
    if not wish.species:
        return
    unknown = [taxon for taxon in wish.species if not categories.ids_of(taxon)]
    if unknown:
        names = sorted(categories.names.values())
        near = get_close_matches(plain_name(unknown[0]), [plain_name(name) for name in names], n=NEAR, cutoff=0.6)
        hint = f"Did you mean {', '.join(near)}?" if near else f"It has {len(names)}: {', '.join(names[: 4 * NEAR])}{' …' * (len(names) > 4 * NEAR)}."
        raise TableError(f"{labels.name} has no category for {', '.join(unknown)}. {hint}")


def _entries(labels: Path, wish: Wish, told: Kept, chosen: Chosen) -> Iterator[dict[str, Any]]:
    asked = {number for taxon in wish.species for number in chosen.categories.ids_of(taxon)}
    places: set[str] = set()
    splits: set[str] = set()
    with Seen() as seen:
        for name, image in stream_json(labels, (IMAGES, ANNOTATIONS)):
            if name != IMAGES or not isinstance(image, dict):
                continue
            place, split = ("" if image.get(key) is None else str(image[key]) for key in ("location", "split"))
            places.add(place)
            splits.add(split)
            if (wish.locations and place not in wish.locations) or (wish.split and split != wish.split):
                continue
            annotations = told.of(str(image.get("id")))
            found = {str(one.get("category_id")) for one in annotations}
            if asked and not asked & found:
                continue
            reason = _obstacle(image, found, chosen.categories, seen)
            if reason:
                chosen.left_out[reason] += 1
                continue
            yield {"image": image, "annotations": annotations}
    _refuse_nowhere(wish.locations, places - {""}, "location", labels)
    _refuse_nowhere((wish.split,) if wish.split else (), splits - {""}, "split", labels)


def _obstacle(image: dict[str, Any], found: set[str], categories: Categories, seen: Seen) -> str:
    """Why a picture is not fetched; empty where it is."""
    name = image.get("file_name")
    if not isinstance(name, str) or not is_picture(name):
        return "name no picture"
    inside = name_inside(name)
    if inside is None:
        return "have a name that leads out of the folder, or that no disk can hold"
    image["file_name"] = name = inside
    if found and found <= categories.ids_in(PEOPLE):
        return "show people, and are withheld by those who publish the set"
    return "" if seen.is_new(name.lower()) else "are told twice"


def name_inside(name: str) -> str | None:
    """The name of a file below a folder, its parts parted by slashes; None where it leads out of it, is too long, or is no name.

    Subtle: no link is looked for, as `sources.paths.locate_inside` does, for the folder is our own, and of millions of names it would take hours.

    >>> name_inside("S1/B04/x.JPG"), name_inside("S1\\\\x.JPG"), name_inside("a/../../x.JPG"), name_inside("/x.JPG"), name_inside("C:x.JPG")
    ('S1/B04/x.JPG', 'S1/x.JPG', None, None, None)
    """
    plain = posixpath.normpath(name.strip().replace("\\", "/"))
    if not plain.isprintable() or plain.startswith(("/", "../")) or plain in (".", "..") or _DRIVE.match(plain):
        return None
    sizes = [len(part.encode()) for part in plain.split("/")]
    return plain if max(sizes) <= MAX_PART_BYTES and sum(sizes) <= MAX_NAME_BYTES else None


def _refuse_nowhere(asked: Iterable[str], there: set[str], what: str, labels: Path) -> None:
    unknown = [one for one in asked if one not in there]
    if unknown:
        listed = ", ".join(sorted(there)[: 4 * NEAR]) or "none"
        raise TableError(f"{labels.name} knows no {what} {', '.join(unknown)}. It has {len(there)}: {listed}{' …' * (len(there) > 4 * NEAR)}.")


def _sample(entries: Iterable[dict[str, Any]], limit: int) -> Iterator[dict[str, Any]]:
    """The entries of the smallest hashes, in their order."""
    kept: list[tuple[int, int, dict[str, Any]]] = []
    for number, entry in enumerate(entries):
        key = -int.from_bytes(hashlib.sha256(str(entry["image"].get("id")).encode("utf-8", "surrogatepass")).digest(), "big")
        if len(kept) < limit:
            heapq.heappush(kept, (key, number, entry))
        elif key > kept[0][0]:
            heapq.heapreplace(kept, (key, number, entry))
    yield from (entry for _, _, entry in sorted(kept, key=lambda one: one[1]))


def _write(entries: Iterable[dict[str, Any]], chosen: Chosen) -> None:
    with whole_file(chosen.file) as part, part.open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(json.dumps(entry) + "\n")
            chosen.count += 1
