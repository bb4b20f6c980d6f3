"""The truth beside answers that were given before: which label belongs to which picture of a run.

Reading labels is left to `label_tables` and `label_folders`, bare names to `labels`; what answers are worth to the measures.

A picture of the run and a row of truth are one, the first that holds:

1. Both are written alike.
2. Both lead to the same file, the run's from where the command runs, the truth's from where its table lies.
3. Their paths end alike (site 1/IMG_0001.JPG, or the file name alone), and no other picture of either ends so.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from bioclip_search.errors import TableError
from bioclip_search.evaluation.burst_names import burst_names
from bioclip_search.evaluation.label_folders import read_folder
from bioclip_search.evaluation.label_tables import BOX, JSONL_SUFFIXES, boxes_of, read_jsonl, read_labels
from bioclip_search.evaluation.labelled import NO_SPLIT, LabelledSet, cut_out
from bioclip_search.evaluation.labels import LabelReport, resolve_table
from bioclip_search.evaluation.taken import TAKEN_COLUMNS
from bioclip_search.names import Names
from bioclip_search.prompts import RANKS
from bioclip_search.tables import read_table, text_column

NO_ROW = -1

ENDING_PARTS = 6
"""Parts of a path, the file name among them, by whose ends pictures are found at most."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels of n pictures as `label_tables.read_labels` gives them, and the folder from which their paths are told."""

    labels: pa.Table
    home: Path
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def rows_of(self, images: Sequence[str]) -> np.ndarray:
        """The row of each picture, (m,) int64, -1 where there is none; a picture may be asked for several times."""
        rows: dict[str, int] = {}
        here_and_there = ((str, str), (_in_full, lambda image: _in_full(os.path.join(self.home, image))))
        for spelt_here, spelt_there in here_and_there:
            left = [image for image in dict.fromkeys(images) if image not in rows]
            known = _once(self.images, spelt_there) if left else {}
            rows |= {image: known[key] for image in left if (key := spelt_here(image)) in known}
        taken = set(rows.values())
        for parts in range(1, ENDING_PARTS + 1):
            left = [image for image in dict.fromkeys(images) if image not in rows]
            known = _once(self.images, partial(_ending, parts=parts)) if left else {}
            often = Counter(_ending(image, parts) for image in dict.fromkeys(images)) if left else {}
            rows |= {image: known[key] for image in left if often[key := _ending(image, parts)] == 1 and key in known and known[key] not in taken}
        return np.array([rows.get(image, NO_ROW) for image in images], np.int64)

    def unused(self, rows: np.ndarray) -> list[str]:
        """The pictures of truth that none of these rows is, in order."""
        return [self.images[row] or f"row {row + 1}" for row in np.setdiff1d(np.arange(len(self)), rows)]

    def resolved(self, names: Names, *, correct: bool = True) -> tuple[Truth, LabelReport]:
        """The same truth with its labels looked up in an index, and what became of them."""
        table, report = resolve_table(self.labels, names, correct=correct)
        labels = self.labels
        for column in table.column_names:
            labels = labels.set_column(labels.column_names.index(column), column, table[column])
        return replace(self, labels=labels), report

    @cached_property
    def images(self) -> list[str | None]:
        return self.labels["image"].to_pylist()


def read_truth(file: str | Path, ranks: Sequence[str] = RANKS) -> Truth:
    """The labels of a table (CSV, TSV, Parquet, JSON lines) or of a folder of taxa.

    Of pictures that stand several times with one label the first row is kept; with several labels none is, and a note tells.

    Raises:
        TableError: It cannot be read, has no column of pictures or of taxa, or no row that says which picture it is.
    """
    file = Path(file)
    labels, notes = read_folder(file, ranks) if file.is_dir() else (read_labels(file, ranks), ())
    told = labels.select([*ranks, "written"]).to_pylist()
    rows_of: dict[str, list[int]] = {}
    for row, image in enumerate(labels["image"].to_pylist()):
        if image is not None:
            rows_of.setdefault(image, []).append(row)
    if not rows_of:
        raise TableError(f"{file}: no row says which picture it is. Expected a column image or path with the picture's path or file name.")
    several = [image for image, rows in rows_of.items() if any(told[row] != told[rows[0]] for row in rows[1:])]
    if several:
        is_one = len(several) == 1
        notes += (f"{len(several):,} {'picture has' if is_one else 'pictures have'} more than one taxon, so no one truth: {', '.join(several[:5])}",)
    torn = set(several)
    kept = [rows[0] for image, rows in rows_of.items() if image not in torn]
    return Truth(labels.take(pa.array(kept, pa.int64())), file if file.is_dir() else file.parent, notes)


