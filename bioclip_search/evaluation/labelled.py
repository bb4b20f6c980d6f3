"""Labelled pictures for a measure: sets of files with the taxon of every row, and the pictures themselves as they are asked for.

Reads Parquet with the columns of a Hugging Face image data set (image, source_id, the ranks, common_name, split), and
CSV or TSV with a column `path` beside the ranks. Labels are read at once, pictures only as they come, so memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.errors import PictureError, TableError
from bioclip_search.prompts import RANKS
from bioclip_search.tables import read_table, text_column
from bioclip_search.taxonomy import lineage_columns

if TYPE_CHECKING:
    from bioclip_search.train.config import EncoderConfig
    from bioclip_search.train.pictures import LabelledPicture

TRAIN = "train"
NO_SPLIT = "all"
"""The part of rows that say nothing of a split."""

PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
BATCH_ROWS = 64


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """n pictures that share one list of labels.

    Attributes:
        taxa: (n rows) the ranks and common_name; species as binomials.
        parts: (n,) str; the split of each picture, or what a training run makes of it.
        names: How each picture is spoken of.
        pictures: Given which are wanted, (n,) bool, those pictures in order, opened or read as they are asked for.
    """

    name: str
    taxa: pa.Table
    parts: np.ndarray
    names: tuple[str, ...]
    pictures: Callable[[np.ndarray], Iterator[Any]]

    def __len__(self) -> int:
        return self.taxa.num_rows


def find_sets(places: Iterable[str | Path], ranks: Sequence[str] = RANKS) -> list[LabelledSet]:
    """The sets at the places: files, folders and patterns with `*`. Parquet files of one folder are one set, named after it.

    Raises:
        TableError: A place has no table, or a table lacks what is needed.
    """
    files_of: dict[Path, list[Path]] = {}
    for file in (file for place in places for file in _files_at(place)):
        home = file.absolute().parent if file.suffix.lower() in PARQUET_SUFFIXES else file.absolute().with_suffix("")
        if file not in files_of.setdefault(home, []):
            files_of[home].append(file)
    short = [home.name for home in files_of]
    return [read_set(home.name if short.count(home.name) == 1 else str(home), files, ranks) for home, files in files_of.items()]


def read_set(name: str, files: Sequence[Path], ranks: Sequence[str] = RANKS) -> LabelledSet:
    """One set of the files, in their order.

    Raises:
        TableError: A file cannot be read, or has no column of pictures or taxa.
    """
    tables = [_read_labels(file, ranks) for file in files]
    if not tables:
        raise TableError(f"The set {name!r} has no files. Give Parquet files with the columns image and species, or a CSV with path and species.")
    labels = pa.concat_tables(tables)
    return LabelledSet(
        name=name,
        taxa=labels.select([*ranks, "common_name"]),
        parts=np.array([split or NO_SPLIT for split in labels["split"].to_pylist()], object),
        names=tuple(f"{name}/{source or f'row {row}'}" for row, source in enumerate(labels["name"].to_pylist(), start=1)),
        pictures=partial(_pictures_of_files, tuple(files)),
    )


def sets_of_training(config: EncoderConfig, ranks: Sequence[str] = RANKS) -> list[LabelledSet]:
    """The picture sets of a training run, with the parts that the run kept apart: train, seen and unseen.

    Subtle: the run's own reader decides what its pictures and parts are, so these pictures are all in memory.

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
        try:
            yield picture.data if picture.crop_xyxy is None else open_picture(picture)
        except PictureError:
            yield picture.data


def _pictures_of_files(files: Sequence[Path], wanted: np.ndarray) -> Iterator[bytes | Path]:
    first = 0
    for file in files:
        for batch in _pictures_of(file):
            yield from (picture for picture, is_wanted in zip(batch, wanted[first : first + len(batch)], strict=True) if is_wanted)
            first += len(batch)


def _files_at(place: str | Path) -> list[Path]:
    path = Path(place)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in PARQUET_SUFFIXES)
    else:
        found = [Path(match) for match in sorted(glob(str(place)))] if has_magic(str(place)) and not path.exists() else [path]
    if not found:
        raise TableError(f"{place}: there are no Parquet files. Give files, or a folder of Parquet files.")
    for file in found:
        if file.suffix.lower() not in PARQUET_SUFFIXES | TABLE_SUFFIXES:
            raise TableError(f"{file}: is neither Parquet nor CSV. Labelled pictures come as Parquet with a column image, or as CSV with a column path.")
    return found


def _read_labels(file: Path, ranks: Sequence[str]) -> pa.Table:
    """The ranks, common_name, split and name of every row; no picture is read."""
    if file.suffix.lower() in PARQUET_SUFFIXES:
        columns = _parquet(file).schema_arrow.names
        if "image" not in columns:
            raise TableError(f"{file}: has no column image; it has {', '.join(columns)}.")
        table = read_table(parquet.read_table(file, columns=[name for name in columns if name != "image"]))
        source = text_column(table, "source_id")
    else:
        table = read_table(file)
        if "path" not in table.column_names:
            raise TableError(f"{file}: has no column path that says where each picture is; it has {', '.join(table.column_names)}.")
        source = text_column(table, "path")
    names = lineage_columns(table, ranks)
    return pa.table({**names, "common_name": text_column(table, "common_name"), "split": text_column(table, "split"), "name": source})


def _pictures_of(file: Path) -> Iterator[list[bytes | Path]]:
    if file.suffix.lower() in PARQUET_SUFFIXES:
        for batch in _parquet(file).iter_batches(BATCH_ROWS, columns=["image"]):
            yield [_picture(image, file) for image in batch["image"].to_pylist()]
    else:
        yield [file.parent / (path or "") for path in text_column(read_table(file), "path").to_pylist()]


def _picture(image: dict | bytes | str | None, file: Path) -> bytes | Path:
    """Subtle: an empty cell becomes an empty file, which opens as a failure with its reason."""
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    return file.parent / image if isinstance(image, str) else image or b""


def _parquet(file: Path) -> parquet.ParquetFile:
    try:
        return parquet.ParquetFile(file)
    except FileNotFoundError as error:
        raise TableError(f"{file}: no such file.") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise TableError(f"{file}: cannot be read as Parquet ({str(error).splitlines()[0]}).") from error
