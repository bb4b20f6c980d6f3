"""Writes sets of boxes in the format that is asked for; each format has its own writer beside this room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bioclip_search.boxed.boxed_set import BoxedSet
from bioclip_search.boxed.writing_coco import write_coco
from bioclip_search.boxed.writing_parquet import write_parquet
from bioclip_search.boxed.writing_yolo import write_yolo
from bioclip_search.errors import TableError

FORMATS = ("coco", "yolo", "parquet")


def write_sets(sets: Sequence[BoxedSet], out: Path, kind: str, *, one_class: bool = False, overwrite: bool = False) -> Path:
    """The folder, or of YOLO its data.yaml, with the examined sets by their parts; it stands there only when it is whole.

    Args:
        one_class: Whether every box is called an organism, of YOLO only.

    Raises:
        TableError: The format is none of `FORMATS`, or nothing is in a part that it knows.
        ExportError: There is something at `out`, or it cannot be written.
    """
    if kind == "coco":
        return write_coco(sets, out, overwrite=overwrite)
    if kind == "parquet":
        return write_parquet(sets, out, overwrite=overwrite)
    if kind == "yolo":
        return write_yolo(sets, out, categories="one" if one_class else "own", overwrite=overwrite)
    raise TableError(f"{kind!r} is no format that boxes are written in. These are {', '.join(FORMATS)}.")