def set_of_run(run: str | Path, truth: str | Path, ranks: Sequence[str] = RANKS) -> LabelledSet:
    """The crops that `identify` answered about (JSON lines or CSV), with the labels of their pictures, ready to be looked at again.

    Raises:
        TableError: Either cannot be read, or they have no picture in common.
    """
    run, known = Path(run), read_truth(truth, ranks)
    table = read_table(read_jsonl(run) if run.suffix.lower() in JSONL_SUFFIXES else run)
    images = [image or "" for image in text_column(table, "image").to_pylist()]
    rows = known.rows_of(images)
    has_truth = rows != NO_ROW
    if not has_truth.any():
        raise TableError(f"{run} and {truth} have no picture in common: {images[0] if images else 'none'} and {known.images[0]}, for example.")
    labels = known.labels.take(pa.array(rows[has_truth]))
    boxes = boxes_of(table).filter(pa.array(has_truth)).cast(BOX).to_pylist()
    answered = [image for image, is_known in zip(images, has_truth.tolist(), strict=True) if is_known]
    places = [_place(image, known.home / there) for image, there in zip(answered, labels["image"].to_pylist(), strict=True)]
    return LabelledSet(
        name=run.stem,
        taxa=labels.select([*ranks, "common_name"]),
        parts=np.array([split or NO_SPLIT for split in labels["split"].to_pylist()], object),
        names=tuple(f"{run.stem}/{image}" for image in answered),
        pictures=partial(crops_at, tuple(zip(places, boxes, strict=True))),
        written=labels["written"],
        authorship=labels["authorship"],
        bursts=burst_names(*(labels[name].to_pylist() for name in (*TAKEN_COLUMNS, "image"))),
        notes=(*known.notes, *_left_over(run.stem, images, has_truth, known.unused(rows))),
    )


def crops_at(crops: Sequence[tuple[Path, list[float] | None]], wanted: np.ndarray) -> Iterator[Any]:
    """The wanted pictures, (n,) bool, of places and boxes, in order, as they are asked for; those with a box cut out."""
    for place, box in (crops[row] for row in np.flatnonzero(wanted).tolist()):
        yield place if box is None else cut_out(place, box)


def _place(image: str, by_truth: Path) -> Path:
    return by_truth if not Path(image).exists() and by_truth.exists() else Path(image)


def _left_over(name: str, images: Sequence[str], has_truth: np.ndarray, unused: Sequence[str]) -> Iterator[str]:
    without = len({image for image, known in zip(images, has_truth.tolist(), strict=True) if not known})
    if without:
        yield f"{name}: {without:,} {'picture was answered but has' if without == 1 else 'pictures were answered but have'} no truth"
    if unused:
        yield f"{name}: {len(unused):,} {'picture has' if len(unused) == 1 else 'pictures have'} a truth but no answer: {', '.join(unused[:5])}"


def _once(images: Iterable[str | None], spelling: Callable[[str], str]) -> dict[str, int]:
    """The row of each spelling that only one row has."""
    spelt = [(spelling(image), row) for row, image in enumerate(images) if image is not None]
    counts = Counter(key for key, _ in spelt)
    return {key: row for key, row in spelt if counts[key] == 1}


def _in_full(image: str | Path) -> str:
    """Where a picture is; links are followed to its folder, not from there on."""
    folder, name = os.path.split(os.path.abspath(image))
    return os.path.join(_real_folder(folder), name)


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _ending(image: str, parts: int) -> str:
    """The last parts of a path, whatever system wrote it.

    >>> _ending(r"D:\\2024\\site 1\\IMG_0001.JPG", 2)
    'site 1/IMG_0001.JPG'
    """
    return "/".join(PurePath(image.replace("\\", "/")).parts[-parts:])
