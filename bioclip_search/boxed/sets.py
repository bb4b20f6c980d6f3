"""Pictures with the boxes that people drew on them, wherever they are kept: finds the sets at the places that a user names.

What a set is is left to `boxed_set`, each format to the reader that is named after it. Boxes are read at once, pictures only as they
are asked for; what is found in them is left to `evaluation.detection`.
"""

from __future__ import annotations

from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path

from bioclip_search.boxed.boxed_set import NO_ORGANISM, ORGANISM, BoxedSet, TrueBox, is_organism
from bioclip_search.boxed.reading_coco import read_coco
from bioclip_search.boxed.reading_parquet import read_parquet_boxes
from bioclip_search.errors import TableError
from bioclip_search.evaluation.label_tables import PARQUET_SUFFIXES

__all__ = ["NO_ORGANISM", "ORGANISM", "BoxedSet", "TrueBox", "find_boxed_sets", "is_organism", "read_coco", "read_parquet_boxes"]


def find_boxed_sets(places: Iterable[str | Path], images: Path | None = None) -> list[BoxedSet]:
    """The sets at the places: COCO files, Parquet files, folders of Parquet files, patterns with `*`. Each file is a set.

    Args:
        images: The folder from which a COCO file tells its pictures; by default that in which the file lies.

    Raises:
        TableError: A place has no such file, or a file lacks what is needed.
    """
    files = [file for place in places for file in _files_at(Path(place))]
    return [read_parquet_boxes(file) if file.suffix.lower() in PARQUET_SUFFIXES else read_coco(file, images) for file in files]


def _files_at(place: Path) -> list[Path]:
    if has_magic(str(place)) and not place.exists():
        found = [Path(match) for match in sorted(glob(str(place)))]
    elif place.is_dir():
        found = sorted(file for file in place.iterdir() if file.suffix.lower() in PARQUET_SUFFIXES)
    else:
        found = [place]
    wrong = [file for file in found if file.suffix.lower() not in {".json", *PARQUET_SUFFIXES}]
    if wrong or not found:
        raise TableError(f"{wrong[0] if wrong else place}: is neither COCO (.json) nor Parquet. Pictures with boxes come as one of these.")
    return found
