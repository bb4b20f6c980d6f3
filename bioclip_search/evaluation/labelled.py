"""Labelled pictures for a measure: sets of files with the taxon of every row, and the pictures themselves as they are asked for.

Takes Parquet with the pictures in it, tables that say where each picture is, and folders of taxa. Labels are read at once,
pictures only as they come, so memory stays flat. What columns and folders mean is left to `label_tables` and
`label_folders`, bare names to `labels`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bioclip_search.detectors.boxes import crop_box
from bioclip_search.errors import PictureError, TableError
from bioclip_search.evaluation.burst_names import burst_names
from bioclip_search.evaluation.label_folders import has_pictures, read_folder
from bioclip_search.evaluation.label_tables import IMAGE_COLUMNS, PARQUET_SUFFIXES, TABLE_SUFFIXES, open_parquet, read_labels
from bioclip_search.evaluation.taken import TAKEN_COLUMNS
from bioclip_search.images import crop, open_picture
from bioclip_search.prompts import RANKS
from bioclip_search.tables import read_table
from bioclip_search.taxonomy import lineage_columns

if TYPE_CHECKING:
    from bioclip_search.train.config import EncoderConfig
    from bioclip_search.train.pictures import LabelledPicture

TRAIN = "train"
NO_SPLIT = "all"
"""The part of rows that say nothing of a split."""

BATCH_ROWS = 64


@dataclass(frozen=True, eq=False)
class KnownVectors:
    """The vectors that an encoder, told by its fingerprint, gave the pictures of a set before: (n, dim) float32, unit rows."""

    encoder: str
    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """n pictures that share one list of labels.

    Attributes:
        taxa: (n rows) the ranks and common_name; species as binomials.
        parts: (n,) str; the split of each picture, or what a training run makes of it.
        names: How each picture is spoken of.
        pictures: Given which are wanted, (n,) bool, those pictures in order, opened or read as they are asked for.
        written: (n,) str; the bare name of a label that the ranks do not tell, which `labels.resolve_labels` looks up; None: there is none.
        authorship: (n,) str; the authors of `written`, where a column tells them.
        notes: What is worth telling of the set, in words.
        picture_of_row: (n,) int64; rows with one number are crops of one picture, or the picture twice; None: each row is another.
        state: Gives a text that is another when a file of the set has changed; None: nobody knows.
        bursts: (n,) object; the burst that a picture was taken in, by any name, None where it is not known; None: no picture tells. A split never parts one.
            Where labels tell none, files may: `burst_names.bursts_of`.
        is_through_sets: Whether `bursts` were found through all sets, so that one name is one burst in all of them (`burst_names.with_bursts`).
        stations: (n,) object; the camera's stay at a place, as `bursts`.
        taken: Gives for each picture what labels tell of its taking: sequence, station and time, and where it lies, each None where it is not told, and
            the folder of what tells of it; None: it is not known apart from `bursts`.
        paths: Gives where each picture lies as a file, None where it does not; None: they are no files.
        known: Vectors that a run keeps of the pictures, so that they need not be looked at again.
    """

    name: str
    taxa: pa.Table
    parts: np.ndarray
    names: tuple[str, ...]
    pictures: Callable[[np.ndarray], Iterator[Any]]
    written: pa.ChunkedArray | None = None
    authorship: pa.ChunkedArray | None = None
    notes: tuple[str, ...] = ()
    picture_of_row: np.ndarray | None = None
    state: Callable[[], str] | None = None
    bursts: np.ndarray | None = None
    is_through_sets: bool = False
    stations: np.ndarray | None = None
    taken: Callable[[], list[tuple[str | None, ...]]] | None = None
    paths: Callable[[], list[Path | None]] | None = None
    known: KnownVectors | None = None

    def __len__(self) -> int:
        return self.taxa.num_rows


def find_sets(places: Iterable[str | Path], ranks: Sequence[str] = RANKS) -> list[LabelledSet]:
    """The sets at the places: files, folders and patterns with `*`, then reviewed runs, then named data sets and manifests of such.

    Parquet files of one folder are one set, named after it. A folder without any is a folder of taxa; that of a run gives the crops
    that people named.

    Raises:
        TableError: A place has neither table nor pictures, a table lacks what is needed, or a data set cannot be had.
        MissingExtraError: A named data set was asked for, and datasets is not installed.
    """
    from bioclip_search.data.hub import labelled_set_of
    from bioclip_search.data.manifest import find_manifest
    from bioclip_search.data.pulled import labels_of
    from bioclip_search.evaluation.run_sets import is_run, set_of_review

    places = list(dict.fromkeys(places))
    runs = [place for place in places if is_run(place)]
    manifests = {place: find_manifest(place) for place in places if place not in runs}
    pulled = {place: labels_of(manifest) if manifest else Path(place) for place, manifest in manifests.items()}
    named = [labelled_set_of(manifest, ranks) for place, manifest in manifests.items() if manifest and pulled[place] is None]
    reviews = [set_of_review(place, ranks) for place in runs]
    return [*_sets_of_files([pulled[place] if manifests[place] else place for place in manifests if pulled[place] is not None], ranks), *reviews, *named]


def _sets_of_files(places: Iterable[str | Path], ranks: Sequence[str]) -> list[LabelledSet]:
    files_of: dict[Path, list[Path]] = {}
    for file in (file for place in places for file in _files_at(place)):
        home = file.absolute().parent if file.suffix.lower() in PARQUET_SUFFIXES else file.absolute().with_suffix("") if file.is_file() else file.absolute()
        if file not in files_of.setdefault(home, []):
            files_of[home].append(file)
    short = [home.name for home in files_of]
    return [read_set(home.name if short.count(home.name) == 1 else str(home), files, ranks) for home, files in files_of.items()]


def read_set(name: str, files: Sequence[Path], ranks: Sequence[str] = RANKS) -> LabelledSet:
    """One set of the files and folders of taxa, in their order. A row with a box is cut out of its picture.

    Raises:
        TableError: A file cannot be read, or has no column of pictures or taxa.
    """
    read = [read_folder(file, ranks) if file.is_dir() else (read_labels(file, ranks), ()) for file in files]
    if not read:
        raise TableError(
            f"The set {name!r} has no files. Give Parquet files with the columns image and species, a CSV with path and species, or a folder of taxa."
        )
    tables = [table for table, _ in read]
    labels = pa.concat_tables(tables)
    return LabelledSet(
        name=name,
        taxa=labels.select([*ranks, "common_name"]),
        parts=np.array([split or NO_SPLIT for split in labels["split"].to_pylist()], object),
        names=tuple(f"{name}/{source or f'row {row}'}" for row, source in enumerate(labels["name"].to_pylist(), start=1)),
        pictures=partial(pictures_of_files, tuple(zip(files, tables, strict=True))),
        written=labels["written"],
        authorship=labels["authorship"],
        notes=tuple(f"{name}: {note}" for _, notes in read for note in notes),
        picture_of_row=_picture_of_row(labels["image"].to_pylist()),
        bursts=burst_names(*(labels[name].to_pylist() for name in (*TAKEN_COLUMNS, "image"))),
        stations=None if labels["station"].null_count == len(labels) else np.array(labels["station"].to_pylist(), object),
        taken=partial(_taken_of, tuple(zip(files, tables, strict=True))),
        paths=partial(_paths_of, tuple(zip(files, tables, strict=True))),
        state=partial(_state_of, tuple(zip(files, tables, strict=True))),
    )


def sets_of_training(config: EncoderConfig, ranks: Sequence[str] = RANKS) -> list[LabelledSet]:
    """The picture sets of a training run, with the parts that the run kept apart: train, seen and unseen.

    Subtle: the run's own reader decides what its pictures and parts are.

    Raises:
        TableError: A set has no files, or a file lacks what is needed.
    """
    from bioclip_search.train.pictures import read_pictures

    by_set: dict[str, list[LabelledPicture]] = {entry.name: [] for entry in config.sets}
    for picture in read_pictures(Path(config.data_root), config.sets):
        by_set[picture.set_name].append(picture)
    return [_set_of_training(name, pictures, ranks) for name, pictures in by_set.items() if pictures]


def _set_of_training(name: str, pictures: Sequence[LabelledPicture], ranks: Sequence[str]) -> LabelledSet:
    taxa = read_table(pa.table({key: pa.array([picture.taxon[key] for picture in pictures], pa.string()) for key in (*RANKS, "common_name")}))
    return LabelledSet(
        name=name,
        taxa=pa.table({**lineage_columns(taxa, ranks), "common_name": taxa["common_name"]}),
        parts=np.array([picture.part for picture in pictures], object),
        names=tuple(f"{name}/{picture.source_id}" for picture in pictures),
        pictures=partial(_pictures_of_training, tuple(pictures)),
    )


def _pictures_of_training(pictures: Sequence[LabelledPicture], wanted: np.ndarray) -> Iterator[Any]:
    """Whole pictures as the bytes of their files, cut-outs opened; one that cannot be opened as its bytes, which will tell why."""
    from bioclip_search.train.pictures import open_picture

    for picture in (pictures[row] for row in np.flatnonzero(wanted)):
        data = b""
        try:
            data = picture.encoded()
            opened = data if picture.crop_xyxy is None else open_picture(picture)
        except PictureError:
            opened = data
        yield opened


def pictures_of_files(files: Sequence[tuple[Path, pa.Table]], wanted: np.ndarray) -> Iterator[Any]:
    """The wanted pictures of files with their rows (image, box_xyxy), in order, as they are asked for; those with a box cut out."""
    first = 0
    for file, table in files:
        here = wanted[first : first + len(table)]
        boxes = table["box_xyxy"].to_pylist()
        first += len(table)
        for row, picture in zip(np.flatnonzero(here).tolist(), _pictures_of(file, table, here), strict=True):
            yield picture if boxes[row] is None else cut_out(picture, boxes[row])


def _picture_of_row(images: Sequence[str | None]) -> np.ndarray | None:
    """`LabelledSet.picture_of_row`; a row that does not say where its picture is holds one of its own."""
    numbers: dict[str | int, int] = {}
    found = np.array([numbers.setdefault(row if image is None else image, len(numbers)) for row, image in enumerate(images)], np.int64)
    return found if len(numbers) < len(images) else None


def _state_of(files: Sequence[tuple[Path, pa.Table]]) -> str:
    """Where every file and picture is, how large, and when it was last changed."""
    lines = []
    for file, table in files:
        pictures = [path for path in _places(file, table) if path is not None]
        for path in ([] if file.is_dir() else [file]) + pictures:
            try:
                told = path.stat()
                lines.append(f"{path.absolute()} {told.st_size} {told.st_mtime_ns}")
            except (OSError, ValueError):  # a NUL, which a table may hold and no path can
                lines.append(f"{path.absolute()} missing")
    return "\n".join(lines)


def _paths_of(files: Sequence[tuple[Path, pa.Table]]) -> list[Path | None]:
    return [path for file, table in files for path in _places(file, table)]


def _taken_of(files: Sequence[tuple[Path, pa.Table]]) -> list[tuple[str | None, ...]]:
    """`LabelledSet.taken`, places as full paths with `/`."""
    rows = []
    for file, table in files:
        images = [None if path is None else _full(path) for path in _places(file, table)]
        told = (table[name].to_pylist() for name in TAKEN_COLUMNS)
        rows += zip(*told, images, [_full(_home(file))] * len(table), strict=True)
    return rows


def _full(path: Path) -> str:
    return os.path.abspath(path).replace(os.sep, "/")


def _home(file: Path) -> Path:
    """From where the pictures of a folder of taxa, or of a table, are told."""
    return file if file.is_dir() else file.parent


def _places(file: Path, table: pa.Table) -> list[Path | None]:
    """Where the pictures of the rows are, None where a row does not say."""
    home = _home(file)
    return [_place(home, image) if image else None for image in table["image"].to_pylist()]


def _place(home: Path, image: str) -> Path:
    """Where a picture is, by whatever system its path was written."""
    is_foreign = "\\" in image and not (home / image).exists()
    return home / (image.replace("\\", "/") if is_foreign else image)


def cut_out(picture: bytes | Path, box_xyxy: Sequence[float]) -> Any:
    """The part in the box with its margin, as `identify` cuts it; of what cannot be opened the thing itself, which will tell why."""
    try:
        opened = open_picture(picture)
    except PictureError:
        return picture
    return crop(opened, crop_box(tuple(box_xyxy), opened.size))


def _pictures_of(file: Path, table: pa.Table, wanted: np.ndarray) -> Iterator[bytes | Path]:
    """The wanted pictures of one file as they are kept: bytes, or where they are."""
    if file.suffix.lower() not in PARQUET_SUFFIXES:
        home = _home(file)
        yield from (_place(home, place or "") for place in table["image"].filter(pa.array(wanted)).to_pylist())
        return
    opened, row = open_parquet(file), 0
    column = next(name for name in opened.schema_arrow.names if name.lower() in IMAGE_COLUMNS)
    for batch in opened.iter_batches(BATCH_ROWS, columns=[column]):
        here = wanted[row : row + len(batch)]
        row += len(batch)
        yield from (_picture(image, file) for image in batch.column(0).filter(pa.array(here)).to_pylist())


def _files_at(place: str | Path) -> list[Path]:
    """The tables at a place; of a folder its Parquet files, or the folder itself if it is one of taxa."""
    path = Path(place)
    if has_magic(str(place)) and not path.exists():
        return [file for match in sorted(glob(str(place))) for file in _files_at(match)] or _nothing_at(place)
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in PARQUET_SUFFIXES) or ([path] if has_pictures(path) else _nothing_at(place))
    if not path.exists():
        raise TableError(f"{path}: no such file or folder, and no data set of this name.")
    if path.suffix.lower() not in PARQUET_SUFFIXES | TABLE_SUFFIXES:
        raise TableError(
            f"{path}: is neither Parquet nor CSV nor JSON lines, nor a folder. Labelled pictures come as Parquet with a column image, or as a table with a column path."
        )
    return [path]


def _nothing_at(place: str | Path) -> list[Path]:
    raise TableError(
        f"{place}: there are no Parquet files and no pictures. Give files, a folder of Parquet files, or a folder with a sub-folder for each taxon."
    )


def _picture(image: dict | bytes | str | None, file: Path) -> bytes | Path:
    """Subtle: an empty cell becomes an empty file, which opens as a failure with its reason."""
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    return file.parent / image if isinstance(image, str) else image or b""
