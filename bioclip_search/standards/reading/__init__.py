"""Reads an export back into the rows of a run, as far as its format carries them, without opening a picture.

Each format is a neighbour here; what the rows become is left to `tag --from`.
"""

from __future__ import annotations

from pathlib import Path

from bioclip_search.errors import SourceError
from bioclip_search.json_stream import stream_json
from bioclip_search.standards.camtrap_rules import PACKAGE_FILE
from bioclip_search.standards.reading.exported import ExportedRun

__all__ = ["ExportedRun", "read_export"]

READABLE = "csv, megadetector, camtrap-dp and coco"


def read_export(path: str | Path) -> ExportedRun:
    """The export at this path: a CSV of `export --to csv`, MegaDetector output, a Camtrap DP folder or datapackage.json, or COCO Camera Traps.

    Raises:
        SourceError: There is nothing there, or nothing of these kinds.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path}: is not there. Expected an export of one of the formats {READABLE}.")
    if path.is_dir() and not (path / PACKAGE_FILE).is_file():
        raise SourceError(f"{path}: is neither the folder of a run (no run.json) nor a Camtrap DP package (no {PACKAGE_FILE}).")
    if path.is_dir() or path.name == PACKAGE_FILE:
        from bioclip_search.standards.reading.camtrap_dp import read_camtrap_dp

        return read_camtrap_dp(path if path.is_dir() else path.parent)
    if path.suffix.lower() == ".json":
        return _read_json(path)
    if path.suffix.lower() == ".csv":
        from bioclip_search.standards.reading.csv_rows import read_csv

        return read_csv(path)
    raise SourceError(f"{path}: is no export that can be read back. Expected one of the formats {READABLE}.")


def _read_json(path: Path) -> ExportedRun:
    """Told apart by the names of the members, of which all but the long lists are small."""
    names = {name for name, _ in stream_json(path, ("images", "annotations"))}
    if "detection_categories" in names:
        from bioclip_search.standards.reading.megadetector import read_megadetector

        return read_megadetector(path)
    if {"annotations", "categories"} & names:
        from bioclip_search.standards.reading.coco import read_coco

        return read_coco(path)
    raise SourceError(f"{path}: is JSON, but neither MegaDetector output (no detection_categories) nor COCO Camera Traps (no annotations).")
