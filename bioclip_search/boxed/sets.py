"""Pictures with the boxes that people drew on them, wherever they are kept: finds the sets at the places that a user names.

What a set is is left to `boxed_set`, each format to the reader that is named after it. Boxes are read at once, pictures only as they
are asked for; what is found in them is left to `evaluation.detection`.

What a place is, the first that holds; the content counts, and not the name:

1. A folder with run.json is a run, of which people decided about boxes.
2. A folder with datapackage.json, that file, or a zip with one is a Camtrap DP package.
3. A .parquet file, or a folder that holds some: each is a set.
4. A .yaml file, or a folder with one that tells names and parts, or with folders images and labels, is a YOLO set.
5. A folder with XML annotations below it is one of Pascal VOC.
6. A .json file, or a folder that holds some, itself or in its folder annotations: each is COCO, or COCO Camera Traps.
"""

from __future__ import annotations

from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path

from bioclip_search.boxed.boxed_set import NO_ORGANISM, ORGANISM, BoxedSet, TrueBox, is_organism
from bioclip_search.boxed.bursts import with_bursts
from bioclip_search.boxed.reading_camtrap import read_package_boxes
from bioclip_search.boxed.reading_coco import read_coco
from bioclip_search.boxed.reading_parquet import read_parquet_boxes
from bioclip_search.boxed.reading_run import read_run_boxes
from bioclip_search.boxed.reading_voc import annotation_files, read_voc
from bioclip_search.boxed.reading_yolo import YAML_SUFFIXES, is_yolo, read_yolo
from bioclip_search.data.pulled import boxes_of_set
from bioclip_search.errors import TableError
from bioclip_search.evaluation.label_tables import PARQUET_SUFFIXES
from bioclip_search.runs.folder import NOTE_FILE
from bioclip_search.sources.camtrap_dp import DESCRIPTOR, find_package

__all__ = ["NO_ORGANISM", "ORGANISM", "BoxedSet", "TrueBox", "find_boxed_sets", "is_organism", "read_coco", "read_parquet_boxes"]

FORMATS = "COCO (.json), Parquet, a YOLO folder (data.yaml, or images and labels), a folder of Pascal VOC (.xml), a Camtrap DP package, or a reviewed run"


def find_boxed_sets(places: Iterable[str | Path], images: Path | None = None) -> list[BoxedSet]:
    """The sets at the places, at patterns with `*`, and of names of data sets that were pulled, in order.

    Args:
        images: The folder from which COCO files and annotations of Pascal VOC tell their pictures; by default that in which they lie.

    Raises:
        TableError: There is none at a place, or a file lacks what is needed.
        RunError: A run holds no boxes that people decided about.
        SourceError: A package lacks a table.
    """
    return with_bursts([boxed for place in dict.fromkeys(places) for match in _matches(place) for boxed in _sets_at(match, images)])


def _matches(place: str | Path) -> list[Path]:
    path = Path(place)
    if has_magic(str(place)) and not path.exists():
        return [Path(match) for match in sorted(glob(str(place)))] or [path]
    return [path if path.exists() else boxes_of_set(place) or path]


def _sets_at(place: Path, images: Path | None) -> list[BoxedSet]:
    """By the rules of this room."""
    suffix = place.suffix.lower()
    if (place / NOTE_FILE).is_file():
        return [read_run_boxes(place)]
    if (place / DESCRIPTOR).is_file() or place.name == DESCRIPTOR or suffix == ".zip":
        package = find_package(place)
        if package is None:
            raise TableError(f"{place}: is no Camtrap DP package with media and deployments. Pictures with boxes come as {FORMATS}.")
        return [read_package_boxes(package)]
    if place.is_dir():
        return _sets_in(place, images)
    if suffix in PARQUET_SUFFIXES:
        return [read_parquet_boxes(place)]
    if suffix in YAML_SUFFIXES:
        return [read_yolo(place)]
    if suffix == ".json":
        return [read_coco(place, images)]
    raise TableError(f"{place}: is none of the formats that pictures with boxes come in. These are {FORMATS}.")


def _sets_in(folder: Path, images: Path | None) -> list[BoxedSet]:
    """Rules 3 to 6 of a folder."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PARQUET_SUFFIXES)
    if files:
        return [read_parquet_boxes(file) for file in files]
    if is_yolo(folder):
        return [read_yolo(folder)]
    if annotation_files(folder):
        return [read_voc(folder, images)]
    below = folder / "annotations"
    for home in (folder, below):
        files = sorted(home.glob("*.json"))
        if files:
            return [read_coco(file, images or (_images_beside(folder) if home == below else None)) for file in files]
    raise TableError(f"{folder}: holds none of the formats that pictures with boxes come in. These are {FORMATS}.")


def _images_beside(folder: Path) -> Path:
    """Where the pictures are of a folder with a folder annotations."""
    return folder / "images" if (folder / "images").is_dir() else folder
